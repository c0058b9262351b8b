"""Measures: quantities that can be counted or summed. They are data; analytics.metrics.kinds computes them.

Each kind reads something else:

- Flow: events in the interval.
- Stock: the state of aggregates at its end.
- DistinctCount: customers or aggregates, by their events up to its end.
- Active: customers, by their activity at its start, at its end and in it.
- Lapse: customers, by the time between two of their events.
- Score: a number per customer, by a model.
- Recurring: subscriptions, by what they come to a month at its start and at its end.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True)
class Is:
    """A field of the fact has one of these values; `negated`: another one, or none."""

    field: str
    values: tuple[str, ...]
    negated: bool = False


@dataclass(frozen=True)
class Has:
    field: str


@dataclass(frozen=True)
class Never:
    """None of the aggregate's events so far has one of these verbs."""

    verbs: tuple[str, ...]


@dataclass(frozen=True)
class SameDay:
    """It happened on the calendar day on which its aggregate's clock began to run, in the zone of the query."""


@dataclass(frozen=True)
class OfNewCustomer:
    """Its customer's first qualifying event lies in the interval."""


@dataclass(frozen=True)
class CustomerInUse:
    """Its aggregate is a customer that is neither archived nor merged into another one."""


@dataclass(frozen=True)
class InUse:
    """Its aggregate is not archived."""


@dataclass(frozen=True)
class DayIn:
    """A day in the fact lies in the interval, also in the part of it that has not come. Of a stock."""

    field: str


@dataclass(frozen=True)
class Stands:
    """No later event of its aggregate in the period has one of these types."""

    types: tuple[str, ...]


@dataclass(frozen=True)
class InstantIn:
    """An instant in the fact lies in the interval, and is not to come. Of a stock."""

    field: str


@dataclass(frozen=True)
class Overridden:
    """An override of the forecast of its owner, or of its team, stands in place of it."""

    whose: str
    """`owner` or `team_id`."""


Condition = Is | Has | Never | SameDay | OfNewCustomer | CustomerInUse | InUse | DayIn | InstantIn | Stands | Overridden


@dataclass(frozen=True)
class Count:
    pass


@dataclass(frozen=True)
class Sum:
    """The sum of a number in the fact."""

    field: str = "amount"
    percent: str | None = None
    """A field that says how much of it counts."""
    weights: Mapping[str, float] | None = None
    """How much of it counts by the fact's phase, where the fact does not say."""

    def __hash__(self) -> int:
        return hash((self.field, self.percent, tuple((self.weights or {}).items())))


@dataclass(frozen=True)
class Median:
    field: str


Of = Count | Sum | Median


@dataclass(frozen=True)
class Flow:
    """A quantity over the events of some types in the interval."""

    types: tuple[str, ...]
    of: Of = Count()
    where: tuple[Condition, ...] = ()
    of_customers: bool = False
    """Restricts it to events of known customers."""
    of_lines: bool = False
    """Whether it counts and sums the lines of these events instead: their `amount` and `quantity`, by their
    `product_id` and `family`."""


@dataclass(frozen=True)
class Stock:
    """A quantity over the aggregates of a noun, in their state at the end of the interval."""

    noun: str
    """`service.noun`"""
    of: Count | Sum = Count()
    where: tuple[Condition, ...] = ()


@dataclass(frozen=True)
class Did:
    """At least that many events of some types happened: ever, in the months before the end, or in the interval."""

    types: tuple[str, ...]
    at_least: int = 1
    months: int | None = None
    in_interval: bool = False
    where: tuple[Condition, ...] = ()

    def __post_init__(self) -> None:
        if self.at_least > 1 and (self.months is not None or self.in_interval):
            raise ValueError("what happened several times is counted since ever only")


@dataclass(frozen=True)
class Attribute:
    """The customer's record has this field."""

    field: str


@dataclass(frozen=True)
class IsActive:
    """The customer is active at the end of the interval, as the tenant defines it. A `Did` comes with it: a contractual
    customer may be active without any event that qualifies."""


@dataclass(frozen=True)
class Variety:
    """The lines of the customer's events of some types had so many different values of a field by the end."""

    types: tuple[str, ...]
    field: str
    at_least: int = 2


@dataclass(frozen=True)
class MovedUp:
    """In the interval the customer ordered an item at a higher price than the last other one of its family, or a
    subscription of it was renewed for a plan at a higher price than that of its last term."""

    ordered: tuple[str, ...]
    began: tuple[str, ...]
    renewed: tuple[str, ...]

    @property
    def types(self) -> tuple[str, ...]:
        return self.ordered + self.began + self.renewed


Trait = Did | Attribute | IsActive | Variety | MovedUp


class Key(StrEnum):
    CUSTOMER = "customer"
    SUBJECT = "subject"
    OPPORTUNITY = "opportunity"
    """The opportunity that the event, or its aggregate, names."""


@dataclass(frozen=True)
class DistinctCount:
    """The distinct customers (or aggregates, or opportunities that these name) that have all of some traits and, if any
    are named, one of others."""

    all_of: tuple[Trait, ...]
    any_of: tuple[Trait, ...] = ()
    key: Key = Key.CUSTOMER


@dataclass(frozen=True)
class Active:
    """Customers by their activity; an aspect that is None does not matter."""

    at_start: bool | None = None
    at_end: bool | None = None
    before: bool | None = None
    """Whether their first qualifying event happened before the start."""
    during: bool | None = None
    """Whether they were active at some time in the interval."""
    new: bool | None = None
    """Whether their first qualifying event happened in the interval."""


@dataclass(frozen=True)
class Score:
    """A number per customer, at the end of the interval: counted, or summed."""

    model: str
    sum: bool = False
    label: str | None = None
    """Restricts it to customers to whom the model gives this label."""


@dataclass(frozen=True)
class Lapse:
    """A quantity over the times that customers took to their first event of some types, where that lies in the
    interval."""

    since: tuple[tuple[str, ...], ...]
    """From the customer's first event of these types before it; without one, of the next ones."""
    until: tuple[str, ...]
    of: Of = Count()

    @property
    def ends(self) -> tuple[tuple[tuple[str, ...], ...], tuple[str, ...]]:
        return self.since, self.until


class Movement(StrEnum):
    """A part of monthly recurring revenue, between two ends of an interval: the start, and what was gained and lost of
    it, come to the end."""

    START = "start"
    NEW = "new"
    REACTIVATION = "reactivation"
    EXPANSION = "expansion"
    CONTRACTION = "contraction"
    CHURN = "churn"
    END = "end"


@dataclass(frozen=True)
class Recurring:
    """Monthly recurring revenue by its movement, customer by customer; or the customers whose it is, counted."""

    movement: Movement
    customers: bool = False
    months: int = 1
    """How many times the amount counts."""


Measure = Flow | Stock | DistinctCount | Active | Lapse | Score | Recurring
