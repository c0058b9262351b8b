"""Where the API of service-desk is wired together."""

from kith.api import Api
from service_desk.resources import RESOURCES
from service_desk.tables import people

API = Api("service-desk", RESOURCES, people=people)
