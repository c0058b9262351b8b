"""What contacts publishes. Names, addresses and numbers of people stay in contacts."""

from typing import ClassVar
from uuid import UUID

from msgspec import field

from kith.events.envelope import Amended, Event


class CustomerCreated(Event):
    type: ClassVar[str] = "contacts.customer.created.v1"
    kind: str
    country: str | None = None
    segment: str | None = None
    tier: str | None = None
    source: str | None = None
    owner: str | None = None
    tags: list[str] = field(default_factory=list)
    referred_by: UUID | None = None


class CustomerAmended(Amended):
    type: ClassVar[str] = "contacts.customer.amended.v1"
    kind: str | None = None
    country: str | None = None
    segment: str | None = None
    tier: str | None = None
    source: str | None = None
    owner: str | None = None
    tags: list[str] = field(default_factory=list)
    referred_by: UUID | None = None


class ContactCreated(Event):
    type: ClassVar[str] = "contacts.contact.created.v1"
    role: str | None = None


class ContactAmended(Amended):
    type: ClassVar[str] = "contacts.contact.amended.v1"
    role: str | None = None


class TouchpointRecorded(Event):
    type: ClassVar[str] = "contacts.touchpoint.recorded.v1"
    channel: str
    direction: str
    contact_id: UUID | None = None
    outcome: str | None = None
    duration_seconds: int | None = None
    attempts: int = 1
    campaign: str | None = None
    responded: bool | None = None
