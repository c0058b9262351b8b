"""The nouns of contacts, each as one filled-in form."""

from contacts.commands import contacts, customers, settings, touchpoints
from contacts.domain.contact import Contact
from contacts.domain.customer import Customer
from contacts.domain.settings import Settings
from contacts.domain.touchpoint import Touchpoint
from contacts.queries.contacts import ContactView
from contacts.queries.customers import CustomerView
from contacts.queries.settings import SettingsView
from contacts.queries.touchpoints import TouchpointView
from contacts.storage import tables
from kith.resource import Follows, Resource

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
    appends=True,
)
SETTINGS = Resource(
    "settings",
    "settings",
    Settings,
    tables.settings,
    SettingsView,
    settings.COMMANDS,
    of_tenant=Settings.of_tenant,
    write_verb="admin",
)
