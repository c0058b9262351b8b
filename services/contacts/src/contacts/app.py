"""Where the API of contacts is wired together."""

from contacts.attachments import api as attachments
from contacts.consents import api as consents
from contacts.contacts import merging as contact_merging
from contacts.customers import merging as customer_merging
from contacts.duplicates import api as duplicates
from contacts.me import api as me
from contacts.resources import IMPORTED, RESOURCES
from contacts.retention import api as retention
from contacts.roles.form import roles
from contacts.teams.form import teams
from contacts.users.first_sight import at_first_sight
from contacts.users.form import users
from kith.api import Api
from kith.events.catalogue import NOUNS, PRODUCERS
from kith.exports import api as exports
from kith.imports import api as imports
from kith.people.directory import Directory

_NO_RECORDS = {
    "analytics.action",
    "analytics.health",
    "sales.lead-scoring",
    "sales.quote-settings",
    *(f"{each}.erasure" for each in PRODUCERS),
}
"""What events are about besides: no type of GraphQL has its id."""
_OTHERS = [name for name in NOUNS if not name.startswith("contacts.") and name not in _NO_RECORDS]

API = Api(
    "contacts",
    RESOURCES,
    features=(
        *(me.FEATURE, customer_merging.FEATURE, contact_merging.FEATURE, consents.FEATURE, duplicates.FEATURE),
        attachments.FEATURE,
        retention.FEATURE,
        imports.imports_feature("contacts", IMPORTED),
        exports.exports_feature("contacts", RESOURCES),
    ),
    nodes=[name.partition(".")[2].replace("-", "_") for name in _OTHERS],
    people=Directory(users, teams, roles),
    first_sight=at_first_sight,
    tags={
        "me": me.WORDS,
        "duplicates": duplicates.WORDS,
        "retention": retention.WORDS,
        imports.TAG: imports.WORDS,
        exports.TAG: exports.WORDS,
    },
)
