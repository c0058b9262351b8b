"""Relationship health: a score of 0 to 100 from measures, each a curve over one input, weighted.

`score = sum(w_i * s_i) / sum(w_i)` over the measures present; coverage is the weight present over the weight in all.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from kith.events.sales import OrderPlaced
from kith.events.service_desk import CaseClosed, CaseOpened, CaseReopened, CaseResolved


class Fact(NamedTuple):
    """What health looks at of an event."""

    event_id: UUID
    type: str
    subject: UUID
    version: int
    time: datetime


class Band(StrEnum):
    AT_RISK = "at_risk"
    STEADY = "steady"
    HEALTHY = "healthy"


class Reading(NamedTuple):
    """A measure's input, and the events it was read from."""

    value: float
    events: tuple[UUID, ...]


@dataclass(frozen=True)
class Curve:
    """Points `input -> 0..100`, linear between them and flat beyond."""

    points: tuple[tuple[float, float], ...]

    def at(self, x: float) -> float:
        places = [place for place, _ in self.points]
        right = bisect_right(places, x)
        if right == 0:
            return self.points[0][1]
        if right == len(self.points):
            return self.points[-1][1]
        (x0, y0), (x1, y1) = self.points[right - 1], self.points[right]
        return y0 + (y1 - y0) * (x - x0) / (x1 - x0)


@dataclass(frozen=True)
class Measure:
    """Absent (its reading is None), it is left out and its weight is shared among the rest."""

    name: str
    unit: str
    weight: float
    curve: Curve
    read: Callable[[Sequence[Fact], datetime], Reading | None]


class Contribution(NamedTuple):
    """Why: what one measure brought to the score. The contributions add up to it."""

    measure: str
    unit: str
    input: float
    score: float
    weight: float
    contribution: float
    events: tuple[UUID, ...]


class Health(NamedTuple):
    at: datetime
    score: float | None
    """None if nothing is known of the customer."""
    band: Band | None
    coverage: float
    contributions: tuple[Contribution, ...]


@dataclass(frozen=True)
class HealthModel:
    id: str
    version: int
    measures: tuple[Measure, ...]
    steady_from: float = 40
    healthy_from: float = 70

    def score(self, facts: Sequence[Fact], at: datetime) -> Health:
        """Health as it was at `at`: later facts are not looked at."""
        known = sorted((fact for fact in facts if fact.time < at), key=lambda fact: (fact.time, fact.version))
        read = [(each, reading) for each in self.measures if (reading := each.read(known, at)) is not None]
        present = sum(measure.weight for measure, _ in read)
        coverage = present / sum(measure.weight for measure in self.measures)
        if not read:
            return Health(at, None, None, coverage, ())
        contributions = tuple(
            Contribution(
                measure.name,
                measure.unit,
                reading.value,
                points := measure.curve.at(reading.value),
                measure.weight,
                points * measure.weight / present,
                reading.events,
            )
            for measure, reading in read
        )
        score = sum(each.contribution for each in contributions)
        return Health(at, score, self.band(score), coverage, contributions)

    def band(self, score: float) -> Band:
        if score < self.steady_from:
            return Band.AT_RISK
        return Band.STEADY if score < self.healthy_from else Band.HEALTHY


YEAR = timedelta(days=365)


def days_since_purchase(facts: Sequence[Fact], at: datetime) -> Reading | None:
    last = next((fact for fact in reversed(facts) if fact.type == OrderPlaced.type), None)
    return Reading((at - last.time) / timedelta(days=1), (last.event_id,)) if last else None


def purchases_in_a_year(facts: Sequence[Fact], at: datetime) -> Reading | None:
    """Absent for those who never bought: a prospect is not an unfaithful customer."""
    purchases = [fact for fact in facts if fact.type == OrderPlaced.type]
    recent = tuple(fact.event_id for fact in purchases if fact.time >= at - YEAR)
    return Reading(len(recent), recent) if purchases else None


def open_cases(facts: Sequence[Fact], _: datetime) -> Reading | None:
    """Absent for those who never had a case."""
    latest: dict[UUID, Fact] = {}
    for fact in facts:
        if fact.type in _CASE_STATE and (fact.subject not in latest or latest[fact.subject].version < fact.version):
            latest[fact.subject] = fact
    still = tuple(fact.event_id for fact in latest.values() if _CASE_STATE[fact.type])
    return Reading(len(still), still) if latest else None


_CASE_STATE = {CaseOpened.type: True, CaseReopened.type: True, CaseResolved.type: False, CaseClosed.type: False}
"""Whether a case is open after such an event."""

DEFAULT = HealthModel(
    id="default",
    version=1,
    measures=(
        Measure(
            "recency", "days", 0.45, Curve(((0, 100), (30, 90), (90, 50), (180, 10), (270, 0))), days_since_purchase
        ),
        Measure("frequency", "orders a year", 0.35, Curve(((0, 0), (1, 40), (4, 75), (12, 100))), purchases_in_a_year),
        Measure("open_cases", "cases", 0.20, Curve(((0, 100), (1, 70), (3, 20), (5, 0))), open_cases),
    ),
)
"""What holds for a tenant that has published no model of its own."""

FACT_TYPES = (OrderPlaced.type, *_CASE_STATE)
