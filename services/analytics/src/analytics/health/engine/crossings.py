"""Finds when a score leaves its bounds: the first instant, forwards or backwards in time, of many customers at once.

Time alone moves a score while no event comes in, none leaves a window and no curve bends. In such a stretch each
measure's part of the score is constant, a straight line, or decays exponentially, which is curved one way. So the
tangents and chords of the parts bound the score between two instants, and a stretch that they keep inside is passed in
one step. Another one is cut where a bound crosses, as in Newton's method, until one microsecond is left.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from analytics.health.engine.base import FAR, Bools, Floats, Ints
from analytics.health.engine.trajectories import Form, Reader, value_at
from analytics.health.model.definition import DAY, POINTS_OF_ABSENCE, Absence

DIP = 60_000_000
"""Microseconds. Where rounding decides whether a score is outside, a shorter dip over a border may be missed."""
FEW, SPLIT_EVERY = 512, 4
"""For few customers the remaining time is searched in several places at once: a step for one costs as much as for some
hundreds."""


def first_outside(
    readers: Sequence[Reader],
    customers: Ints,
    near: Ints,
    end: Ints,
    bounds: tuple[Floats, Floats],
    known: Bools,
    *,
    backwards: bool = False,
) -> Ints:
    """Returns the instant nearest to `near`, up to `end`, at which the score is not in `[low, high)`, or becomes known
    or unknown; FAR if there is none."""
    way = -1 if backwards else 1
    found = np.full(len(customers), way * FAR)
    open_ = np.flatnonzero(way * (end - near) >= 0)
    walkers = _Walkers.of(readers, open_, customers[open_], near[open_], end[open_], bounds, known[open_])
    nearest = np.maximum if backwards else np.minimum
    turn = 0
    while len(walkers.who):
        far = nearest(walkers.stretch(way), walkers.end)
        index = walkers.crossing(far, way)
        hit = index != FAR
        nearest.at(found, walkers.who[hit], index[hit])
        walkers.near = far + way
        # Walkers that search behind an instant found for the same customer are done, too.
        walkers = walkers.where(~hit & (far != walkers.end) & (way * walkers.near < way * found[walkers.who]))
        walkers.renew()
        turn += 1
        if turn % SPLIT_EVERY == 0 and len(walkers.who) < FEW:
            walkers = walkers.split(way)
    return np.where(found == way * FAR, FAR, found)


@dataclass
class _Walkers:
    """Search one stretch of time each. Arrays of measures have the shape (measures, walkers)."""

    readers: Sequence[Reader]
    who: Ints
    """The index of the request: several walkers may search for the same one."""
    customer: Ints
    near: Ints
    end: Ints
    low: Floats
    high: Floats
    known: Bools
    present: Bools
    coefficient: Floats
    anchor: Ints
    since: Ints
    until: Ints
    weight: Floats
    points: Floats
    """The points of constant measures; for the others, the points of absence."""

    @classmethod
    def of(
        cls,
        readers: Sequence[Reader],
        who: Ints,
        customer: Ints,
        near: Ints,
        end: Ints,
        bounds: tuple[Floats, Floats],
        known: Bools,
    ) -> "_Walkers":
        shape = len(readers), len(who)
        low, high = (each[who] for each in bounds)
        whole = np.zeros(shape, np.int64)
        found = cls(
            readers, who, customer, near, end, low, high, known, np.zeros(shape, np.bool_), np.zeros(shape),
            whole, whole + FAR, whole - FAR, np.zeros(shape), np.zeros(shape),
        )  # fmt: skip
        found.renew()
        return found

    def where(self, some: Bools | Ints) -> "_Walkers":
        if some.dtype == np.bool_:
            if some.all():
                return self
            some = np.flatnonzero(some)
        columns = (getattr(self, each.name) for each in fields(self)[1:])
        return _Walkers(self.readers, *(np.take(column, some, axis=-1) for column in columns))

    def split(self, way: int) -> "_Walkers":
        """Splits the search: half of what each walker has left goes to another one."""
        half = np.abs(self.end - self.near) // 2
        some = np.flatnonzero(half > DAY)
        if not some.size:
            return self
        others, middle = self.where(some), self.near[some] + way * half[some]
        others.near = middle + way
        others.since[:], others.until[:] = FAR, -FAR
        others.renew()
        self.end[some] = middle
        columns = (np.concatenate((getattr(self, f.name), getattr(others, f.name)), axis=-1) for f in fields(self)[1:])
        return _Walkers(self.readers, *columns)

    def renew(self) -> None:
        """Reads measures anew where the stretch in which their last reading holds has ended."""
        ended = (self.until < self.near) | (self.since > self.near)
        for number, reader in enumerate(self.readers):
            some = np.flatnonzero(ended[number])
            if not some.size:
                continue
            course = reader.course(self.customer[some], self.near[some])
            absent = POINTS_OF_ABSENCE[reader.measure.absence]
            self.present[number, some], self.coefficient[number, some] = course.present, course.coefficient
            self.anchor[number, some], self.since[number, some] = course.anchor, course.since
            self.until[number, some] = course.until
            left_out = reader.measure.absence is Absence.LEFT_OUT
            self.weight[number, some] = np.where(course.present, reader.weight, 0.0) if left_out else reader.weight
            points = reader.points(course.coefficient) if reader.form is Form.CONSTANT else absent
            self.points[number, some] = np.where(course.present, points, absent)

    def stretch(self, way: int) -> Ints:
        """Returns the end of the stretch in which time alone moves the scores."""
        found: Ints = self.until.min(axis=0) if way > 0 else self.since.max(axis=0)
        return found

    def crossing(self, far: Ints, way: int) -> Ints:
        """Returns the instant nearest to `near`, up to `far` in the same stretch, that is outside; FAR if there is
        none."""
        found = np.full(len(far), FAR)
        known = self.present.any(axis=0)
        changed = known != self.known
        found[changed] = self.near[changed]
        whole = sum_of(self.weight)
        whole[whole <= 0] = 1.0
        at_near, at_far = self.parts(self.near, whole), self.parts(far, whole)
        least, most = sum_of(np.minimum(at_near, at_far)), sum_of(np.maximum(at_near, at_far))
        # Without any input there is no score that could leave.
        left = np.flatnonzero(~changed & known & ~((least >= self.low) & (most < self.high)))
        if left.size:
            found[left] = self.where(left).searched(far[left], whole[left], at_near[:, left], at_far[:, left], way)
        return found

    def parts(self, at: Ints, whole: Floats) -> Floats:
        """Returns the measures' parts of the score, which add up to it."""
        found = self.points.copy()
        for number, reader in enumerate(self.readers):
            if reader.form is Form.CONSTANT:
                continue
            anchor, there = self.anchor[number], self.present[number]
            x = value_at(reader.form, self.coefficient[number], anchor, np.where(there, at, anchor), reader.half_life)
            np.copyto(found[number], reader.points(x), where=there)
        np.multiply(self.weight, found, out=found)
        np.divide(found, whole, out=found)
        return found

    def searched(self, far: Ints, whole: Floats, at_a: Floats, at_b: Floats, way: int) -> Ints:
        """Returns the same for walkers whose parts at both ends do not prove that the score stays inside."""
        found, index, left = np.full(len(far), FAR), np.arange(len(far)), self
        a, b = self.near, far
        while True:
            score_a, score_b = sum_of(at_a), sum_of(at_b)
            low, high, length = left.low, left.high, np.abs(b - a)
            out_a, out_b = (score_a < low) | (score_a >= high), (score_b < low) | (score_b >= high)
            least, most, step = left._bounds(score_a, score_b, at_a, at_b, way * length)
            safe = ~out_b & (((least >= low) & (most < high)) | (length <= DIP))
            here = out_a | (~safe & (length <= 1))  # b is outside, if a is not
            found[index[here]] = np.where(out_a, a, b)[here]
            on = np.flatnonzero(~here & ~(safe & (b == far)))
            if not on.size:
                return found
            a, b, far, whole, index, left = a[on], b[on], far[on], whole[on], index[on], left.where(on)
            safe, step, length, out_b = safe[on], step[on], length[on], out_b[on]
            # One step short of where a bound crosses nothing has crossed; the crossing is near, if there is one.
            step = np.where(safe, length, np.clip(np.floor(step) - 1, 0, length - 1)).astype(np.int64)
            reach = np.where(safe, 8 * length, np.where(out_b, 2 * step + 2, np.maximum(2 * step + 2, length // 8)))
            a = a + way * step
            rest = np.abs(np.where(safe | ~out_b, far, b) - a)
            reach = np.where(~safe & (length <= 8), np.maximum(length // 2, 1), reach)
            b = a + way * np.minimum(reach, rest)
            at_a, at_b = left.parts(a, whole), left.parts(b, whole)

    def _bounds(
        self, score_a: Floats, score_b: Floats, at_a: Floats, at_b: Floats, elapsed: Ints
    ) -> tuple[Floats, Floats, Floats]:
        """Returns the least and the greatest value of the score between two instants, and how long from the first one
        on it stays inside."""
        below_a, above_a = np.zeros(len(score_a)), np.zeros(len(score_a))
        below_b, above_b = np.zeros(len(score_a)), np.zeros(len(score_a))
        curvature: dict[float, tuple[Floats, Floats]] = {}
        for number, reader in enumerate(self.readers):
            if reader.form is not Form.FADING:
                continue
            if reader.half_life not in curvature:
                curvature[reader.half_life] = _curvature(elapsed * (np.log(2) / reader.half_life))
            forth, back = curvature[reader.half_life]
            change = at_b[number] - at_a[number]
            beyond = change * forth
            below_a += np.maximum(beyond, 0)
            above_a += np.maximum(-beyond, 0)
            beyond = change * back
            below_b += np.maximum(beyond, 0)
            above_b += np.maximum(-beyond, 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            falls, rises = score_b - below_a, score_b + above_a
            length = np.abs(elapsed).astype(np.float64)
            step = np.minimum(
                np.where(falls < self.low, (score_a - self.low) / (score_a - falls) * length, length),
                np.where(rises >= self.high, (self.high - score_a) / (rises - score_a) * length, length),
            )
        least = np.maximum(np.minimum(score_a, falls), np.minimum(score_a - below_b, score_b))
        most = np.minimum(np.maximum(score_a, rises), np.maximum(score_a + above_b, score_b))
        return least, most, step


def _curvature(exponent: Floats) -> tuple[Floats, Floats]:
    """Returns for an input that decays by `exp(-exponent)` how far it ends above its tangent at the beginning, and
    begins above its tangent at the end, relative to its change."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        share = exponent / np.expm1(-exponent)
        forth, back = 1 + share, -1 - share * np.exp(-exponent)
    return np.nan_to_num(forth, nan=0.0), np.nan_to_num(back, nan=0.0)


def sum_of(rows: Floats) -> Floats:
    """Sums in the order of the measures, however many customers there are: the same to the last bit."""
    total = np.zeros(rows.shape[1])
    for row in rows:
        np.add(total, row, out=total)
    return total
