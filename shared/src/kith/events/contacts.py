"""What contacts publishes. Names, addresses and numbers of people stay in contacts."""

from typing import ClassVar
from uuid import UUID

from msgspec import Struct, field

from kith.events.event import Amended, Event, Replaced


class CustomerCreated(Event):
    type: ClassVar[str] = "contacts.customer.created.v1"
    creates: ClassVar[bool] = True
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


class CustomerErased(Event):
    """What said who it is was erased, for good: whoever has copied it erases it, too. What happened stays."""

    type: ClassVar[str] = "contacts.customer.erased.v1"
    qualifies: ClassVar[bool] = False


class CustomerMerged(Event):
    """Two customers turned out to be one. The subject is the one that was absorbed, and so is the envelope's customer:
    from `time` on, what is recorded of it belongs to `into`."""

    type: ClassVar[str] = "contacts.customer.merged.v1"
    qualifies: ClassVar[bool] = False
    into: UUID
    """The customer that survives."""


class CustomerUnmerged(Event):
    """A merge was a mistake. The subject, and the envelope's customer, is the one that stands for itself again."""

    type: ClassVar[str] = "contacts.customer.unmerged.v1"
    qualifies: ClassVar[bool] = False
    out_of: UUID
    """The customer it had been merged into."""


class ContactCreated(Event):
    type: ClassVar[str] = "contacts.contact.created.v1"
    creates: ClassVar[bool] = True
    role: str | None = None


class ContactAmended(Amended):
    type: ClassVar[str] = "contacts.contact.amended.v1"
    role: str | None = None


class ContactErased(Event):
    """As CustomerErased."""

    type: ClassVar[str] = "contacts.contact.erased.v1"
    qualifies: ClassVar[bool] = False


class TouchpointRecorded(Event):
    type: ClassVar[str] = "contacts.touchpoint.recorded.v1"
    creates: ClassVar[bool] = True
    channel: str
    direction: str
    contact_id: UUID | None = None
    outcome: str | None = None
    duration_seconds: int | None = None
    attempts: int = 1
    campaign: str | None = None
    responded: bool | None = None


class ActivityRule(Struct):
    """What makes a customer active: one of these events within so many days before."""

    event_types: list[str]
    window_days: int


class ActivityPolicy(Struct, omit_defaults=True):
    default: ActivityRule
    segments: dict[str, ActivityRule] = field(default_factory=dict)
    """The rules of segments that have one of their own, by the customer's `segment`."""


class SettingsChanged(Replaced):
    """The tenant's settings as they are now, whole. The subject is an id fixed per tenant; there is no customer."""

    type: ClassVar[str] = "contacts.settings.changed.v1"
    qualifies: ClassVar[bool] = False
    time_zone: str
    """IANA; calendar days are the tenant's in it."""
    activity: ActivityPolicy
    currency: str | None = None
    """ISO 4217, the base currency. None: all amounts are in one currency, and nothing is converted."""
