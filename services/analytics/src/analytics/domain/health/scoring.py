"""Scores, bands, and when they change: by events, or by time alone.

All of it for many customers at once, each at an instant of its own. What a model says of a customer at an instant
follows from its facts before that instant, and from nothing else: no earlier score is looked at, though a band depends
on where the score came from. It is looked for there.
"""

from collections.abc import Callable, Sequence
from itertools import count
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.domain.health.base import FAR, Base, Bools, Floats, Ints
from analytics.domain.health.courses import Course, Form, Reader
from analytics.domain.health.inputs import Kind
from analytics.domain.health.model import POINTS_OF_ABSENCE, Absence, HealthModel

NOBODYS = -1
"""The band of whom nothing is known."""
DIP = 60_000_000
"""Microseconds: with half-lives among the measures a score may dip and come back. A shorter dip over a border is passed
over."""
AHEAD = 400 * 86_400_000_000
"""How far ahead it is looked for a change by time alone; then it is looked again."""

Bands = NDArray[np.int8]


class Scored(NamedTuple):
    """N customers by M measures."""

    score: Floats
    """(N,) NaN where nothing is known."""
    coverage: Floats
    """(N,) The weight of what is present over that of all, 0 to 1."""
    inputs: Floats
    """(M, N) NaN where absent."""
    points: Floats
    """(M, N) What the curve makes of it, or what absence counts for."""
    contribution: Floats
    """(M, N) They add up to the score."""
    present: Bools
    """(M, N)"""


class Changes(NamedTuple):
    """Band changes, one element each, by customer and then time."""

    customer: Ints
    """Its place in the base."""
    at: Ints
    """The first instant in the new band."""
    from_band: Bands
    band: Bands
    silent: Bools
    """By time alone: no event came in at that instant."""


