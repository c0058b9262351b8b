"""What contacts publishes of attachments: that there are some, of what kind and size, and to what they belong. Their
names and what is in them stay in contacts."""

from typing import ClassVar
from uuid import UUID

from kith.events.event import Amended, Event


class AttachmentAdded(Event):
    type: ClassVar[str] = "contacts.attachment.added.v1"
    creates: ClassVar[bool] = True
    qualifies: ClassVar[bool] = False
    media_type: str
    size: int
    """In bytes."""
    contact_id: UUID | None = None
    about: str | None = None
    """The noun of what else it belongs to, with the service: `sales.opportunity`."""
    about_id: UUID | None = None
    category: str | None = None


class AttachmentAmended(Amended):
    type: ClassVar[str] = "contacts.attachment.amended.v1"
    qualifies: ClassVar[bool] = False
    category: str | None = None


class AttachmentArchived(Event):
    type: ClassVar[str] = "contacts.attachment.archived.v1"
    qualifies: ClassVar[bool] = False


class AttachmentRestored(Event):
    type: ClassVar[str] = "contacts.attachment.restored.v1"
    qualifies: ClassVar[bool] = False


class AttachmentErased(Event):
    """Its name and its content were erased, for good."""

    type: ClassVar[str] = "contacts.attachment.erased.v1"
    qualifies: ClassVar[bool] = False
