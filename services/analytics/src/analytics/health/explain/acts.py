"""Acts: the actions that change a measure's input, and their effect on the inputs of all other measures.

An input cannot be set freely. A purchase makes its recency 0, and adds an order and its amount besides; cases are
opened and resolved one by one; a pulse's judgement is a whole number from 0 to 100; and the age of a relationship
changes by time alone.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from analytics.health.explain.contributions import Contribution, Explanation
from analytics.health.model.definition import DAY, Measure
from analytics.health.model.inputs import Kind, input_of
from kith.events.analytics import PulseSet, ReadingRecorded
from kith.events.contacts import CustomerAmended, CustomerCreated
from kith.events.exchanges import TouchpointRecorded
from kith.events.sales import OpportunityOpened, OpportunityWon, OrderPlaced, OrderReturned
from kith.events.service_desk import CaseOpened, CaseReopened, CaseResolved


class Act(StrEnum):
    PURCHASE = "purchase"
    RETURN = "return"
    EXCHANGE = "exchange"
    """With a contact that is active already, or without a named one: it adds no active contact."""
    NEW_CONTACT = "new_contact"
    """An exchange with a contact that was not active."""
    CASE_OPENED = "case_opened"
    CASE_RESOLVED = "case_resolved"
    """Within the agreed time."""
    CASE_RESOLVED_LATE = "case_resolved_late"
    CASE_REOPENED = "case_reopened"
    OPPORTUNITY_OPENED = "opportunity_opened"
    OPPORTUNITY_CLOSED = "opportunity_closed"
    JUDGEMENT = "judgement"
    READING = "reading"
    REFERRAL = "referral"
    TIER = "tier"


_TYPES = {
    Act.PURCHASE: OrderPlaced.type,
    Act.RETURN: OrderReturned.type,
    Act.EXCHANGE: TouchpointRecorded.type,
    Act.NEW_CONTACT: TouchpointRecorded.type,
    Act.CASE_OPENED: CaseOpened.type,
    Act.CASE_RESOLVED: CaseResolved.type,
    Act.CASE_RESOLVED_LATE: CaseResolved.type,
    Act.CASE_REOPENED: CaseReopened.type,
    Act.OPPORTUNITY_OPENED: OpportunityOpened.type,
    Act.OPPORTUNITY_CLOSED: OpportunityWon.type,
    Act.JUDGEMENT: PulseSet.type,
    Act.READING: ReadingRecorded.type,
    Act.REFERRAL: CustomerCreated.type,
    Act.TIER: CustomerAmended.type,
}
"""The type of event that records each act."""
_FIELDS = {Act.CASE_RESOLVED: {"sla_met": "true"}, Act.CASE_RESOLVED_LATE: {"sla_met": "false"}}
OPENING = frozenset({Act.CASE_OPENED, Act.CASE_REOPENED, Act.OPPORTUNITY_OPENED})
CLOSING = frozenset({Act.CASE_RESOLVED, Act.CASE_RESOLVED_LATE, Act.OPPORTUNITY_CLOSED})
"""Acts that close what was open."""
VALUED = frozenset({Act.JUDGEMENT, Act.READING, Act.TIER})
"""Acts that are done once, with a value; all others can be repeated."""

LEAST_AMOUNT = 0.01

_ACTS: Mapping[str, tuple[Act, ...]] = {
    "purchase_recency": (Act.PURCHASE,),
    "orders": (Act.PURCHASE,),
    "revenue": (Act.PURCHASE,),
    "revenue_trend": (Act.PURCHASE,),
    "returns": (Act.RETURN,),
    "engagement": (Act.EXCHANGE,),
    "engagement_recency": (Act.EXCHANGE,),
    "breadth": (Act.NEW_CONTACT,),
    "open_cases": (Act.CASE_RESOLVED, Act.CASE_OPENED),
    "complaints": (Act.CASE_OPENED,),
    "sla_breaches": (Act.CASE_RESOLVED_LATE,),
    "reopened_cases": (Act.CASE_REOPENED,),
    "support": (Act.CASE_OPENED,),
    "pulse": (Act.JUDGEMENT,),
    "referrals": (Act.REFERRAL,),
    "loyalty_tier": (Act.TIER,),
    "open_opportunities": (Act.OPPORTUNITY_CLOSED, Act.OPPORTUNITY_OPENED),
    "signal": (Act.READING,),
    "tenure": (),
}


def acts_on(measure: Measure) -> tuple[Act, ...]:
    """Returns the acts that change its input; none if time alone does, or if no service publishes its events."""
    return _ACTS.get(measure.input, ())


@dataclass(frozen=True)
class RepeatedAct:
    """An act, repeated `times` at once."""

    act: Act
    times: int = 1
    value: float | None = None
    """For each repetition: an amount, a judgement, a reading, or the worth of a tier."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """Other fields of its events."""
    word: str | None = None
    """The tier."""
    signal: UUID | None = None

    @property
    def same(self) -> Hashable:
        """A key that is equal for equal acts, whichever measure they are proposed for."""
        return self.act, self.times, self.value, frozenset(self.fields.items()), self.word, self.signal

    @property
    def whatever_its_amount(self) -> bool:
        """Whether the least amount that can be recorded suffices."""
        return self.act is Act.PURCHASE and self.value == LEAST_AMOUNT

    @classmethod
    def on(
        cls, measure: Measure, act: Act, times: int = 1, value: float | None = None, word: str | None = None
    ) -> "RepeatedAct":
        """Returns the act in the form that the measure counts."""
        named = {**input_of(measure).where, **measure.where}
        fields = {name: values[0] for name, values in named.items()} | _FIELDS.get(act, {})
        return cls(act, times, value, fields, word, measure.signal)

    def counts_for(self, measure: Measure) -> bool:
        """Whether the measure reads its events."""
        source = input_of(measure)
        named = {**source.where, **measure.where}
        return (
            _TYPES[self.act] in source.events
            and (source.whose is not None) == (self.act is Act.REFERRAL)
            and measure.signal == self.signal
            # How an exchange goes nobody can promise: it is none of those that a mean of sentiment is of.
            and not (source.kind is Kind.MEAN and source.reads != "value")
            and all(self.fields.get(name) in values for name, values in named.items())
        )


JUST_NOW = 1 / DAY
"""Days since an event a microsecond ago: the first instant that sees it."""


def inputs_after(explanation: Explanation, doing: RepeatedAct, aimed: Contribution) -> list[float | None]:
    """Returns the input of each measure if the act is done just before the instant. It closes the oldest of those that
    the aimed measure counts."""
    closed = frozenset(aimed.events[: doing.times]) if doing.act in CLOSING else frozenset()
    if doing.act is Act.CASE_RESOLVED_LATE:
        closed = frozenset(explanation.cases.open[: doing.times] if explanation.cases else ())
    return [_after(each, doing, closed) for each in explanation.contributions]


def most_times(explanation: Explanation, act: Act) -> int | None:
    """Returns how often the act can be done: a case that is resolved must be open, and one that is reopened resolved.
    None: without limit."""
    if explanation.cases is None:
        return None
    return {Act.CASE_RESOLVED_LATE: len(explanation.cases.open), Act.CASE_REOPENED: explanation.cases.settled}.get(act)


def _after(part: Contribution, doing: RepeatedAct, closed: frozenset[object]) -> float | None:  # noqa: PLR0911 - a case per kind
    measure, x = part.measure, part.input
    kind = input_of(measure).kind
    if kind is Kind.STANDING:
        opened = doing.times if doing.act in OPENING and doing.counts_for(measure) else 0
        return x if x is None and not opened else (x or 0.0) + opened - len(closed.intersection(part.events))
    if not doing.counts_for(measure):
        return x
    value = 1.0 if input_of(measure).reads is None else doing.value or 0.0
    faded = 2 ** (-JUST_NOW / measure.half_life_days) if measure.half_life_days else 1.0
    match kind:
        case Kind.SINCE_LAST:
            return JUST_NOW
        case Kind.SINCE_FIRST:
            return JUST_NOW if x is None else x
        case Kind.SUM:
            return (x or 0.0) + doing.times * value * faded
        case Kind.MEAN:
            weight = part.against or 0.0
            return ((x or 0.0) * weight + doing.times * value * faded) / (weight + doing.times * faded)
        case Kind.TREND:
            return x if x is None or not part.against else x + doing.times * value / part.against
        case Kind.DISTINCT:
            return (x or 0.0) + doing.times if doing.act is Act.NEW_CONTACT else x
        case _:
            return value
