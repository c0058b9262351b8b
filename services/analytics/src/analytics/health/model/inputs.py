"""The inputs that a measure can read. An input is data: the value, the events, and the unit.

An input whose events no service publishes yet may be used in a model: it is absent until one does.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from analytics.health.model.definition import DAY, Curve, HealthModel, Measure
from analytics.projections.facts import types_of
from kith.events.analytics import PulseSet, ReadingRecorded
from kith.events.catalogue import EVENTS
from kith.events.contacts import CustomerCreated
from kith.events.exchanges import AdoptionMeasured, TouchpointRecorded, UsageRecorded
from kith.events.goals import MilestoneMet, MilestoneMissed
from kith.events.sales import OrderPlaced, OrderReturned
from kith.events.service_desk import CaseOpened, CaseReopened, CaseResolved
from kith.events.subscriptions import SubscriptionReactivated, SubscriptionRenewed, SubscriptionStarted


class Kind(StrEnum):
    SINCE_LAST = "since_last"
    """Days since the last of its events."""
    SINCE_FIRST = "since_first"
    """Days since the first of its events."""
    SUM = "sum"
    """The sum of its field over the window, of ones if it has none; or fading by the half-life."""
    MEAN = "mean"
    """The mean of its field over the window, or weighted by the half-life. Absent with no event in the window."""
    TREND = "trend"
    """The sum over the window, over that of the window before. Absent if that is 0."""
    GROWTH = "growth"
    """What its field comes to over all that is in force, over what it came to a window before. Absent if that was 0."""
    STANDING = "standing"
    """The number of aggregates in one of its phases."""
    LATEST = "latest"
    """The field of the last event, until that is stale."""
    DISTINCT = "distinct"
    """How many different values its field had over the window."""
    AHEAD = "ahead"
    """Days until the date in the last event's field."""


@dataclass(frozen=True)
class Input:
    title: str
    unit: str
    kind: Kind
    events: tuple[str, ...]
    reads: str | None = None
    """The field whose value counts; ones, if none."""
    window_days: float | None = None
    """The default of the measure's window."""
    phases: tuple[str, ...] = ()
    over: tuple[str, ...] = ()
    """The phases that do not count, where tenants name the others."""
    whose: str | None = None
    """The field that names the customer, where it is not the envelope's."""
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    until: str | None = None
    """The field that says until when the event counts."""

    @property
    def published(self) -> bool:
        """Whether any service publishes its events today."""
        return any(type in EVENTS for type in self.events)

    @property
    def takes(self) -> frozenset[str]:
        """The settings of a measure that it reads, besides weight, curve, group and absence."""
        return _TAKES[self.kind]


_TAKES = {
    Kind.SINCE_LAST: frozenset({"where"}),
    Kind.SINCE_FIRST: frozenset({"where"}),
    Kind.SUM: frozenset({"where", "window_days", "half_life_days"}),
    Kind.MEAN: frozenset({"where", "window_days", "half_life_days"}),
    Kind.TREND: frozenset({"where", "window_days"}),
    Kind.GROWTH: frozenset({"where", "window_days"}),
    Kind.STANDING: frozenset({"where"}),
    Kind.LATEST: frozenset({"where", "values", "stale_after_days"}),
    Kind.DISTINCT: frozenset({"where", "window_days"}),
    Kind.AHEAD: frozenset({"where"}),
}

_CASES, _OPPORTUNITIES = types_of("service-desk.case"), types_of("sales.opportunity")
_SURVEY = ("service-desk.survey.answered.v1",)
_USAGE, _ADOPTION = (UsageRecorded.type,), (AdoptionMeasured.type,)
_TERMS = (SubscriptionStarted.type, SubscriptionRenewed.type, SubscriptionReactivated.type)

