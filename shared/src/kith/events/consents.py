"""What contacts publishes of consents. Their proof stays in contacts."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from kith.events.event import Replaced


class ConsentChanged(Replaced):
    """What a contact allows for one purpose by one channel, as it is from the time of the event on, whole."""

    type: ClassVar[str] = "contacts.consent.changed.v1"
    qualifies: ClassVar[bool] = False
    contact_id: UUID
    purpose: str
    channel: str
    state: str
    separate: bool = False
    """Given by itself, and not with something else."""
    text_version: str | None = None
    source: str | None = None
    expires_at: datetime | None = None
