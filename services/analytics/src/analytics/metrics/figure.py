"""A metric's figure over an interval, with what it is made of and how fresh it is."""

from dataclasses import dataclass, field
from datetime import datetime

from analytics.ledger.freshness import Freshness


@dataclass(slots=True)
class Component:
    name: str
    value: float | None


@dataclass(slots=True)
class CurrencyFigure:
    """A figure of amounts, in one currency: as if there were no others."""

    currency: str | None
    value: float | None
    numerator: float | None
    denominator: float | None
    components: list[Component]


@dataclass(slots=True)
class GroupKey:
    dimension: str
    value: str | None
    """Null for those that have none."""


@dataclass(slots=True)
class Slice:
    """One period and group of a figure."""

    starts_at: datetime
    ends_at: datetime
    group: list[GroupKey]
    value: float | None
    numerator: float | None
    denominator: float | None
    components: list[Component]
    currency: str | None
    by_currency: list[CurrencyFigure]
    complete_up_to: datetime | None


@dataclass(slots=True)
class Figure:
    """`value` is in the metric's unit, to 4 decimals; null where it has no denominator to speak of, where it is of
    amounts in several currencies, and where it is of an instant that has not come yet."""

    id: str
    unit: str
    starts_at: datetime
    ends_at: datetime
    value: float | None
    numerator: float | None
    denominator: float | None
    components: list[Component]
    currency: str | None
    """Of amounts; null if there are none, or several currencies."""
    by_currency: list[CurrencyFigure]
    """Of a metric of amounts: currency by currency."""
    complete_up_to: datetime | None
    """Up to here the interval has come, and is counted; null if it has not begun."""
    breakdown: list[Slice]
    """By period and group, if a grain or a grouping was asked for."""
    zone: str
    definition_version: int
    activity_version: int
    freshness: list[Freshness] = field(default_factory=list)
