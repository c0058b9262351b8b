"""What contacts publishes of notes: that there are some, and about what. What they say stays in contacts."""

from typing import ClassVar
from uuid import UUID

from msgspec import field

from kith.events.event import Amended, Event


class NoteWritten(Event):
    type: ClassVar[str] = "contacts.note.written.v1"
    creates: ClassVar[bool] = True
    qualifies: ClassVar[bool] = False
    contact_id: UUID | None = None
    about: str | None = None
    """The noun of what else it is about, with the service: `sales.opportunity`."""
    about_id: UUID | None = None
    mentions: list[UUID] = field(default_factory=list)
    """Users whom it concerns."""
    pinned: bool = False


class NoteAmended(Amended):
    type: ClassVar[str] = "contacts.note.amended.v1"
    qualifies: ClassVar[bool] = False
    mentions: list[UUID] = field(default_factory=list)
    pinned: bool = False


class NoteArchived(Event):
    type: ClassVar[str] = "contacts.note.archived.v1"
    qualifies: ClassVar[bool] = False


class NoteRestored(Event):
    type: ClassVar[str] = "contacts.note.restored.v1"
    qualifies: ClassVar[bool] = False


class NoteErased(Event):
    """Its text was erased, for good."""

    type: ClassVar[str] = "contacts.note.erased.v1"
    qualifies: ClassVar[bool] = False
