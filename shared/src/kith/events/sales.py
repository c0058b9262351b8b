"""What sales publishes."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from msgspec import Struct, field

from kith.events.erasures import Confirmation
from kith.events.event import Amended, Event


class BundleComponent(Struct, omit_defaults=True):
    """So much of a product, which is in one piece of a bundle."""

    product_id: UUID
    quantity: Decimal


class ProductCreated(Event):
    type: ClassVar[str] = "sales.product.created.v1"
    creates: ClassVar[bool] = True
    qualifies: ClassVar[bool] = False
    price: Decimal
    currency: str
    family: str | None = None
    components: list[BundleComponent] = field(default_factory=list)
    """What a bundle consists of."""


class ProductArchived(Event):
    """It was put away: lists leave it out."""

    type: ClassVar[str] = "sales.product.archived.v1"
    qualifies: ClassVar[bool] = False


class ProductRestored(Event):
    type: ClassVar[str] = "sales.product.restored.v1"
    qualifies: ClassVar[bool] = False


class OpportunityContact(Struct, omit_defaults=True):
    """Somebody at the customer who has a say."""

    contact_id: UUID
    role: str | None = None


class OpportunitySplit(Struct, omit_defaults=True):
    """What share of it is a user's."""

    user_id: UUID
    percent: Decimal


class Line(Struct, omit_defaults=True):
    """A line of an order, a quote, an opportunity: so much of a product. `amount` is what is charged for it, in the
    currency of the record."""

    line: int
    """Its number: no other line of the same record has, or had, it."""
    quantity: Decimal
    unit_price: Decimal
    amount: Decimal
    discount_percent: Decimal = Decimal("0.0000")
    product_id: UUID | None = None
    family: str | None = None
    """The product's."""
    bundle_id: UUID | None = None
    """The bundle of which it is a part."""
    list_price: Decimal | None = None
    """What one unit cost by the price book, or the product. None: neither said."""


class OpportunityOpened(Event):
    type: ClassVar[str] = "sales.opportunity.opened.v1"
    creates: ClassVar[bool] = True
    stage: str
    currency: str
    owner_id: UUID | None = field(default=None, name="owner")
    product_id: UUID | None = None
    value: Decimal | None = None
    source: str | None = None
    expected_close: date | None = None
    custom: dict[str, Any] = field(default_factory=dict)
    """Values of the fields that the tenant defines, by their codes; none that shows people."""
    pipeline_id: UUID | None = None
    """None: the one of tenants who declare none."""
    pipeline_version: int | None = None
    """The number of its stages."""
    probability_percent: Decimal | None = None
    """Of being won, by its stage."""
    forecast_category: str | None = None
    campaign: str | None = None
    competitors: list[str] = field(default_factory=list)
    contacts: list[OpportunityContact] = field(default_factory=list)
    splits: list[OpportunitySplit] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)


class OpportunityAmended(Amended):
    type: ClassVar[str] = "sales.opportunity.amended.v1"
    owner_id: UUID | None = field(default=None, name="owner")
    product_id: UUID | None = None
    value: Decimal | None = None
    source: str | None = None
    expected_close: date | None = None
    custom: dict[str, Any] = field(default_factory=dict)
    campaign: str | None = None
    competitors: list[str] = field(default_factory=list)
    contacts: list[OpportunityContact] = field(default_factory=list)
    splits: list[OpportunitySplit] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)


class OpportunityContactsFollowed(Amended):
    """Of the contacts that it names some were merged, separated, or erased."""

    type: ClassVar[str] = "sales.opportunity.contacts-followed.v1"
    qualifies: ClassVar[bool] = False
    contacts: list[OpportunityContact] = field(default_factory=list)


class OpportunityAdvanced(Event):
    type: ClassVar[str] = "sales.opportunity.advanced.v1"
    stage: str
    from_stage: str
    probability_percent: Decimal | None = None
    forecast_category: str | None = None


