"""A customer's health as it is read: the score, and why."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from analytics.domain.health import Band, Health, HealthModel


@dataclass(slots=True)
class ContributionView:
    """`contribution` is this measure's part of the score, which they add up to; `events` are what it was read from."""

    measure: str
    unit: str
    input: float
    score: float
    weight: float
    contribution: float
    events: list[UUID]


@dataclass(slots=True)
class HealthView:
    """`score` is 0 to 100, null if nothing is known; `coverage` the weight of the measures present over that of all."""

    at: datetime
    score: float | None
    band: Band | None
    coverage: float
    model: str
    model_version: int
    contributions: list[ContributionView]


def as_view(model: HealthModel, health: Health) -> HealthView:
    return HealthView(
        at=health.at,
        score=health.score,
        band=health.band,
        coverage=health.coverage,
        model=model.id,
        model_version=model.version,
        contributions=[ContributionView(*each[:-1], events=list(each.events)) for each in health.contributions],
    )
