"""Where the API of service-desk is wired together."""

from kith.api import Api
from service_desk.graphql import schema
from service_desk.resources import CASES

API = Api(schema, resources=(CASES,))
