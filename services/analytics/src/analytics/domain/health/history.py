"""How a customer's score went over an interval: as a line that bends where something happened, and its band changes."""

from typing import NamedTuple

import numpy as np

from analytics.domain.health.base import Base
from analytics.domain.health.model import DAY, Band, HealthModel, band_of
from analytics.domain.health.scoring import Scorer

MAX_POINTS = 5_000


class TooManyPoints(Exception):
    """The line bends more often than anybody could look at."""


class Point(NamedTuple):
    at: int
    """Microseconds since 1970."""
    score: float | None
    """None: nothing is known at that instant."""


class BandChange(NamedTuple):
    at: int
    """The first instant in the new band."""
    from_band: Band | None
    band: Band | None
    silent: bool
    """By time alone: nothing happened."""


class History(NamedTuple):
    model: HealthModel
    band: Band | None
    """At the beginning."""
    points: tuple[Point, ...]
    """Straight between one and the next; where events made it jump there are two, a microsecond apart. Where a measure
    fades by a half-life, it is drawn by a point a day."""
    changes: tuple[BandChange, ...]


def history(model: HealthModel, base: Base, place: int, starts_at: int, ends_at: int) -> History:
    """Over `[starts_at, ends_at]`, of the customer at that place of the base. Raises TooManyPoints."""
    scorer, some = Scorer(model, base), np.array([place])
    instants = _instants(scorer, some, starts_at, ends_at)
    scores = scorer.score(np.array(instants), np.repeat(some, len(instants))).score
    found = scorer.changes(starts_at, ends_at, some)
    return History(
        model,
        band_of(int(scorer.bands(starts_at, some)[0])),
        tuple(Point(at, None if np.isnan(score) else float(score)) for at, score in zip(instants, scores, strict=True)),
        tuple(
            BandChange(int(at), band_of(int(before)), band_of(int(band)), bool(silent))
            for _, at, before, band, silent in zip(*found, strict=True)
        ),
    )


def _instants(scorer: Scorer, some: np.ndarray, starts_at: int, ends_at: int) -> list[int]:
    """Both ends of every stretch in which the score goes one even way."""
    fades = any(each.half_life_days for each in scorer.model.measures)
    found, at = [starts_at], starts_at
    while True:
        until = min(int(scorer.bends(np.array([at]), some)[0]), ends_at)
        if fades:
            until = min(until, at + DAY)
        if until > found[-1]:
            found.append(until)
        if until >= ends_at:
            return found
        if len(found) > MAX_POINTS:
            raise TooManyPoints
        at = until + 1
        found.append(at)