class Scorer:
    """A model, and the customers it is to score."""

    def __init__(self, model: HealthModel, base: Base) -> None:
        self.model, self.base = model, base
        self.readers = [Reader(each, series) for each, series in zip(model.measures, base.series, strict=True)]
        self._whole = sum(reader.weight for reader in self.readers)

    def score(self, at: int | Ints, some: Ints | None = None) -> Scored:
        some = self._everybody() if some is None else some
        at = self._instants(at, some)
        courses = [reader.course(some, at) for reader in self.readers]
        inputs = [c.at(at, r.half_life) for r, c in zip(self.readers, courses, strict=True)]
        present = np.array([course.present for course in courses])
        points = np.array([self._points(r, c, x) for r, c, x in zip(self.readers, courses, inputs, strict=True)])
        weights = np.array([_counts(r, c) for r, c in zip(self.readers, courses, strict=True)])
        known = present.any(axis=0)
        contribution = weights * points / np.where(known, _sum(weights), 1.0)
        contribution[:, ~known] = 0.0
        return Scored(
            np.where(known, _sum(contribution), np.nan),
            _sum(present * np.array([[r.weight] for r in self.readers])) / self._whole,
            np.where(present, np.array(inputs), np.nan),
            points,
            contribution,
            present,
        )

    def bands(self, at: int | Ints, some: Ints | None = None, score: Floats | None = None) -> Bands:
        """With hysteresis: within a strip around a border, that side of it holds on which the score was last outside
        of the strip. `score`: of the same instants, if it is known."""
        some = self._everybody() if some is None else some
        at = self._instants(at, some)
        score = self.score(at, some).score if score is None else score
        bands = self._plain(score)
        for number, border in enumerate(self.model.borders):
            low, high = border - self.model.hysteresis, border + self.model.hysteresis
            between = np.flatnonzero((score >= low) & (score < high))
            if not between.size or low == high:
                continue
            outside = self._last_outside(some[between], at[between], low, high)
            came = self.score(outside, some[between]).score
            # Nothing was known of it then: it began within the strip, on one side of the border.
            first = np.where(np.isnan(came), self.score(outside + 1, some[between]).score, came)
            bands[between] = number + (first >= border)
        return bands

    def next_change(self, at: int | Ints, bands: Bands, until: int | Ints, some: Ints | None = None) -> Ints:
        """The first instant after `at`, and up to `until`, that is not in these bands any more; FAR if none is."""
        some = self._everybody() if some is None else some
        at, until = self._instants(at, some), self._instants(until, some)
        low, high = self._held(bands)
        return self._first_outside(some, at + 1, until, low, high, bands >= 0)

    def moved(self, at: Ints, bands: Bands, some: Ints) -> Bands:
        """The bands at instants that `next_change` gave, and no others, from those before."""
        return self._from(bands, self.score(at, some).score)

    def changes(self, starts_at: int | Ints, ends_at: int | Ints, some: Ints | None = None) -> Changes:
        """All in `(starts_at, ends_at]`."""
        some = self._everybody() if some is None else some
        at, until = self._instants(starts_at, some), self._instants(ends_at, some)
        found = self.changes_from(self.bands(at, some), at, until, some)
        return found._replace(customer=some[found.customer])

    def changes_from(self, bands: Bands, starts_at: Ints, ends_at: Ints, some: Ints) -> Changes:
        """The same from the bands at `starts_at`. `customer` is the place among `some`, which may name one twice."""
        number, at, until, found = np.arange(len(some)), starts_at, ends_at, []
        while number.size:
            change = self.next_change(at, bands, until, some[number])
            left = np.flatnonzero(change < FAR)
            number, at, until, bands = number[left], change[left], until[left], bands[left]
            if number.size:
                now = self.moved(at, bands, some[number])
                found.append(Changes(number, at, bands, now, ~self.entered(some[number], at)))
                bands = now
        if not found:
            none = np.zeros(0, np.int64)
            return Changes(none, none, none.astype(np.int8), none.astype(np.int8), none.astype(np.bool_))
        whole = [np.concatenate(column) for column in zip(*found, strict=True)]
        order = np.lexsort((whole[1], whole[0]))
        return Changes._make(column[order] for column in whole)

    def bends(self, at: Ints, some: Ints) -> Ints:
        """The last instant up to which the score goes one even way from these instants on."""
        until = np.full(len(some), FAR)
        for reader in self.readers:
            until = np.minimum(until, reader.course(some, at).until)
        return until

    def _everybody(self) -> Ints:
        return np.arange(len(self.base))

    def _instants(self, at: int | Ints, some: Ints) -> Ints:
        return np.broadcast_to(np.asarray(at, np.int64), some.shape)

    def _points(self, reader: Reader, course: Course, x: Floats) -> Floats:
        return np.where(course.present, reader.points(x), POINTS_OF_ABSENCE[reader.measure.absence])

    def _plain(self, score: Floats) -> Bands:
        bands = sum((score >= border).astype(np.int8) for border in self.model.borders)
        return np.where(np.isnan(score), NOBODYS, bands).astype(np.int8)

    def _held(self, bands: Bands) -> tuple[Floats, Floats]:
        """Between which scores a band is kept."""
        borders = np.array([-np.inf, *self.model.borders, np.inf])
        return borders[bands] - self.model.hysteresis, borders[bands + 1] + self.model.hysteresis

    def _from(self, bands: Bands, score: Floats) -> Bands:
        """Band by band, as far as the score is beyond a border by the hysteresis."""
        h, now = self.model.hysteresis, bands.copy()
        for number in reversed(range(len(self.model.borders))):
            now[(now > number) & (score < self.model.borders[number] - h)] = number
        for number, border in enumerate(self.model.borders):
            now[(now == number) & (score >= border + h)] = number + 1
        plain = self._plain(score)
        return np.where((plain == NOBODYS) | (bands == NOBODYS), plain, now).astype(np.int8)

    def entered(self, some: Ints, at: Ints) -> Bools:
        """Whether an event happened just before."""
        found = np.zeros(len(some), np.bool_)
        for reader in self.readers:
            series = reader.series
            found |= series.time_before(series.before(some, at), some) == at - 1
            if reader.input.kind is Kind.STANDING:
                ends = reader.standing.ends
                found |= ends.time_before(ends.before(some, at), some) == at - 1
        return found

    # An instant at which a score is outside of what it was is looked for stretch by stretch: as far as no event comes
    # in, none falls out of a window and no curve bends, every measure's part goes one way. So the parts at both ends of
    # a stretch bound all scores within. A stretch whose bounds do not keep inside is cut, until one instant is left.

    def _first_outside(self, some: Ints, at: Ints, until: Ints, low: Floats, high: Floats, known: Bools) -> Ints:
        found, left = np.full(len(some), FAR), np.flatnonzero(at <= until)
        near = at[left]
        while left.size:
            courses = [reader.course(some[left], near) for reader in self.readers]
            far = np.minimum(_least([course.until for course in courses]), until[left])
            place = self._search(courses, near, far, low[left], high[left], known[left])
            hit = place != FAR
            found[left[hit]] = place[hit]
            on = ~hit & (far < until[left])
            left, near = left[on], far[on] + 1
        return found

    def _last_outside(self, some: Ints, at: Ints, low: float, high: float) -> Ints:
        """The last instant before `at` at which the score was not in `[low, high)`, or nothing was known: before the
        first event nothing is."""
        found, left = np.full(len(some), -FAR), np.arange(len(some))
        near, everybody = at - 1, np.ones(len(some), np.bool_)
        lows, highs = np.full(len(some), low), np.full(len(some), high)
        while left.size:
            courses = [reader.course(some[left], near) for reader in self.readers]
            far = -_least([-course.since for course in courses])
            place = self._search(courses, near, far, lows[left], highs[left], everybody[left])
            hit = place != FAR
            found[left[hit]] = place[hit]
            left, near = left[~hit], far[~hit] - 1
        return found

    def _search(
        self, courses: Sequence[Course], near: Ints, far: Ints, low: Floats, high: Floats, known: Bools
    ) -> Ints:
        """The instant nearest to `near`, on the way to `far`, that is outside; FAR if none is."""
        found, way = np.full(len(near), FAR), np.where(far >= near, 1, -1)
        known_here = np.array([course.present for course in courses]).any(axis=0)
        changed = known_here != known
        found[changed] = near[changed]
        left = np.flatnonzero(~changed & known_here)  # with nothing known there is no score to leave
        a, b = near[left], far[left]
        parts = self._parts(courses)
        even = not any(course.form is Form.FADING for course in courses)
        for turn in count():
            if not left.size:
                break
            at_a, at_b = parts(left, a), parts(left, b)
            score_a, score_b = _sum(at_a), _sum(at_b)
            lows, highs = low[left], high[left]
            out_a = (score_a < lows) | (score_a >= highs)
            out_b = (score_b < lows) | (score_b >= highs)
            if even:  # a sum of straight lines is one
                safe = ~out_b
                cut = self._cut(a, b, score_a, score_b, lows, highs, turn)
            else:
                least, most = _sum(np.minimum(at_a, at_b)), _sum(np.maximum(at_a, at_b))
                safe = ((least >= lows) & (most < highs)) | (~out_b & (np.abs(b - a) <= DIP))
                cut = a + (b - a) // 2
            here = out_a | (~safe & (np.abs(b - a) <= 1))  # b is, if a is not
            found[left[here]] = np.where(out_a, a, b)[here]
            rest = far[left]
            on = ~here & ~(safe & (b == rest))
            a, b = np.where(safe, b + way[left], a)[on], np.where(safe, rest, cut)[on]
            left = left[on]
        return found

    @staticmethod
    def _cut(a: Ints, b: Ints, score_a: Floats, score_b: Floats, low: Floats, high: Floats, turn: int) -> Ints:
        """Where a straight line crosses, and a step to either side of it in turn; now and then the middle, so that it
        comes to an end whatever the rounding."""
        middle = a + (b - a) // 2
        if turn % 4 == 3:
            return middle
        border = np.where(score_b < low, low, high)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.nan_to_num((border - score_a) / (score_b - score_a), nan=0.5, posinf=1.0, neginf=0.0)
        step = np.sign(b - a) * (2 if turn % 2 == 0 else -2)
        guess = a + np.round((b - a) * np.clip(share, 0.0, 1.0)).astype(np.int64) + step
        inside = (np.minimum(a, b) < guess) & (guess < np.maximum(a, b))
        return np.where(inside, guess, middle)

    def _parts(self, courses: Sequence[Course]) -> Callable[[Ints, Ints], Floats]:
        """The measures' parts of the score as a function of the instant, while these courses hold."""
        weights = np.array([_counts(r, c) for r, c in zip(self.readers, courses, strict=True)])
        total = np.where(_sum(weights) > 0, _sum(weights), 1.0)

        def parts(which: Ints, at: Ints) -> Floats:
            rows = []
            for reader, course, weight in zip(self.readers, courses, weights, strict=True):
                here = course.some(which)
                points = self._points(reader, here, here.at(at, reader.half_life))
                rows.append(weight[which] * points / total[which])
            return np.array(rows)

        return parts


def _counts(reader: Reader, course: Course) -> Floats:
    """Its weight where it counts."""
    if reader.measure.absence is Absence.LEFT_OUT:
        return np.where(course.present, reader.weight, 0.0)
    return np.full(len(course.present), reader.weight)


def _sum(rows: Floats) -> Floats:
    """Always in the order of the measures, however many customers there are: the same to the last bit."""
    total = np.zeros(rows.shape[1])
    for row in rows:
        np.add(total, row, out=total)
    return total


def _least(columns: Sequence[Ints]) -> Ints:
    found = columns[0]
    for column in columns[1:]:
        found = np.minimum(found, column)
    return found
