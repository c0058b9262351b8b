"""The nouns of contacts."""

from contacts.contacts.form import CONTACTS
from contacts.customers.form import CUSTOMERS
from contacts.tenant_settings.form import SETTINGS
from contacts.touchpoints.form import TOUCHPOINTS

RESOURCES = (CUSTOMERS, CONTACTS, TOUCHPOINTS, SETTINGS)
