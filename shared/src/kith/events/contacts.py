"""What contacts publishes. Names, addresses and numbers of people stay in contacts."""

from datetime import date, datetime
from typing import Any, ClassVar
from uuid import UUID

from msgspec import Struct, field

from kith.events.erasures import Confirmation
from kith.events.event import Amended, Event, Replaced


class PostalAddress(Struct, omit_defaults=True):
    """What is known of an address, but for where in the country it is."""

    kind: str
    country: str | None = None
    primary: bool = False


class CustomerCreated(Event):
    type: ClassVar[str] = "contacts.customer.created.v1"
    creates: ClassVar[bool] = True
    kind: str
    country: str | None = None
    segment: str | None = None
    tier: str | None = None
    source: str | None = None
    owner_id: UUID | None = field(default=None, name="owner")
    tags: list[str] = field(default_factory=list)
    referred_by: UUID | None = None
    parent_id: UUID | None = None
    stage: str | None = None
    industry: str | None = None
    size: str | None = None
    language: str | None = None
    time_zone: str | None = None
    addresses: list[PostalAddress] = field(default_factory=list)
    custom: dict[str, Any] = field(default_factory=dict)
    """Values of the fields that the tenant defines, by their codes; none that shows people."""


class CustomerAmended(Amended):
    type: ClassVar[str] = "contacts.customer.amended.v1"
    kind: str | None = None
    country: str | None = None
    segment: str | None = None
    tier: str | None = None
    source: str | None = None
    owner_id: UUID | None = field(default=None, name="owner")
    tags: list[str] = field(default_factory=list)
    referred_by: UUID | None = None
    parent_id: UUID | None = None
    industry: str | None = None
    size: str | None = None
    language: str | None = None
    time_zone: str | None = None
    addresses: list[PostalAddress] = field(default_factory=list)
    custom: dict[str, Any] = field(default_factory=dict)


class CustomerLifecycleMoved(Event):
    """Our relationship to the customer has come to another stage, in which it is from the time of the event."""

    type: ClassVar[str] = "contacts.customer.lifecycle-moved.v1"
    qualifies: ClassVar[bool] = False
    stage: str
    from_stage: str | None = None
    """None: nobody had said."""
    reason: str | None = None


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


class CustomerArchived(Event):
    """It was put away: lists leave it out."""

    type: ClassVar[str] = "contacts.customer.archived.v1"
    qualifies: ClassVar[bool] = False


class CustomerRestored(Event):
    type: ClassVar[str] = "contacts.customer.restored.v1"
    qualifies: ClassVar[bool] = False


class EmailAddress(Struct, omit_defaults=True):
    """What is known of an address of e-mail, without the address."""

    label: str | None = None
    primary: bool = False
    verified_at: datetime | None = None
    bounced_at: datetime | None = None


class PhoneNumber(Struct, omit_defaults=True):
    """What is known of a telephone number, without the number."""

    country: str | None = None
    label: str | None = None
    primary: bool = False


class ContactRole(Struct, omit_defaults=True):
    """What a contact is at a customer: at the envelope's, which is the primary one, or at another."""

    customer_id: UUID
    role: str | None = None
    primary: bool = False
    since: date | None = None
    until: date | None = None


class ContactCreated(Event):
    type: ClassVar[str] = "contacts.contact.created.v1"
    creates: ClassVar[bool] = True
    role: str | None = None
    country: str | None = None
    emails: list[EmailAddress] = field(default_factory=list)
    phones: list[PhoneNumber] = field(default_factory=list)
    addresses: list[PostalAddress] = field(default_factory=list)
    roles: list[ContactRole] = field(default_factory=list)
    preferred_channel: str | None = None
    language: str | None = None
    time_zone: str | None = None
    custom: dict[str, Any] = field(default_factory=dict)


class ContactAmended(Amended):
    type: ClassVar[str] = "contacts.contact.amended.v1"
    role: str | None = None
    country: str | None = None
    emails: list[EmailAddress] = field(default_factory=list)
    phones: list[PhoneNumber] = field(default_factory=list)
    addresses: list[PostalAddress] = field(default_factory=list)
    roles: list[ContactRole] = field(default_factory=list)
    preferred_channel: str | None = None
    language: str | None = None
    time_zone: str | None = None
    custom: dict[str, Any] = field(default_factory=dict)


class ContactEmailVerified(Event):
    """The owner of one of its addresses confirmed it, at the time of the event."""

    type: ClassVar[str] = "contacts.contact.email-verified.v1"
    emails: list[EmailAddress]


class ContactEmailBounced(Event):
    """Mail to one of its addresses came back for good."""

    type: ClassVar[str] = "contacts.contact.email-bounced.v1"
    qualifies: ClassVar[bool] = False
    emails: list[EmailAddress]
    reason: str | None = None


class ContactMerged(Event):
    """Two contacts turned out to be one person. The subject is the one that was absorbed; what names it is of the other
    one from now on, and its own events still name it. What happened stays with its customer."""

    type: ClassVar[str] = "contacts.contact.merged.v1"
    qualifies: ClassVar[bool] = False
    into: UUID


class ContactUnmerged(Event):
    """A contact that was merged stands for itself again."""

    type: ClassVar[str] = "contacts.contact.unmerged.v1"
    qualifies: ClassVar[bool] = False
    out_of: UUID


class ContactErased(Event):
    """As CustomerErased."""

    type: ClassVar[str] = "contacts.contact.erased.v1"
    qualifies: ClassVar[bool] = False


class ContactArchived(Event):
    """It was put away: lists leave it out."""

    type: ClassVar[str] = "contacts.contact.archived.v1"
    qualifies: ClassVar[bool] = False


class ContactRestored(Event):
    type: ClassVar[str] = "contacts.contact.restored.v1"
    qualifies: ClassVar[bool] = False


class ActivityRule(Struct, omit_defaults=True):
    """What makes a customer active: one of these events within so many days before."""

    event_types: list[str]
    window_days: int
    contractual: bool = False
    """Whether who has had a subscription is active while one is in force, and by nothing else."""


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
    """ISO 4217, the base currency, in which figures come. None: each amount in its own."""


class ErasureConfirmed(Confirmation):
    """Notes, attachments and rows of imports of whoever was erased are gone as well."""

    type: ClassVar[str] = "contacts.erasure.confirmed.v1"
    creates: ClassVar[bool] = True
