"""Evaluates what a model would change if it were published: the score and band of every customer, as they are and as
they would be."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from analytics.health.engine.scoring import NO_BAND
from analytics.health.evaluation.statistics import Bools, Floats, Ints
from analytics.health.model.definition import Band

BINS = 20
SAMPLE = 50
BANDS: tuple[Band | None, ...] = (*Band, None)
"""By the numbers that the engine gives bands; the last, at -1, is for customers without a known input."""


Bands = NDArray[np.int8]


class BaseScores(NamedTuple):
    """The scores of a base under some models; an element per customer."""

    score: Floats
    """NaN: no input is known."""
    band: Bands
    model: Ints
    """The index of the model that scores it; -1: none does."""
    coverage: Floats
    """The share of the model's weight; NaN where none scores."""

    def where(self, some: Bools) -> "BaseScores":
        return BaseScores(self.score[some], self.band[some], self.model[some], self.coverage[some])

    def take(self, indexes: Ints, other: "BaseScores") -> None:
        """Copies the scores of those customers from the other."""
        self.score[indexes], self.band[indexes] = other.score[indexes], other.band[indexes]
        self.model[indexes], self.coverage[indexes] = other.model[indexes], other.coverage[indexes]

    @classmethod
    def empty(cls, customers: int) -> "BaseScores":
        nothing = np.full(customers, np.nan)
        return cls(nothing.copy(), np.full(customers, NO_BAND, np.int8), np.full(customers, -1), nothing)

    @classmethod
    def whole(cls, parts: Sequence["BaseScores"]) -> "BaseScores":
        """Concatenates the parts."""
        columns = zip(*(cls.empty(0), *parts), strict=True)
        return cls(*(np.concatenate(column) for column in columns))


@dataclass(slots=True)
class Move:
    from_band: Band | None
    to_band: Band | None
    """Null: no input is known."""
    customers: int


@dataclass(slots=True)
class Counts:
    at_risk: int
    steady: int
    healthy: int
    unknown: int
    """Customers without a known input of their model."""


@dataclass(slots=True)
class Bin:
    """Scores from `lowest` on, up to the next bin's; 100 is in the last."""

    lowest: float
    before: int
    after: int


@dataclass(slots=True)
class OfSegment:
    segment: str | None
    customers: int
    movers: int
    mean_change: float | None
    before: Counts
    after: Counts


@dataclass(slots=True)
class Driver:
    """A measure's part of the score under the model before and under the one after. Null: it is not in it, or absent.
    Over all measures the changes add up to the score's."""

    measure: str
    before: float | None
    after: float | None
    change: float


@dataclass(slots=True)
class Mover:
    customer_id: UUID
    from_band: Band | None
    to_band: Band | None
    before: float | None
    after: float | None
    model_before: str | None
    model_after: str | None
    drivers: list[Driver]
    """The greatest change first."""


@dataclass(slots=True)
class WhatIfReport:
    at: datetime
    model: str
    customers: int
    scored_by_it: int
    """The customers that the model would be for."""
    matrix: list[Move]
    """All sixteen, zeros too, including the customers who stay where they are."""
    movers: int
    moves: list[Move]
    """From band to band, the most frequent first."""
    mean_before: float | None
    mean_after: float | None
    mean_change: float | None
    """Over the customers that have a score before and after."""
    histogram: list[Bin]
    segments: list[OfSegment]
    """Most customers first."""
    sample: list[Mover]
    """The movers whose scores change most."""


def report(
    at: datetime,
    model: str,
    candidate: int,
    before: BaseScores,
    after: BaseScores,
    segments: tuple[Ints, list[str | None]],
) -> WhatIfReport:
    """Returns the report. `candidate` is the index of the model among those of `after`; `segments` the index of each
    customer's among the names. The caller, who can read single customers, fills in the sample."""
    matrix = _matrix(before.band, after.band)
    change = after.score - before.score
    numbers, names = segments
    found = [_of_segment(name, numbers == index, before, after, change) for index, name in enumerate(names)]
    return WhatIfReport(
        at=at,
        model=model,
        customers=before.band.size,
        scored_by_it=int((after.model == candidate).sum()),
        matrix=matrix,
        movers=int((before.band != after.band).sum()),
        moves=sorted(
            (each for each in matrix if each.from_band is not each.to_band and each.customers),
            key=lambda each: -each.customers,
        ),
        mean_before=mean_of(before.score),
        mean_after=mean_of(after.score),
        mean_change=mean_of(change),
        histogram=_histogram(before.score, after.score),
        segments=sorted((each for each in found if each.customers), key=lambda each: -each.customers),
        sample=[],
    )


def biggest_movers(before: BaseScores, after: BaseScores) -> Ints:
    """Returns the indexes of up to SAMPLE customers that change band, the greatest change of the score first. Those
    without a score before or after come last: there is no difference."""
    movers = np.flatnonzero(before.band != after.band)
    size = np.abs(np.nan_to_num(after.score[movers] - before.score[movers], nan=-1.0))
    size[np.isnan(after.score[movers] - before.score[movers])] = -1
    return movers[np.argsort(-size, kind="stable")[:SAMPLE]]


def drivers(before: dict[str, float], after: dict[str, float]) -> list[Driver]:
    """Returns the drivers, from each measure's contribution before and after."""
    names = dict.fromkeys((*before, *after))
    found = [
        Driver(each, before.get(each), after.get(each), after.get(each, 0) - before.get(each, 0)) for each in names
    ]
    return sorted(found, key=lambda each: -abs(each.change))


def _matrix(before: Bands, after: Bands) -> list[Move]:
    kinds = len(BANDS)
    # -1 is the last index.
    cells = np.bincount((before % kinds).astype(np.int64) * kinds + after % kinds, minlength=kinds * kinds)
    return [Move(BANDS[index // kinds], BANDS[index % kinds], number) for index, number in enumerate(cells.tolist())]


def counts(band: Bands) -> Counts:
    return Counts(*np.bincount(band % len(BANDS), minlength=len(BANDS)).tolist())


def _of_segment(name: str | None, mine: Bools, before: BaseScores, after: BaseScores, change: Floats) -> OfSegment:
    return OfSegment(
        segment=name,
        customers=int(mine.sum()),
        movers=int((before.band[mine] != after.band[mine]).sum()),
        mean_change=mean_of(change[mine]),
        before=counts(before.band[mine]),
        after=counts(after.band[mine]),
    )


def _histogram(before: Floats, after: Floats) -> list[Bin]:
    edges = np.linspace(0, 100, BINS + 1)
    numbers = [np.histogram(score[~np.isnan(score)], edges)[0].tolist() for score in (before, after)]
    return [Bin(float(edge), *both) for edge, both in zip(edges[:-1], zip(*numbers, strict=True), strict=True)]


def mean_of(values: Floats) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else None
