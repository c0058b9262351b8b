"""What makes contacts a service."""

from contacts.settings import ContactsSettings
from contacts.storage.tables import idempotency, outbox
from kith.service import Service

SERVICE = Service(
    name="contacts",
    settings=ContactsSettings,
    outbox=outbox,
    idempotency=idempotency,
    api="contacts.app:API",
)
