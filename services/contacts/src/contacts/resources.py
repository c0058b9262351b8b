"""The nouns of contacts, each as one filled-in form."""

from contacts import tables
from contacts.contacts import commands as contacts
from contacts.contacts.rules import Contact
from contacts.contacts.views import ContactView
from contacts.customers import commands as customers
from contacts.customers.rules import Customer
from contacts.customers.views import CustomerView
from contacts.tenant_settings import commands as settings
from contacts.tenant_settings.rules import Settings
from contacts.tenant_settings.views import SettingsView
from contacts.touchpoints import commands as touchpoints
from contacts.touchpoints.rules import Touchpoint
from contacts.touchpoints.views import TouchpointView
from kith.nouns.resource import Follows, Resource

CUSTOMERS = Resource(
    "customer",
    "customers",
    Customer,
    tables.customers,
    CustomerView,
    customers.COMMANDS,
    filters=("kind", "segment", "owner", "country", "source"),
)
CONTACTS = Resource(
    "contact", "contacts", Contact, tables.contacts, ContactView, contacts.COMMANDS, filters=("customer_id",)
)
TOUCHPOINTS = Resource(
    "touchpoint",
    "touchpoints",
    Touchpoint,
    tables.touchpoints,
    TouchpointView,
    touchpoints.COMMANDS,
    filters=("customer_id", "channel", "direction"),
    follows={"contact_id": Follows(tables.contacts.c.id, ("customer_id",))},
    insert_only=True,
)
SETTINGS = Resource(
    "settings",
    "settings",
    Settings,
    tables.settings,
    SettingsView,
    settings.COMMANDS,
    singleton=Settings.singleton,
    write_verb="admin",
)
