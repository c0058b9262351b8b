"""What makes contacts a service."""

from contacts.attachments.form import ATTACHMENTS
from contacts.attachments.wiring import SWEEPING, after_removal
from contacts.contacts.form import CONTACTS
from contacts.customers.form import CUSTOMERS
from contacts.duplicates.worker import looking
from contacts.erasure.confirming import confirming, noting_others
from contacts.erasure.forgetting import forgetting
from contacts.erasure.wiring import TASKS, after_restore
from contacts.field_definitions.form import FIELD_DEFINITIONS
from contacts.merging.effect import REPOINTING
from contacts.notes.form import NOTES
from contacts.resources import IMPORTED, RESOURCES
from contacts.retention.applying import applying
from contacts.settings import ContactsSettings
from contacts.tables import idempotency, outbox
from kith.attachments.checking import NEWEST
from kith.custom.filling import making_entries
from kith.custom.stating import stating_fields
from kith.custom.sweep import sweeping
from kith.customers.stating import stating, stating_contacts
from kith.exports.run import Exporter
from kith.imports.rows import Wiring
from kith.imports.run import Importer
from kith.nouns.fills import filling
from kith.runtime.service import Service

SERVICE = Service(
    name="contacts",
    settings=ContactsSettings,
    outbox=outbox,
    idempotency=idempotency,
    api="contacts.app:API",
    tasks=(
        *TASKS,
        filling(
            RESOURCES,
            stating(CUSTOMERS, outbox, source="contacts"),
            stating_contacts(CONTACTS, outbox, source="contacts"),
            stating_fields(FIELD_DEFINITIONS, outbox, source="contacts"),
        ),
        sweeping(RESOURCES),
        making_entries(RESOURCES),
        REPOINTING.task(),
        looking(),
        forgetting(CONTACTS),
        forgetting(CUSTOMERS),
        forgetting(NOTES),
        forgetting(ATTACHMENTS),
        SWEEPING,
        confirming(),
        noting_others(),
        applying(),
        *Exporter("contacts", RESOURCES).tasks(),
        *Importer(IMPORTED, Wiring("contacts", outbox, idempotency)).tasks(),
    ),
    commands={"erasures": "contacts.erasure.wiring", "attachments": "kith.attachments.checking"},
    checks=(NEWEST,),
    after_restore=after_restore,
    after_removal=after_removal,
)
