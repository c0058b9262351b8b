"""The nouns of contacts."""

from contacts.contacts.form import CONTACTS
from contacts.customers.form import CUSTOMERS
from contacts.field_definitions.form import FIELD_DEFINITIONS
from contacts.roles.form import ROLES
from contacts.teams.form import TEAMS
from contacts.tenant_settings.form import SETTINGS
from contacts.touchpoints.form import TOUCHPOINTS
from contacts.users.form import USERS

RESOURCES = (CUSTOMERS, CONTACTS, TOUCHPOINTS, SETTINGS, USERS, TEAMS, ROLES, FIELD_DEFINITIONS)
