"""The form of a subscription: what can be done with it, its table, and how it is seen."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field
from sqlalchemy import TEXT, Boolean, Column, Integer

from kith.db.owned import owned_through
from kith.db.tables import Amount, Moment, aggregate_table, one_of, reference, values_column
from kith.nouns.inputs import UNSENT, Amendment, CustomValues, Input, NewInput
from kith.nouns.resource import Also, Command, Follows, One, Resource, Timer, View, personal
from kith.scalars import Code, Currency, Flag, Id, Instant, Money, Whole
from sales.opportunities.form import OPPORTUNITIES, OpenOpportunity, opportunities
from sales.products.form import products
from sales.reasons.listed import listed_reasons
from sales.reasons.rules import ReasonKind
from sales.subscriptions.rules import Subscription
from sales.subscriptions.values import BillingPeriod, Change, Seats, Step
from sales.tables import CUSTOMER, known_customers, metadata

TermMonths = Annotated[int, Whole(1, 120)]
NoticeDays = Annotated[int, Whole(1, 365)]
EFFECTIVE = Field(default=None, description="from when on, past or to come; just now by default")


class StartSubscription(NewInput):
    customer_id: Id | None = None
    plan: Code
    seats: Seats = 1
    unit_price: Money = Field(description="of a seat, for a billing period")
    currency: Currency | None = Field(default=None, description="the product's or the opportunity's, if one is named")
    billing_period: BillingPeriod = BillingPeriod.MONTHLY
    starts_at: Instant | None = Field(default=None, description="when it is in force from; just now by default")
    trial: Flag = False
    trial_ends_at: Instant | None = None
    term_months: TermMonths | None = Field(default=None, description="none: it goes on until it is cancelled")
    auto_renew: Flag = True
    renewal_notice_days: NoticeDays | None = None
    opens_renewals: Flag = Field(default=False, description="an opportunity, when its renewal is announced")
    product_id: Id | None = None
    opportunity_id: Id | None = None
    custom: CustomValues = Field(default_factory=dict)
    custom_personal: CustomValues = Field(default_factory=dict)


class AmendSubscription(Amendment):
    auto_renew: Flag = UNSENT
    renewal_notice_days: NoticeDays | None = UNSENT
    opens_renewals: Flag = UNSENT
    custom: CustomValues = UNSENT
    custom_personal: CustomValues = UNSENT


class ChangeSubscription(Input):
    effective_at: Instant | None = EFFECTIVE
    plan: Code | None = None
    seats: Seats | None = None
    unit_price: Money | None = None
    billing_period: BillingPeriod | None = None


class ActivateSubscription(Input):
    effective_at: Instant | None = EFFECTIVE


class PauseSubscription(Input):
    effective_at: Instant | None = EFFECTIVE
    resumes_at: Instant | None = None


class ResumeSubscription(Input):
    effective_at: Instant | None = EFFECTIVE


class CancelSubscription(Input):
    effective_at: Instant | None = EFFECTIVE
    at_term_end: Flag = False
    reason: Code | None = None


class ReactivateSubscription(Input):
    effective_at: Instant | None = EFFECTIVE


class RenewSubscription(Input):
    term_months: TermMonths | None = Field(default=None, description="as before by default")
    plan: Code | None = None
    seats: Seats | None = None
    unit_price: Money | None = None
    billing_period: BillingPeriod | None = None


class AnnounceSubscription(Input):
    pass


class EndSubscription(Input):
    pass


subscriptions = aggregate_table(
    "subscriptions",
    metadata,
    Column("plan", TEXT, nullable=False),
    Column("seats", Integer, nullable=False),
    Column("unit_price", Amount, nullable=False),
    Column("currency", TEXT, nullable=False),
    Column("billing_period", one_of(BillingPeriod), nullable=False),
    Column("starts_at", Moment, nullable=False),
    Column("ends_at", Moment),
    Column("term_months", Integer),
    Column("term_starts_at", Moment),
    Column("term_ends_at", Moment),
    Column("auto_renew", Boolean, nullable=False),
    Column("renewal_notice_days", Integer),
    Column("opens_renewals", Boolean, nullable=False, server_default="false"),
    Column("announced_for", Moment),
    Column("ended_at", Moment),
    Column("cancel_reason", TEXT),
    values_column("changes", Change),
    values_column("steps", Step),
    *reference("product_id", products),
    *reference("opportunity_id", opportunities),
    *reference("renewal_opportunity_id", opportunities),
    customer_owned=True,
    customisable=True,
    listed_by=("plan", "product_id", "starts_at", "ends_at", "term_ends_at"),
)
owned_through(subscriptions, known_customers)


@dataclass(slots=True)
class SubscriptionView(View):
    customer_id: UUID | None
    plan: str
    seats: int
    unit_price: Decimal
    currency: str
    billing_period: BillingPeriod
    starts_at: datetime
    ends_at: datetime | None
    term_months: int | None
    term_starts_at: datetime | None
    term_ends_at: datetime | None
    auto_renew: bool
    renewal_notice_days: int | None
    opens_renewals: bool
    announced_for: datetime | None
    ended_at: datetime | None
    cancel_reason: str | None
    steps: list[Step]
    product_id: UUID | None
    opportunity_id: UUID | None
    renewal_opportunity_id: UUID | None
    custom: dict[str, Any]
    custom_personal: dict[str, Any] | None = personal()


def renewal_of(subscription: Subscription, at: datetime) -> OpenOpportunity | None:
    """Returns what is opened to renew a subscription, if it is: for what its term would come to once more, by its end.
    Its product is not named: one that is archived since would be refused."""
    if not subscription.opens_renewals or subscription.term_ends_at is None:
        return None
    return OpenOpportunity.model_construct(
        occurred_at=at,
        name=f"Renewal: {subscription.plan}",
        customer_id=subscription.customer_id,
        currency=subscription.currency,
        value=subscription.worth_of_term,
        source="renewal",
        expected_close=subscription.term_ends_at.astimezone(UTC).date(),
    )


SUBSCRIPTIONS = Resource(
    "subscription",
    "subscriptions",
    Subscription,
    subscriptions,
    SubscriptionView,
    (
        Command("start", StartSubscription, Subscription.start),
        Command("amend", AmendSubscription, Subscription.amend),
        Command("change", ChangeSubscription, Subscription.change),
        Command("activate", ActivateSubscription, Subscription.activate),
        Command("pause", PauseSubscription, Subscription.pause),
        Command("resume", ResumeSubscription, Subscription.resume),
        Command("cancel", CancelSubscription, Subscription.cancel),
        Command("reactivate", ReactivateSubscription, Subscription.reactivate),
        Command("renew", RenewSubscription, Subscription.renew),
        Command(
            "announce",
            AnnounceSubscription,
            Subscription.announce,
            also=Also(OPPORTUNITIES, renewal_of, named="renewal_opportunity_id"),
        ),
        Command("end", EndSubscription, Subscription.end),
    ),
    filters=("customer_id", "plan", "product_id", "starts_at", "ends_at", "term_ends_at"),
    checks=listed_reasons(lambda _: ReasonKind.SUBSCRIPTION_CANCELLED),
    timers=(
        Timer("announce", at="next_notice"),
        Timer("renew", at="next_renewal"),
        Timer("end", at="next_end"),
    ),
    unpublished={"changes": "The steps follow from them."},
    follows={
        "customer_id": CUSTOMER,
        "opportunity_id": Follows(opportunities.c.id, ("customer_id", "currency")),
        "product_id": Follows(products.c.id, ("currency",)),
    },
    relations=(One("customer", many="subscriptions"), One("product"), One("opportunity")),
)
