"""What sales publishes."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from msgspec import Struct, field

from kith.events.erasures import Confirmation
from kith.events.event import Amended, Event


class ProductCreated(Event):
    type: ClassVar[str] = "sales.product.created.v1"
    creates: ClassVar[bool] = True
    qualifies: ClassVar[bool] = False
    price: Decimal
    currency: str
    family: str | None = None


class ProductArchived(Event):
    """It was put away: lists leave it out."""

    type: ClassVar[str] = "sales.product.archived.v1"
    qualifies: ClassVar[bool] = False


class ProductRestored(Event):
    type: ClassVar[str] = "sales.product.restored.v1"
    qualifies: ClassVar[bool] = False


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


class OpportunityAmended(Amended):
    type: ClassVar[str] = "sales.opportunity.amended.v1"
    owner_id: UUID | None = field(default=None, name="owner")
    product_id: UUID | None = None
    value: Decimal | None = None
    source: str | None = None
    expected_close: date | None = None
    custom: dict[str, Any] = field(default_factory=dict)


class OpportunityAdvanced(Event):
    type: ClassVar[str] = "sales.opportunity.advanced.v1"
    stage: str
    from_stage: str


class OpportunityWon(Event):
    type: ClassVar[str] = "sales.opportunity.won.v1"
    from_stage: str
    value: Decimal
    currency: str


class OpportunityLost(Event):
    type: ClassVar[str] = "sales.opportunity.lost.v1"
    from_stage: str
    reason: str | None = None


class OpportunityArchived(Event):
    """It was put away: lists leave it out."""

    type: ClassVar[str] = "sales.opportunity.archived.v1"
    qualifies: ClassVar[bool] = False


class OpportunityRestored(Event):
    type: ClassVar[str] = "sales.opportunity.restored.v1"
    qualifies: ClassVar[bool] = False


class Line(Struct, omit_defaults=True):
    """A line of an order: so much of a product. `amount` is what is charged for it, in the order's currency."""

    line: int
    """Its number: no other line of the same record has, or had, it."""
    quantity: Decimal
    unit_price: Decimal
    amount: Decimal
    discount_percent: Decimal = Decimal("0.0000")
    product_id: UUID | None = None
    family: str | None = None
    """The product's."""


class OrderPlaced(Event):
    type: ClassVar[str] = "sales.order.placed.v1"
    creates: ClassVar[bool] = True
    value: Decimal
    currency: str
    country: str | None = None
    opportunity_id: UUID | None = None
    lines: list[Line] = field(default_factory=list)
    custom: dict[str, Any] = field(default_factory=dict)


class OrderReturned(Event):
    """Goods or money went back. `value` is what was given back, zero or more."""

    type: ClassVar[str] = "sales.order.returned.v1"
    noun: ClassVar[str] = "sales.return"
    creates: ClassVar[bool] = True
    value: Decimal
    currency: str
    country: str | None = None
    order_id: UUID | None = None


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


class TaskAmended(Amended):
    type: ClassVar[str] = "sales.task.amended.v1"
    qualifies: ClassVar[bool] = False
    owner_id: UUID | None = field(default=None, name="owner")
    due_at: datetime | None = None
    remind_at: datetime | None = None
    kind: str | None = None
    priority: str = "normal"
    custom: dict[str, Any] = field(default_factory=dict)


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


class TaskCancelled(Event):
    type: ClassVar[str] = "sales.task.cancelled.v1"
    qualifies: ClassVar[bool] = False
    state: str
    outcome: str | None = None


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


class ActivityBegun(Event):
    """What the events have in common by which an activity begins."""

    creates: ClassVar[bool] = True
    kind: str
    state: str
    direction: str | None = None
    contact_id: UUID | None = None
    opportunity_id: UUID | None = None
    owner_id: UUID | None = field(default=None, name="owner")
    planned_for: datetime | None = None
    remind_at: datetime | None = None
    duration_seconds: int | None = None
    outcome: str | None = None
    custom: dict[str, Any] = field(default_factory=dict)


class ActivityRecorded(ActivityBegun):
    """A call, a meeting, a visit or an inquiry that took place."""

    type: ClassVar[str] = "sales.activity.recorded.v1"
    creates: ClassVar[bool] = True


class ActivityPlanned(ActivityBegun):
    """It is to take place. It is no exchange with the customer yet: that comes when it is held."""

    type: ClassVar[str] = "sales.activity.planned.v1"
    creates: ClassVar[bool] = True
    qualifies: ClassVar[bool] = False


class ActivityAmended(Amended):
    type: ClassVar[str] = "sales.activity.amended.v1"
    qualifies: ClassVar[bool] = False
    contact_id: UUID | None = None
    opportunity_id: UUID | None = None
    owner_id: UUID | None = field(default=None, name="owner")
    remind_at: datetime | None = None
    duration_seconds: int | None = None
    outcome: str | None = None
    custom: dict[str, Any] = field(default_factory=dict)


