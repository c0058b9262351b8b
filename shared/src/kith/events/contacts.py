"""What contacts publishes. Names, addresses and numbers of people stay in contacts."""

from datetime import date, datetime
from typing import Any, ClassVar
from uuid import UUID

from msgspec import Struct, field

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
    sentiment: int | None = None
    """How they took it, from -100 to 100."""
    user_id: UUID | None = None
    """Who of ours it was."""
    about: str | None = None
    """The noun of what it was about, with the service: `sales.opportunity`."""
    about_id: UUID | None = None


class UsageRecorded(Event):
    """What a customer bought was used."""

    type: ClassVar[str] = "contacts.usage.recorded.v1"
    creates: ClassVar[bool] = True
    uses: int
    contact_id: UUID | None = None
    product: str | None = None
    feature: str | None = None
    duration_seconds: int | None = None
    failures: int | None = None


class AdoptionMeasured(Event):
    """How much of what a customer bought it uses."""

    type: ClassVar[str] = "contacts.adoption.measured.v1"
    creates: ClassVar[bool] = True
    qualifies: ClassVar[bool] = False
    bought: int
    used: int
    share: float
    """Used of bought."""
    product: str | None = None


class WebVisitRecorded(Event):
    type: ClassVar[str] = "contacts.web-visit.recorded.v1"
    creates: ClassVar[bool] = True
    pages: int
    contact_id: UUID | None = None
    site: str | None = None
    landing_page: str | None = None
    source: str | None = None
    campaign: str | None = None
    duration_seconds: int | None = None


class UserState(Event):
    """Base of the events of a user. Each carries all that a directory keeps of one; who it is stays in contacts."""

    state: str
    actor_id: UUID | None = None
    """The id of those who act with its token; see kith.events.actors. None: it is linked to no subject yet."""
    team_id: UUID | None = None
    role_ids: list[UUID] = field(default_factory=list)


class UserInvited(UserState):
    type: ClassVar[str] = "contacts.user.invited.v1"
    creates: ClassVar[bool] = True
    qualifies: ClassVar[bool] = False


class UserActivated(UserState):
    type: ClassVar[str] = "contacts.user.activated.v1"
    qualifies: ClassVar[bool] = False


class UserLinked(UserState):
    """Its tokens have this subject from now on."""

    type: ClassVar[str] = "contacts.user.linked.v1"
    qualifies: ClassVar[bool] = False


class UserSuspended(UserState):
    type: ClassVar[str] = "contacts.user.suspended.v1"
    qualifies: ClassVar[bool] = False


class UserResumed(UserState):
    type: ClassVar[str] = "contacts.user.resumed.v1"
    qualifies: ClassVar[bool] = False


class UserErased(UserState):
    """Its name and address were erased, for good. It is suspended, for good as well."""

    type: ClassVar[str] = "contacts.user.erased.v1"
    qualifies: ClassVar[bool] = False


class UserAmended(Amended):
    """Besides what changed it carries the rest of UserState."""

    type: ClassVar[str] = "contacts.user.amended.v1"
    qualifies: ClassVar[bool] = False
    state: str
    actor_id: UUID | None = None
    team_id: UUID | None = None
    role_ids: list[UUID] = field(default_factory=list)


class TeamCreated(Event):
    type: ClassVar[str] = "contacts.team.created.v1"
    creates: ClassVar[bool] = True
    qualifies: ClassVar[bool] = False
    parent_id: UUID | None = None


class TeamAmended(Amended):
    type: ClassVar[str] = "contacts.team.amended.v1"
    qualifies: ClassVar[bool] = False
    parent_id: UUID | None = None


class TeamRemoved(Event):
    type: ClassVar[str] = "contacts.team.removed.v1"
    qualifies: ClassVar[bool] = False
    parent_id: UUID | None = None


class RoleCreated(Event):
    type: ClassVar[str] = "contacts.role.created.v1"
    creates: ClassVar[bool] = True
    qualifies: ClassVar[bool] = False
    code: str
    scopes: list[str]
    """What it allows those who have it, as far as their tokens do."""


class RoleAmended(Amended):
    """Besides what changed it carries the rest of what the role is."""

    type: ClassVar[str] = "contacts.role.amended.v1"
    qualifies: ClassVar[bool] = False
    code: str
    scopes: list[str]


class RoleRemoved(Event):
    type: ClassVar[str] = "contacts.role.removed.v1"
    qualifies: ClassVar[bool] = False
    code: str
    scopes: list[str]


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


class FieldDefined(Event):
    """Base of the events of a field that a tenant has defined. Each carries all that services keep of it; its words for
    people stay in contacts."""

    of_noun: str
    """The noun whose records have it, `customer`."""
    code: str
    value_type: str
    required: bool = False
    unique: bool = False
    personal: bool = False
    filterable: bool = False
    default: str | None = None
    choices: list[str] = field(default_factory=list)
    currency: str | None = None
    links_to: str | None = None
    archived_at: datetime | None = None
    removed_at: datetime | None = None


class FieldDefinitionCreated(FieldDefined):
    type: ClassVar[str] = "contacts.field-definition.created.v1"
    creates: ClassVar[bool] = True
    qualifies: ClassVar[bool] = False


class FieldDefinitionAmended(Amended):
    """Besides what changed it carries the rest of FieldDefined."""

    type: ClassVar[str] = "contacts.field-definition.amended.v1"
    qualifies: ClassVar[bool] = False
    of_noun: str
    code: str
    value_type: str
    required: bool = False
    unique: bool = False
    personal: bool = False
    filterable: bool = False
    default: str | None = None
    choices: list[str] = field(default_factory=list)
    currency: str | None = None
    links_to: str | None = None
    archived_at: datetime | None = None
    removed_at: datetime | None = None


class FieldDefinitionArchived(FieldDefined):
    """Its values are read, and no more written."""

    type: ClassVar[str] = "contacts.field-definition.archived.v1"
    qualifies: ClassVar[bool] = False


class FieldDefinitionRestored(FieldDefined):
    type: ClassVar[str] = "contacts.field-definition.restored.v1"
    qualifies: ClassVar[bool] = False


class FieldDefinitionRemoved(FieldDefined):
    """It is gone, and so are its values."""

    type: ClassVar[str] = "contacts.field-definition.removed.v1"
    qualifies: ClassVar[bool] = False
