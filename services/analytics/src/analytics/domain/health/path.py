"""What would help: the smallest change of one measure's input that brings the score over the next border, by the curve
backwards. And how little would do harm. Arithmetic, not a promise: everything else stays as it is.
"""

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

from analytics.domain.health.difference import counts
from analytics.domain.health.explain import Contribution, Explanation
from analytics.domain.health.inputs import Kind, input_of
from analytics.domain.health.model import BANDS, Band, Curve, Measure


class Range(NamedTuple):
    """What an input can be."""

    low: float = -math.inf
    high: float = math.inf
    whole: bool = False
    """Only whole numbers: nobody places half an order."""
    only: tuple[float, ...] = ()
    """These and nothing between, if any are named."""


class Step(NamedTuple):
    """Of one measure alone."""

    measure: Measure
    now: float | None
    """Its input; None if it cannot be read."""
    to: float | None
    """The nearest input that does it. None: none does, or nothing tells of this input yet."""
    points: float
    """That its curve gives now."""
    points_to: float | None
    score: float | None
    """As it would be."""

    @property
    def change(self) -> float | None:
        return self.to - self.now if self.to is not None and self.now is not None else None


class Way(NamedTuple):
    """Over one border, up or down."""

    band: Band
    """Where it leads."""
    border: float
    """The score that must be reached on the way up, and fallen below on the way down: hysteresis is in it."""
    points: float
    """From the score to there."""
    steps: tuple[Step, ...]
    """The smallest first, by how much of its curve each would go; those that cannot do it last."""


class Path(NamedTuple):
    told: Explanation
    up: Way | None
    """None: it is healthy, or nothing is known."""
    down: Way | None


def path(told: Explanation) -> Path:
    model = told.model
    if told.band is None or told.score is None or model is None:
        return Path(told, None, None)
    place = BANDS.index(told.band)
    up, down = None, None
    if place < len(model.borders):
        border = model.borders[place] + model.hysteresis
        up = _way(told, BANDS[place + 1], border, lambda score: score >= border)
    if place > 0:
        border_below = model.borders[place - 1] - model.hysteresis
        down = _way(told, BANDS[place - 1], border_below, lambda score: score < border_below)
    return Path(told, up, down)


def _way(told: Explanation, band: Band, border: float, does: Callable[[float], bool]) -> Way:
    assert told.score is not None
    steps = [_step(told, each, border, does) for each in told.contributions]
    steps.sort(key=_effort)
    return Way(band, border, border - told.score, tuple(steps))


def _step(told: Explanation, of: Contribution, border: float, does: Callable[[float], bool]) -> Step:
    score_with = scoring(told, of)

    def reaches(x: float) -> bool:
        return does(score_with(of.measure.curve.at(x)))

    to = None
    source = input_of(of.measure)
    if source.published:
        within = range_of(of.measure)
        if source.kind is Kind.STANDING and not of.present:
            # Whoever never had a case is not helped by one that is opened and closed.
            within = within._replace(low=max(within.low, 1.0))
        to = nearest(of.measure.curve, of.input, within, reaches, _points_at(score_with, border))
    points = None if to is None else of.measure.curve.at(to)
    return Step(of.measure, of.input, to, of.score, points, None if points is None else score_with(points))


def scoring(told: Explanation, of: Contribution) -> Callable[[float], float]:
    """The score as a function of the points that this measure would have, all others as they are."""
    others = [each for each in told.contributions if each is not of and counts(each)]
    weight = of.measure.weight
    whole = sum(each.measure.weight for each in others) + weight
    rest = sum(each.measure.weight * each.score for each in others)
    return lambda points: (rest + weight * points) / whole


def _points_at(score_with: Callable[[float], float], score: float) -> float:
    """The points at which the score is that: it is a straight line in them."""
    at_0, at_100 = score_with(0), score_with(100)
    return (score - at_0) / (at_100 - at_0) * 100


def range_of(measure: Measure) -> Range:
    source = input_of(measure)
    if measure.values:
        return Range(only=tuple(measure.values.values()))
    if measure.input in _BOUNDS:
        return _BOUNDS[measure.input]
    if source.kind in _AMOUNTS and measure.input != "signal":
        counted = source.reads is None or source.kind is Kind.DISTINCT
        return Range(0, whole=counted and source.kind not in _DAYS and measure.half_life_days is None)
    return Range()


_DAYS = frozenset({Kind.SINCE_LAST, Kind.SINCE_FIRST})
_AMOUNTS = frozenset({*_DAYS, Kind.SUM, Kind.TREND, Kind.STANDING, Kind.DISTINCT})
"""Never below 0."""
_BOUNDS = {
    "feature_adoption": Range(0, 1),
    "milestones": Range(0, 1),
    "pulse": Range(0, 100, whole=True),
    "nps": Range(0, 10, whole=True),
}


def nearest(
    curve: Curve, x: float | None, within: Range, reaches: Callable[[float], bool], points: float
) -> float | None:
    """The input nearest to `x` that reaches it; the least one that the curve speaks of, if there is no `x`; None if
    none does. `points`: about what the curve must give there."""
    if x is None:
        (first, _), (last, _) = curve.points[0], curve.points[-1]
        within = within._replace(low=max(within.low, first), high=min(within.high, last))
    places = (*_crossings(curve, points), within.low, within.high)
    candidates = within.only or (near for each in places if math.isfinite(each) for near in _near(each, within))
    found = [each for each in candidates if reaches(each)]
    return min(found, key=lambda each: (abs(each - x) if x is not None else 0.0, each), default=None)


def _crossings(curve: Curve, points: float) -> Iterator[float]:
    """Where the curve has these points, and where it bends: between those places it is on one side of them."""
    for (x0, y0), (x1, y1) in pairwise(curve.points):
        yield x0
        if min(y0, y1) < points < max(y0, y1):
            yield x0 + (x1 - x0) * (points - y0) / (y1 - y0)
    yield curve.points[-1][0]


def _near(x: float, within: Range) -> Iterator[float]:
    """It, and its nearest neighbours, as far as the input can be that."""
    if within.whole:
        tries: tuple[float, ...] = (math.floor(x) - 1, math.floor(x), math.ceil(x), math.ceil(x) + 1)
    else:
        steps = [max(abs(x), 1.0) * size for size in _A_HAIR]
        tries = (x, *(x - step for step in steps), *(x + step for step in steps))
    yield from (float(each) for each in tries if within.low <= each <= within.high)


_A_HAIR = (1e-13, 1e-12, 1e-11, 1e-10, 1e-9, 1e-8)
"""The next number on may not be enough: points and score are rounded too."""


def _effort(step: Step) -> tuple[bool, float]:
    if step.to is None:
        return True, 0.0
    xs = [x for x, _ in step.measure.curve.points]
    return False, abs(step.to - (step.now if step.now is not None else xs[0])) / (xs[-1] - xs[0])
