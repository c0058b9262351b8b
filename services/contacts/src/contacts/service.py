"""What makes contacts a service."""

from contacts.settings import ContactsSettings
from contacts.tables import idempotency, outbox
from kith.runtime.service import Service

SERVICE = Service(
    name="contacts",
    settings=ContactsSettings,
    outbox=outbox,
    idempotency=idempotency,
    api="contacts.app:API",
)
