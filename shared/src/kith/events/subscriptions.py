"""What sales publishes of subscriptions."""

from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from msgspec import Struct, field

from kith.events.event import Amended, Event


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
    opens_renewals: bool = False
    ends_at: datetime | None = None
    custom: dict[str, Any] = field(default_factory=dict)


class SubscriptionAmended(Amended):
    type: ClassVar[str] = "sales.subscription.amended.v1"
    qualifies: ClassVar[bool] = False
    auto_renew: bool = True
    renewal_notice_days: int | None = None
    opens_renewals: bool = False
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
    renewal_opportunity_id: UUID | None = None
    """The opportunity that was opened for it."""


class SubscriptionEnded(Event):
    """The instant has come at which it ends. `value` is the monthly recurring revenue that ended."""

    type: ClassVar[str] = "sales.subscription.ended.v1"
    qualifies: ClassVar[bool] = False
    effective_at: datetime
    value: Decimal
    currency: str
    at_term_end: bool
    reason: str | None = None
