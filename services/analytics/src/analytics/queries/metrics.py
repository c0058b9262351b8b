"""A metric's figure over an interval, with what it was made of and how fresh it is."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.domain.metric import DIGITS, Interval, Metric
from analytics.queries.bases import COUNT
from analytics.queries.freshness import Freshness, freshness


@dataclass(slots=True)
class Component:
    name: str
    value: float


@dataclass(slots=True)
class Figure:
    """`value` is in the metric's unit, to 4 decimals; null where it has no denominator to speak of."""

    id: str
    unit: str
    starts_at: datetime
    ends_at: datetime
    value: float | None
    numerator: float
    denominator: float | None
    components: list[Component]
    definition_version: int
    freshness: list[Freshness]


async def figure(connection: AsyncConnection, tenant: str, metric: Metric, interval: Interval) -> Figure:
    """Raises a DomainError where the events do not allow a figure."""
    counts = await COUNT[metric.base](connection, tenant, interval)
    value = metric.value(counts)
    return Figure(
        id=metric.id,
        unit=metric.unit,
        starts_at=interval.starts_at,
        ends_at=interval.ends_at,
        value=None if value is None else _number(value),
        numerator=_number(metric.numerator(counts)),
        denominator=_number(metric.denominator(counts)) if metric.denominator else None,
        components=[Component(name, _number(counts[name])) for name in metric.components],
        definition_version=metric.version,
        freshness=await freshness(connection),
    )


def _number(value: Decimal) -> float:
    return float(round(value, DIGITS))