class OpportunitySwitched(Event):
    """It goes through another pipeline, or another version of the same."""

    type: ClassVar[str] = "sales.opportunity.switched.v1"
    qualifies: ClassVar[bool] = False
    stage: str
    from_stage: str
    pipeline_id: UUID | None = None
    pipeline_version: int | None = None
    probability_percent: Decimal | None = None
    forecast_category: str | None = None


class OpportunityRotted(Event):
    """It has been in its stage for longer than the pipeline allows, or somebody said so before: once for each visit."""

    type: ClassVar[str] = "sales.opportunity.rotted.v1"
    qualifies: ClassVar[bool] = False
    stage: str
    rotted_at: datetime


class OpportunityWon(Event):
    type: ClassVar[str] = "sales.opportunity.won.v1"
    from_stage: str
    value: Decimal
    currency: str
    reason: str | None = None


class OpportunityLost(Event):
    type: ClassVar[str] = "sales.opportunity.lost.v1"
    from_stage: str
    reason: str | None = None


class OpportunityReopened(Event):
    """One that was won or lost is open again."""

    type: ClassVar[str] = "sales.opportunity.reopened.v1"
    starts_clock: ClassVar[bool] = True
    stage: str
    from_stage: str
    probability_percent: Decimal | None = None
    forecast_category: str | None = None


class OpportunityArchived(Event):
    """It was put away: lists leave it out."""

    type: ClassVar[str] = "sales.opportunity.archived.v1"
    qualifies: ClassVar[bool] = False


class OpportunityRestored(Event):
    type: ClassVar[str] = "sales.opportunity.restored.v1"
    qualifies: ClassVar[bool] = False


class OrderPlaced(Event):
    type: ClassVar[str] = "sales.order.placed.v1"
    creates: ClassVar[bool] = True
    value: Decimal
    currency: str
    country: str | None = None
    opportunity_id: UUID | None = None
    price_book_id: UUID | None = None
    promised_at: datetime | None = None
    """By when it is to be delivered whole."""
    lines: list[Line] = field(default_factory=list)
    custom: dict[str, Any] = field(default_factory=dict)


class ReturnedLine(Struct, omit_defaults=True):
    """So much of a line of an order, which went back. `amount` is what was given back for it."""

    line: int
    """The number of the order's line."""
    quantity: Decimal
    amount: Decimal
    product_id: UUID | None = None
    family: str | None = None


class OrderReturned(Event):
    """Goods or money went back. `value` is what was given back, zero or more."""

    type: ClassVar[str] = "sales.order.returned.v1"
    noun: ClassVar[str] = "sales.return"
    creates: ClassVar[bool] = True
    value: Decimal
    currency: str
    country: str | None = None
    order_id: UUID | None = None
    lines: list[ReturnedLine] = field(default_factory=list)
    """None where what went back is not known by line."""


class QuoteCreated(Event):
    """What may be offered is being written. The customer does not know of it yet."""

    type: ClassVar[str] = "sales.quote.created.v1"
    creates: ClassVar[bool] = True
    qualifies: ClassVar[bool] = False
    state: str
    revision: int
    value: Decimal
    currency: str
    lines: list[Line]
    opportunity_id: UUID | None = None
    valid_until: datetime | None = None
    price_book_id: UUID | None = None
    clone_of_id: UUID | None = None
    """The quote whose lines it has."""


class QuoteAmended(Amended):
    type: ClassVar[str] = "sales.quote.amended.v1"
    qualifies: ClassVar[bool] = False
    value: Decimal | None = None
    lines: list[Line] = field(default_factory=list)
    valid_until: datetime | None = None


class QuoteSent(Event):
    """The customer was sent it: a proposal was made."""

    type: ClassVar[str] = "sales.quote.sent.v1"
    state: str
    revision: int
    value: Decimal
    currency: str


class QuoteViewed(Event):
    type: ClassVar[str] = "sales.quote.viewed.v1"
    state: str


class QuoteAccepted(Event):
    """The customer took it. The order was placed in the same transaction."""

    type: ClassVar[str] = "sales.quote.accepted.v1"
    state: str
    order_id: UUID
    value: Decimal
    currency: str


