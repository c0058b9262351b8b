"""Where the API of contacts is wired together."""

from contacts.resources import RESOURCES
from kith.api import Api

API = Api("contacts", RESOURCES)
