"""The nouns of contacts."""

from contacts.adoptions.form import ADOPTIONS
from contacts.attachments.form import ATTACHMENTS
from contacts.consents.form import CONSENTS
from contacts.contacts.form import CONTACTS
from contacts.customers.form import CUSTOMERS
from contacts.field_definitions.form import FIELD_DEFINITIONS
from contacts.notes.form import NOTES
from contacts.roles.form import ROLES
from contacts.teams.form import TEAMS
from contacts.tenant_settings.form import SETTINGS
from contacts.touchpoints.form import TOUCHPOINTS
from contacts.usages.form import USAGES
from contacts.users.form import USERS
from contacts.web_visits.form import WEB_VISITS

RESOURCES = (
    CUSTOMERS,
    CONTACTS,
    TOUCHPOINTS,
    USAGES,
    ADOPTIONS,
    WEB_VISITS,
    SETTINGS,
    USERS,
    TEAMS,
    ROLES,
    FIELD_DEFINITIONS,
    CONSENTS,
    NOTES,
    ATTACHMENTS,
)
IMPORTED = (CUSTOMERS, CONTACTS)
"""Those that are created and updated from files."""