class QuoteDeclined(Event):
    type: ClassVar[str] = "sales.quote.declined.v1"
    state: str
    reason: str | None = None


class QuoteExpired(Event):
    """The instant has come until which it was valid."""

    type: ClassVar[str] = "sales.quote.expired.v1"
    qualifies: ClassVar[bool] = False
    state: str


class QuoteWithdrawn(Event):
    type: ClassVar[str] = "sales.quote.withdrawn.v1"
    qualifies: ClassVar[bool] = False
    state: str


class QuoteRevised(Event):
    """It is a draft again, which supersedes what was sent."""

    type: ClassVar[str] = "sales.quote.revised.v1"
    qualifies: ClassVar[bool] = False
    state: str
    revision: int


class TaskCreated(Event):
    """Somebody is to do something about a customer. It is no exchange with them: that comes when it is done."""

    type: ClassVar[str] = "sales.task.created.v1"
    creates: ClassVar[bool] = True
    qualifies: ClassVar[bool] = False
    state: str
    owner_id: UUID | None = field(default=None, name="owner")
    due_at: datetime | None = None
    remind_at: datetime | None = None
    reason: str | None = None
    """Why there is one: `band_changed`, say, of a playbook."""
    playbook_id: UUID | None = None
    run_id: UUID | None = None
    kind: str | None = None
    priority: str = "normal"
    custom: dict[str, Any] = field(default_factory=dict)
    recurrence: str | None = None
    """A rule of RFC 5545."""
    time_zone: str | None = None
    recurs_from: datetime | None = None
    """When the first of the series was due."""
    occurrence: int | None = None
    """Its number in the series."""
    previous_id: UUID | None = None
    """The one before."""


class TaskAmended(Amended):
    type: ClassVar[str] = "sales.task.amended.v1"
    qualifies: ClassVar[bool] = False
    owner_id: UUID | None = field(default=None, name="owner")
    due_at: datetime | None = None
    remind_at: datetime | None = None
    kind: str | None = None
    priority: str = "normal"
    custom: dict[str, Any] = field(default_factory=dict)
    recurrence: str | None = None
    time_zone: str | None = None
    recurs_from: datetime | None = None
    occurrence: int | None = None


class TaskTicked(Event):
    """An item of its checklist was done, or is to be done after all."""

    type: ClassVar[str] = "sales.task.ticked.v1"
    qualifies: ClassVar[bool] = False
    item: int
    done: bool
    left: int
    """How many are still to be done."""


class TaskReminded(Event):
    """The instant has come at which its owner wanted to be reminded of it, or somebody did so before."""

    type: ClassVar[str] = "sales.task.reminded.v1"
    qualifies: ClassVar[bool] = False
    reminded_at: datetime


class TaskCompleted(Event):
    type: ClassVar[str] = "sales.task.completed.v1"
    qualifies: ClassVar[bool] = False
    state: str
    outcome: str | None = None
    next_id: UUID | None = None
    """The one that follows it, of a series."""


class TaskCancelled(Event):
    type: ClassVar[str] = "sales.task.cancelled.v1"
    qualifies: ClassVar[bool] = False
    state: str
    outcome: str | None = None
    next_id: UUID | None = None


class TaskReopened(Event):
    type: ClassVar[str] = "sales.task.reopened.v1"
    starts_clock: ClassVar[bool] = True
    qualifies: ClassVar[bool] = False
    state: str
    from_state: str


class TaskArchived(Event):
    """It was put away: lists leave it out."""

    type: ClassVar[str] = "sales.task.archived.v1"
    qualifies: ClassVar[bool] = False


class TaskRestored(Event):
    type: ClassVar[str] = "sales.task.restored.v1"
    qualifies: ClassVar[bool] = False


class ErasureConfirmed(Confirmation):
    type: ClassVar[str] = "sales.erasure.confirmed.v1"
    creates: ClassVar[bool] = True
