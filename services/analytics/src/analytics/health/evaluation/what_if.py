"""What a model would change if it were published: everybody's score and band, as they are and as they would be."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from analytics.health.engine.scoring import NOBODYS
from analytics.health.evaluation.statistics import Bools, Floats, Ints
from analytics.health.model.definition import Band

BINS = 20
SAMPLE = 50
BANDS: tuple[Band | None, ...] = (*Band, None)
"""By the numbers the engine gives bands; the last, at -1, is for those of whom nothing is known."""


Bands = NDArray[np.int8]


class Standing(NamedTuple):
    """How customers stand under some models; an element each."""

    score: Floats
    """NaN: nothing is known."""
    band: Bands
    model: Ints
    """Place of the model that scores it; -1: none does."""
    coverage: Floats
    """Of the model's weight; NaN where none does."""

    def where(self, some: Bools) -> "Standing":
        return Standing(self.score[some], self.band[some], self.model[some], self.coverage[some])

    def take(self, indexes: Ints, other: "Standing") -> None:
        """Those customers' standing as the other has it."""
        self.score[indexes], self.band[indexes] = other.score[indexes], other.band[indexes]
        self.model[indexes], self.coverage[indexes] = other.model[indexes], other.coverage[indexes]

    @classmethod
    def empty(cls, customers: int) -> "Standing":
        nothing = np.full(customers, np.nan)
        return cls(nothing.copy(), np.full(customers, NOBODYS, np.int8), np.full(customers, -1), nothing)

    @classmethod
    def whole(cls, parts: Sequence["Standing"]) -> "Standing":
        """Of one after the other."""
        columns = zip(*(cls.empty(0), *parts), strict=True)
        return cls(*(np.concatenate(column) for column in columns))


@dataclass(slots=True)
class Move:
    from_band: Band | None
    to_band: Band | None
    """Null: nothing is known of them."""
    customers: int


@dataclass(slots=True)
class Counts:
    at_risk: int
    steady: int
    healthy: int
    unknown: int
    """Nothing is known of them that their model looks at."""


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
    """What a measure brings to the score, under the model before and under the one after. Null: it is not in it, or
    absent. Over all measures the changes add up to the score's."""

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
    """Most first."""


@dataclass(slots=True)
class WhatIfReport:
    at: datetime
    model: str
    customers: int
    scored_by_it: int
    """Whom the model would be for."""
    matrix: list[Move]
    """All sixteen, zeros too, those who stay where they are among them."""
    movers: int
    moves: list[Move]
    """From band to band, most first."""
    mean_before: float | None
    mean_after: float | None
    mean_change: float | None
    """Of those that have a score before and after."""
    histogram: list[Bin]
    segments: list[OfSegment]
    """Most customers first."""
    sample: list[Mover]
    """The movers whose scores change most."""


def report(
    at: datetime, model: str, candidate: int, before: Standing, after: Standing, segments: tuple[Ints, list[str | None]]
) -> WhatIfReport:
    """`candidate` is the index of the model among those of `after`; `segments` the index of each customer's among the
    names. The sample is for the caller to fill, who can look at single customers."""
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


def biggest_movers(before: Standing, after: Standing) -> Ints:
    """The indexes of up to SAMPLE of those who change band, by how much their scores do. Who had no score, or will have
    none, comes last: there is nothing to subtract."""
    movers = np.flatnonzero(before.band != after.band)
    size = np.abs(np.nan_to_num(after.score[movers] - before.score[movers], nan=-1.0))
    size[np.isnan(after.score[movers] - before.score[movers])] = -1
    return movers[np.argsort(-size, kind="stable")[:SAMPLE]]


def drivers(before: dict[str, float], after: dict[str, float]) -> list[Driver]:
    """From what each measure contributes before and after."""
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


def _of_segment(name: str | None, mine: Bools, before: Standing, after: Standing, change: Floats) -> OfSegment:
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
