"""Measures: what can be counted or added up. They are data; analytics.metrics.kinds computes them.

Each kind looks at something else:

- Flow: at what happened in the interval.
- Stock: at how aggregates stood at its end.
- DistinctCount: at customers or aggregates, by what happened to them up to its end.
- Active: at customers, by their activity at its start, at its end and in it.
- Score: at customers, by a model's number for each.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True)
class Is:
    """A field of the fact has one of these values."""

    field: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Has:
    field: str


@dataclass(frozen=True)
class Never:
    """None of these verbs has happened to the aggregate so far."""

    verbs: tuple[str, ...]


@dataclass(frozen=True)
class SameDay:
    """It happened on the calendar day on which its aggregate's clock began to run, in the zone that is asked for."""


@dataclass(frozen=True)
class OfNewCustomer:
    """Its customer's first qualifying event lies in the interval."""


Condition = Is | Has | Never | SameDay | OfNewCustomer


@dataclass(frozen=True)
class Count:
    pass


@dataclass(frozen=True)
class Sum:
    """Of a number in the fact; `weights` multiply it by the fact's phase."""

    field: str = "amount"
    weights: Mapping[str, float] | None = None

    def __hash__(self) -> int:
        return hash((self.field, tuple((self.weights or {}).items())))


@dataclass(frozen=True)
class Median:
    field: str


Of = Count | Sum | Median


@dataclass(frozen=True)
class Flow:
    """Over the events of some types that happened in the interval."""

    types: tuple[str, ...]
    of: Of = Count()
    where: tuple[Condition, ...] = ()
    of_customers: bool = False
    """Only those whose customer is known."""


@dataclass(frozen=True)
class Stock:
    """Over the aggregates of a noun, as they stood at the end of the interval."""

    noun: str
    """`service.noun`"""
    of: Count | Sum = Count()
    where: tuple[Condition, ...] = ()


@dataclass(frozen=True)
class Did:
    """At least so many events of some types happened: since ever, in the months before the end, or in the interval."""

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
    """At the end of the interval, as the tenant defines it."""


Trait = Did | Attribute | IsActive


class Key(StrEnum):
    CUSTOMER = "customer"
    SUBJECT = "subject"


@dataclass(frozen=True)
class DistinctCount:
    """The distinct customers (or aggregates) that have all of some traits and, if any are named, one of others."""

    all_of: tuple[Trait, ...]
    any_of: tuple[Trait, ...] = ()
    key: Key = Key.CUSTOMER


@dataclass(frozen=True)
class Active:
    """Customers by their activity; what is None does not matter."""

    at_start: bool | None = None
    at_end: bool | None = None
    before: bool | None = None
    """Their first qualifying event happened before the start."""
    during: bool | None = None
    """Active at some time in the interval."""
    new: bool | None = None
    """Their first qualifying event happened in the interval."""


@dataclass(frozen=True)
class Score:
    """A number per customer, at the end of the interval: counted, or added up."""

    model: str
    sum: bool = False
    label: str | None = None
    """Only those to whom the model gives this label."""


Measure = Flow | Stock | DistinctCount | Active | Score
