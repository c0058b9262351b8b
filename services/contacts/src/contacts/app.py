"""Where the API of contacts is wired together."""

from contacts.graphql import schema
from contacts.resources import CONTACTS, CUSTOMERS, SETTINGS, TOUCHPOINTS
from kith.api import Api

API = Api(schema, resources=(CUSTOMERS, CONTACTS, TOUCHPOINTS, SETTINGS))