INPUTS: Mapping[str, Input] = {
    "purchase_recency": Input("Days since the last purchase", "days", Kind.SINCE_LAST, (OrderPlaced.type,)),
    "orders": Input("Orders placed", "orders", Kind.SUM, (OrderPlaced.type,), window_days=365),
    "revenue": Input(
        "Value of orders placed in any currency, returns not taken off",
        "amount",
        Kind.SUM,
        (OrderPlaced.type,),
        "value",
        window_days=365,
    ),
    "revenue_trend": Input(
        "Value of orders placed in any currency over that of the window before, returns not taken off",
        "ratio",
        Kind.TREND,
        (OrderPlaced.type,),
        "value",
        window_days=90,
    ),
    "returns": Input("Returns, by number", "returns", Kind.SUM, (OrderReturned.type,), window_days=365),
    "usage": Input("Product usage", "uses", Kind.SUM, _USAGE, "uses", window_days=30),
    "feature_adoption": Input("Share of what was bought that is used", "share", Kind.LATEST, _ADOPTION, "share"),
    "seat_growth": Input(
        "Seats of its subscriptions over those a window before",
        "ratio",
        Kind.GROWTH,
        types_of("sales.subscription"),
        "seats",
    ),
    "engagement": Input(
        "Exchanges, from either side", "touchpoints", Kind.SUM, (TouchpointRecorded.type,), window_days=90
    ),
    "engagement_recency": Input("Days since the last exchange", "days", Kind.SINCE_LAST, (TouchpointRecorded.type,)),
    "breadth": Input(
        "Contacts named in exchanges, each once",
        "contacts",
        Kind.DISTINCT,
        (TouchpointRecorded.type,),
        "contact_id",
        window_days=90,
    ),
    "open_cases": Input(
        "Open cases, those of playbooks left out", "cases", Kind.STANDING, _CASES, phases=("new", "open", "pending")
    ),
    "complaints": Input(
        "Complaints, those of playbooks left out",
        "cases",
        Kind.SUM,
        (CaseOpened.type,),
        window_days=180,
        where={"category": ("complaint",)},
    ),
    "sla_breaches": Input(
        "Cases resolved too late, those of playbooks left out",
        "cases",
        Kind.SUM,
        (CaseResolved.type,),
        window_days=180,
        where={"sla_met": ("false",)},
    ),
    "reopened_cases": Input(
        "Cases reopened, those of playbooks left out", "cases", Kind.SUM, (CaseReopened.type,), window_days=180
    ),
    "support": Input(
        "Cases opened, those of playbooks left out", "cases", Kind.SUM, (CaseOpened.type,), window_days=90
    ),
    "csat": Input("Satisfaction", "score", Kind.MEAN, _SURVEY, "score", window_days=180, where={"kind": ("csat",)}),
    "nps": Input("Likelihood to recommend", "score", Kind.LATEST, _SURVEY, "score", where={"kind": ("nps",)}),
    "ces": Input("Effort", "score", Kind.MEAN, _SURVEY, "score", window_days=180, where={"kind": ("ces",)}),
    "sentiment": Input("Sentiment", "score", Kind.MEAN, (TouchpointRecorded.type,), "sentiment", window_days=90),
    "pulse": Input("A person's judgement", "points", Kind.LATEST, (PulseSet.type,), "score", until="expires_at"),
    "renewal": Input("Days until the renewal", "days", Kind.AHEAD, _TERMS, "term_ends_at"),
    "overdue_invoices": Input(
        "Overdue invoices", "invoices", Kind.STANDING, types_of("sales.invoice"), phases=("overdue",)
    ),
    "tenure": Input("Days since it became a customer", "days", Kind.SINCE_FIRST, (CustomerCreated.type,)),
    "referrals": Input(
        "Customers it referred", "customers", Kind.SUM, (CustomerCreated.type,), window_days=365, whose="referred_by"
    ),
    "loyalty_tier": Input("Tier", "tier", Kind.LATEST, types_of("contacts.customer"), "tier"),
    "milestones": Input(
        "Share of its milestones met by their dates",
        "share",
        Kind.MEAN,
        (MilestoneMet.type, MilestoneMissed.type),
        "kept",
        window_days=365,
    ),
    "open_opportunities": Input(
        "Open opportunities",
        "opportunities",
        Kind.STANDING,
        _OPPORTUNITIES,
        over=("won", "lost"),
    ),
    "signal": Input("A partner's signal", "value", Kind.LATEST, (ReadingRecorded.type,), "value"),
}

CASES = Measure("cases", "open_cases", 1, Curve(((0, 100), (1, 0))))
"""All cases, whether or not a model reads how many are open."""


def looks_at_cases(model: HealthModel) -> bool:
    """Whether an act on it applies only to a case that is open, or only to one that is not."""
    return any(each.input in ("sla_breaches", "reopened_cases") for each in model.measures)


_AGGREGATES = {"latest": Kind.LATEST, "sum": Kind.SUM, "mean": Kind.MEAN}


def input_of(measure: Measure) -> Input:
    """Returns what the measure reads: the input of the catalogue, with the measure's own settings."""
    known = INPUTS[measure.input]
    if measure.aggregate is not None:
        known = replace(known, kind=_AGGREGATES[measure.aggregate])
    return known


def window_of(measure: Measure) -> int | None:
    """Returns the window in microseconds; None if it fades by a half-life, or has no window."""
    days = measure.window_days or INPUTS[measure.input].window_days
    return None if measure.half_life_days or days is None else round(days * DAY)


TYPES = frozenset(type for each in INPUTS.values() for type in each.events) | frozenset(types_of("contacts.customer"))
"""Events that may change a score: those of the inputs, and those that decide which model is for which customer."""
