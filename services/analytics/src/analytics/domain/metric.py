"""A metric is data: words, and how its value follows from the counts of a base. Adding one adds a definition here and
its test; the bases that count are in analytics.queries.bases."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from kith.domain import Invalid, NotFound

Counts = Mapping[str, Decimal]
DIGITS = 4


class Base(StrEnum):
    """What is counted: one query each, shared by the metrics built on it."""

    ACTIVITY = "activity"
    RELATIONSHIP = "relationship"
    REVENUE = "revenue"


class Unit(StrEnum):
    PERCENT = "percent"
    MONEY = "money"


@dataclass(frozen=True)
class Metric:
    id: str
    title: str
    unit: Unit
    words: str
    base: Base
    components: tuple[str, ...]
    numerator: Callable[[Counts], Decimal]
    denominator: Callable[[Counts], Decimal] | None = None
    """None for a plain sum."""
    at_instant: bool = False
    """It looks at one instant, the end of the interval, and back from there."""
    version: int = 1

    def value(self, counts: Counts) -> Decimal | None:
        """A ratio with an empty denominator is None, never 0."""
        if self.denominator is None:
            return self.numerator(counts)
        below = self.denominator(counts)
        return self.numerator(counts) / below * (100 if self.unit is Unit.PERCENT else 1) if below else None


METRICS = {
    metric.id: metric
    for metric in (
        Metric(
            id="retention.crr",
            title="Customer retention rate",
            unit=Unit.PERCENT,
            words="(E - N) / S: customers at the end less the new ones, over customers at the start. "
            "Win-backs can push it over 100.",
            base=Base.ACTIVITY,
            components=("S", "E", "N", "W"),
            numerator=lambda c: c["E"] - c["N"],
            denominator=lambda c: c["S"],
        ),
        Metric(
            id="retention.cohort",
            title="Cohort retention",
            unit=Unit.PERCENT,
            words="Of the customers active at the start, the share active at the end too.",
            base=Base.ACTIVITY,
            components=("S", "E", "kept"),
            numerator=lambda c: c["kept"],
            denominator=lambda c: c["S"],
        ),
        Metric(
            id="retention.churn",
            title="Churn rate",
            unit=Unit.PERCENT,
            words="Of the customers active at the start, the share not active at the end.",
            base=Base.ACTIVITY,
            components=("S", "E", "kept"),
            numerator=lambda c: c["S"] - c["kept"],
            denominator=lambda c: c["S"],
        ),
        Metric(
            id="ror",
            title="Return on relationship",
            unit=Unit.PERCENT,
            words="Of the customers helped in the 12 months before (order, won opportunity, resolved case), the share "
            "who came by referral or have bought twice or more.",
            base=Base.RELATIONSHIP,
            components=("helped", "loyal", "referred", "repeat", "buyers"),
            numerator=lambda c: c["loyal"],
            denominator=lambda c: c["helped"],
            at_instant=True,
        ),
        Metric(
            id="ror.reach",
            title="Reach of the relationship",
            unit=Unit.PERCENT,
            words="Customers helped in the 12 months before, over all buyers to date.",
            base=Base.RELATIONSHIP,
            components=("helped", "buyers"),
            numerator=lambda c: c["helped"],
            denominator=lambda c: c["buyers"],
            at_instant=True,
        ),
        Metric(
            id="revenue",
            title="Net revenue",
            unit=Unit.MONEY,
            words="Orders placed less returns, in the tenant's base currency. Orders without a customer count.",
            base=Base.REVENUE,
            components=("orders", "ordered", "returns", "returned"),
            numerator=lambda c: c["ordered"] - c["returned"],
        ),
    )
}


@dataclass(frozen=True)
class Interval:
    """Half-open: `starts_at <= t < ends_at`."""

    starts_at: datetime
    ends_at: datetime

    def __post_init__(self) -> None:
        for field, moment in (("from", self.starts_at), ("to", self.ends_at)):
            if moment.tzinfo is None:
                raise Invalid("It needs an offset from UTC, as in 2011-06-01T00:00:00Z.", field=field)
        if self.starts_at >= self.ends_at:
            raise Invalid("It must be later than `from`.", field="to")


def metric(id: str) -> Metric:
    """Raises NotFound that lists what there is."""
    if id not in METRICS:
        raise NotFound(f"There is no metric {id}. There are: {', '.join(sorted(METRICS))}.", field="id")
    return METRICS[id]