class ActivityReminded(Event):
    """The instant has come at which its owner wanted to be reminded of it, or somebody did so before."""

    type: ClassVar[str] = "sales.activity.reminded.v1"
    qualifies: ClassVar[bool] = False
    reminded_at: datetime


class ActivityHeld(Event):
    """One that was planned took place."""

    type: ClassVar[str] = "sales.activity.held.v1"
    state: str
    duration_seconds: int | None = None
    outcome: str | None = None


class ActivityMissed(Event):
    """They did not come, or did not answer."""

    type: ClassVar[str] = "sales.activity.missed.v1"
    qualifies: ClassVar[bool] = False
    state: str
    outcome: str | None = None


class ActivityCancelled(Event):
    type: ClassVar[str] = "sales.activity.cancelled.v1"
    qualifies: ClassVar[bool] = False
    state: str
    outcome: str | None = None


class ActivityRescheduled(Event):
    """It is planned for another time."""

    type: ClassVar[str] = "sales.activity.rescheduled.v1"
    qualifies: ClassVar[bool] = False
    state: str
    planned_for: datetime
    remind_at: datetime | None = None


class ActivityArchived(Event):
    """It was put away: lists leave it out."""

    type: ClassVar[str] = "sales.activity.archived.v1"
    qualifies: ClassVar[bool] = False


class ActivityRestored(Event):
    type: ClassVar[str] = "sales.activity.restored.v1"
    qualifies: ClassVar[bool] = False


class LeadCaptured(Event):
    """A person or an organisation may become a customer. It is no dealing with one yet."""

    type: ClassVar[str] = "sales.lead.captured.v1"
    creates: ClassVar[bool] = True
    qualifies: ClassVar[bool] = False
    state: str
    source: str | None = None
    campaign: str | None = None
    country: str | None = None
    owner_id: UUID | None = field(default=None, name="owner")
    queue_id: UUID | None = None
    duplicate_of_id: UUID | None = None
    """An open lead that had the same address then."""
    custom: dict[str, Any] = field(default_factory=dict)


class LeadAmended(Amended):
    type: ClassVar[str] = "sales.lead.amended.v1"
    qualifies: ClassVar[bool] = False
    source: str | None = None
    campaign: str | None = None
    country: str | None = None
    custom: dict[str, Any] = field(default_factory=dict)


class LeadAssigned(Event):
    type: ClassVar[str] = "sales.lead.assigned.v1"
    qualifies: ClassVar[bool] = False
    owner_id: UUID | None = field(name="owner")
    queue_id: UUID | None = None


class LeadWorked(Event):
    """Somebody looks after it."""

    type: ClassVar[str] = "sales.lead.worked.v1"
    qualifies: ClassVar[bool] = False
    state: str
    from_state: str


class LeadQualified(Event):
    """It is worth an opportunity."""

    type: ClassVar[str] = "sales.lead.qualified.v1"
    qualifies: ClassVar[bool] = False
    state: str
    from_state: str


class LeadDisqualified(Event):
    type: ClassVar[str] = "sales.lead.disqualified.v1"
    qualifies: ClassVar[bool] = False
    state: str
    from_state: str
    reason: str


class LeadNurtured(Event):
    """It is not ripe yet."""

    type: ClassVar[str] = "sales.lead.nurtured.v1"
    qualifies: ClassVar[bool] = False
    state: str
    from_state: str
    nurture_until: datetime


class LeadRecycled(Event):
    """It is new again."""

    type: ClassVar[str] = "sales.lead.recycled.v1"
    qualifies: ClassVar[bool] = False
    state: str
    from_state: str


class LeadArchived(Event):
    """It was put away: lists leave it out."""

    type: ClassVar[str] = "sales.lead.archived.v1"
    qualifies: ClassVar[bool] = False


class LeadRestored(Event):
    type: ClassVar[str] = "sales.lead.restored.v1"
    qualifies: ClassVar[bool] = False


class LeadErased(Event):
    """Who it is is gone."""

    type: ClassVar[str] = "sales.lead.erased.v1"
    qualifies: ClassVar[bool] = False


class SubscriptionStep(Struct):
    """How a subscription stands from an instant on, until its next step."""

    starts_at: datetime
    status: str
    plan: str
    seats: int
    unit_price: Decimal
    billing_period: str
    mrr: Decimal
    """Monthly recurring revenue: 0 unless it is active."""


