"""Where the API of sales is wired together."""

from kith.api import Api
from sales.graphql import schema
from sales.resources import OPPORTUNITIES, ORDERS, PRODUCTS, RETURNS, TASKS

API = Api(schema, resources=(PRODUCTS, OPPORTUNITIES, ORDERS, RETURNS, TASKS))
