"""The figure of a metric over an interval, with its components and its freshness."""

from dataclasses import dataclass, field
from datetime import datetime

from analytics.ledger.freshness import Freshness


@dataclass(slots=True)
class Component:
    name: str
    value: float | None


@dataclass(slots=True)
class CurrencyFigure:
    """The figure of amounts in one currency alone."""

    currency: str | None
    value: float | None
    numerator: float | None
    denominator: float | None
    components: list[Component]


@dataclass(slots=True)
class GroupKey:
    dimension: str
    value: str | None
    """Null for customers or aggregates that have none."""


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
    """`value` is in the metric's unit, to 4 decimals; null where the denominator is empty, where it has amounts in
    several currencies, and where its instant is still to come."""

    id: str
    unit: str
    starts_at: datetime
    ends_at: datetime
    value: float | None
    numerator: float | None
    denominator: float | None
    components: list[Component]
    currency: str | None
    """The currency of amounts; null if there are none, or several currencies."""
    by_currency: list[CurrencyFigure]
    """For a metric of amounts: the figure of each currency."""
    complete_up_to: datetime | None
    """The instant up to which the interval has passed, and is counted; null if it has not begun."""
    breakdown: list[Slice]
    """By period and group, if a grain or a grouping was requested."""
    zone: str
    definition_version: int
    activity_version: int
    freshness: list[Freshness] = field(default_factory=list)
