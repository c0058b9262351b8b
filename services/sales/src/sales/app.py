"""Where the API of sales is wired together."""

from kith.api import Api
from sales.resources import RESOURCES
from sales.tables import people

API = Api("sales", RESOURCES, people=people)