class SubscriptionStarted(Event):
    """`steps`, here and below, say how it stands at every instant, past and to come, by all that is known of it."""

    type: ClassVar[str] = "sales.subscription.started.v1"
    creates: ClassVar[bool] = True
    plan: str
    seats: int
    unit_price: Decimal
    currency: str
    billing_period: str
    starts_at: datetime
    mrr: Decimal
    steps: list[SubscriptionStep]
    auto_renew: bool
    product_id: UUID | None = None
    opportunity_id: UUID | None = None
    term_months: int | None = None
    term_starts_at: datetime | None = None
    term_ends_at: datetime | None = None
    renewal_notice_days: int | None = None
    ends_at: datetime | None = None
    custom: dict[str, Any] = field(default_factory=dict)


class SubscriptionAmended(Amended):
    type: ClassVar[str] = "sales.subscription.amended.v1"
    qualifies: ClassVar[bool] = False
    auto_renew: bool = True
    renewal_notice_days: int | None = None
    plan: str | None = None
    seats: int | None = None
    unit_price: Decimal | None = None
    billing_period: str | None = None
    steps: list[SubscriptionStep] = field(default_factory=list)
    ends_at: datetime | None = None
    custom: dict[str, Any] = field(default_factory=dict)


class SubscriptionTurned(Event):
    """Base of those after which it stands otherwise from `effective_at` on, which may be past or to come."""

    effective_at: datetime
    mrr: Decimal
    """From `effective_at` on."""
    currency: str
    plan: str
    """After the last of the steps, as are the seats, the price and the billing period."""
    seats: int
    unit_price: Decimal
    billing_period: str
    steps: list[SubscriptionStep]
    ends_at: datetime | None = None


class SubscriptionUpgraded(SubscriptionTurned):
    """Its monthly recurring revenue rises by what has changed."""

    type: ClassVar[str] = "sales.subscription.upgraded.v1"


class SubscriptionDowngraded(SubscriptionTurned):
    """Its monthly recurring revenue falls by what has changed."""

    type: ClassVar[str] = "sales.subscription.downgraded.v1"


class SubscriptionChanged(SubscriptionTurned):
    """Its monthly recurring revenue is the same after what has changed."""

    type: ClassVar[str] = "sales.subscription.changed.v1"


class SubscriptionActivated(SubscriptionTurned):
    """The trial became paid."""

    type: ClassVar[str] = "sales.subscription.activated.v1"


class SubscriptionPaused(SubscriptionTurned):
    type: ClassVar[str] = "sales.subscription.paused.v1"


class SubscriptionResumed(SubscriptionTurned):
    type: ClassVar[str] = "sales.subscription.resumed.v1"


class SubscriptionCancelled(SubscriptionTurned):
    """It ends at `effective_at`."""

    type: ClassVar[str] = "sales.subscription.cancelled.v1"
    qualifies: ClassVar[bool] = False
    reason: str | None = None


class SubscriptionReactivated(SubscriptionTurned):
    type: ClassVar[str] = "sales.subscription.reactivated.v1"
    term_starts_at: datetime | None = None
    term_ends_at: datetime | None = None


class SubscriptionRenewed(SubscriptionTurned, kw_only=True):
    """A new term begins at `effective_at`. `value` is the monthly recurring revenue that was due for renewal."""

    type: ClassVar[str] = "sales.subscription.renewed.v1"
    value: Decimal
    term_months: int
    term_starts_at: datetime
    term_ends_at: datetime


class SubscriptionRenewalDue(Event):
    """Its renewal comes near. `value` is the monthly recurring revenue that is due for it."""

    type: ClassVar[str] = "sales.subscription.renewal-due.v1"
    qualifies: ClassVar[bool] = False
    value: Decimal
    currency: str
    term_ends_at: datetime


class SubscriptionEnded(Event):
    """The instant has come at which it ends. `value` is the monthly recurring revenue that ended."""

    type: ClassVar[str] = "sales.subscription.ended.v1"
    qualifies: ClassVar[bool] = False
    effective_at: datetime
    value: Decimal
    currency: str
    at_term_end: bool
    reason: str | None = None


class LeadQueueCreated(Event):
    """Colleagues are given leads in turn."""

    type: ClassVar[str] = "sales.lead-queue.created.v1"
    creates: ClassVar[bool] = True
    qualifies: ClassVar[bool] = False
    code: str
    members: list[UUID]


class LeadQueueAmended(Amended):
    type: ClassVar[str] = "sales.lead-queue.amended.v1"
    qualifies: ClassVar[bool] = False
    code: str | None = None
    members: list[UUID] = field(default_factory=list)


class LeadQueueArchived(Event):
    """It was put away: no lead is put into it."""

    type: ClassVar[str] = "sales.lead-queue.archived.v1"
    qualifies: ClassVar[bool] = False


class LeadQueueRestored(Event):
    type: ClassVar[str] = "sales.lead-queue.restored.v1"
    qualifies: ClassVar[bool] = False


class ErasureConfirmed(Confirmation):
    type: ClassVar[str] = "sales.erasure.confirmed.v1"
    creates: ClassVar[bool] = True
