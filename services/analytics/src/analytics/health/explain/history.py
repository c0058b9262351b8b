"""The histories of customers' scores over an interval: as lines that bend at events, and the band changes. Each instant
is scored by the model that was for the customer then."""

from collections import defaultdict
from typing import NamedTuple

import numpy as np

from analytics.health.engine.base import CustomerBase, Ints
from analytics.health.engine.facts import CAUSES, HealthFacts
from analytics.health.engine.scoring import Scorer
from analytics.health.model.assignment import Assignment
from analytics.health.model.definition import DAY, Band, Cause, HealthModel, band_of

MAX_POINTS = 5_000
"""The limit for one line."""
MAX_TOGETHER = 100_000
"""The limit for all lines of a request."""


class TooManyPoints(Exception):
    """The line has too many points to display."""


class TooManyTogether(Exception):
    """The lines of the request have too many points together."""


class Point(NamedTuple):
    at: int
    """Microseconds since 1970."""
    score: float | None
    """None: no input is known at that instant, or no model is for the customer."""


class BandChange(NamedTuple):
    at: int
    """The first instant in the new band."""
    from_band: Band | None
    band: Band | None
    cause: Cause
    model: HealthModel | None
    """The model that scores the customer at that instant."""

    @property
    def silent(self) -> bool:
        """Whether time alone caused it."""
        return self.cause is Cause.SILENCE


class History(NamedTuple):
    assignments: tuple[Assignment, ...]
    """The assignments of the customer to models, without a gap."""
    band: Band | None
    """The band at the beginning."""
    points: tuple[Point, ...]
    """Straight between one and the next; where the score jumped, by events or by another model, there are two, a
    microsecond apart. The curve of a measure that fades by a half-life is drawn by a point a day."""
    changes: tuple[BandChange, ...]

    @property
    def model(self) -> HealthModel | None:
        """The model at the end."""
        return self.assignments[-1].model


def history(model: HealthModel, base: CustomerBase, index: int, starts_at: int, ends_at: int) -> History:
    """Returns the history over `[starts_at, ends_at]` of the customer at that index of the base, by one model. Raises
    TooManyPoints."""
    (found,) = histories(HealthFacts.by(model, base), starts_at, ends_at, np.array([index]))
    if isinstance(found, TooManyPoints):
        raise found
    return found


def histories(facts: HealthFacts, starts_at: int, ends_at: int, some: Ints) -> list[History | TooManyPoints]:
    """Returns the histories of these customers over `[starts_at, ends_at]`. Raises TooManyTogether."""
    assignments = [facts.assignments(index, starts_at, ends_at) for index in some.tolist()]
    lines = _lines(facts, some, assignments)
    bands = facts.bands(starts_at, some)
    changes: dict[int, list[BandChange]] = defaultdict(list)
    for index, at, before, band, cause in zip(
        *(each.tolist() for each in facts.changes(starts_at, ends_at, some)), strict=True
    ):
        (by,) = facts.assignments(index, at, at)
        changes[index].append(BandChange(at, band_of(before), band_of(band), CAUSES[cause], by.model))
    return [
        line
        if isinstance(line, TooManyPoints)
        else History(tuple(of), band_of(band), tuple(line), tuple(changes[index]))
        for index, of, band, line in zip(some.tolist(), assignments, bands.tolist(), lines, strict=True)
    ]


def _lines(facts: HealthFacts, some: Ints, assignments: list[list[Assignment]]) -> list[list[Point] | TooManyPoints]:
    found: list[list[Point]] = [[] for _ in range(len(some))]
    by_model: dict[HealthModel, list[tuple[int, int, int]]] = defaultdict(list)
    for number, of in enumerate(assignments):
        for since, until, model in of:
            if model is None:
                found[number] += [Point(at, None) for at in dict.fromkeys((since, until))]
            else:
                by_model[model].append((number, since, until))
    bent = np.zeros(len(some), np.int64)
    for model, spans in by_model.items():
        number, since, until = np.array(spans, np.int64).T
        scorer = facts.scorer(model)
        line, at = _instants(scorer, number, some[number], since, until, bent)
        drawn = bent[line] <= MAX_POINTS
        line, at = line[drawn], at[drawn]
        scores = scorer.score(at, some[line]).score
        for index, instant, score, known in zip(
            line.tolist(), at.tolist(), scores.tolist(), (~np.isnan(scores)).tolist(), strict=True
        ):
            found[index].append(Point(instant, score if known else None))
    return [
        TooManyPoints() if many > MAX_POINTS else sorted(points, key=lambda each: each.at)
        for points, many in zip(found, bent.tolist(), strict=True)
    ]


def _instants(scorer: Scorer, number: Ints, some: Ints, since: Ints, until: Ints, bent: Ints) -> tuple[Ints, Ints]:
    """Returns both ends of every stretch in which the score is one straight or curved line, and the line that each is
    on. All lines are followed in step. `bent` counts their points; a line with too many is abandoned."""
    fades = any(each.half_life_days for each in scorer.model.measures)
    of, found, left, at = [number], [since], np.arange(len(number)), since
    np.add.at(bent, number, 1)
    while left.size:
        end = np.minimum(scorer.bends(at, some[left]), until[left])
        if fades:
            end = np.minimum(end, at + DAY)
        _add(of, found, bent, number[left[end > at]], end[end > at])
        on = (end < until[left]) & (bent[number[left]] <= MAX_POINTS)
        left, at = left[on], end[on] + 1
        _add(of, found, bent, number[left], at)
        if bent.sum() > MAX_TOGETHER:
            raise TooManyTogether
    return np.concatenate(of), np.concatenate(found)


def _add(of: list[Ints], found: list[Ints], bent: Ints, number: Ints, at: Ints) -> None:
    of.append(number)
    found.append(at)
    np.add.at(bent, number, 1)
