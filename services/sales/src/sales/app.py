"""Where the API of sales is wired together."""

from kith.api import Api
from sales.resources import RESOURCES

API = Api("sales", RESOURCES)
