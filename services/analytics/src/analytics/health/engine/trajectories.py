"""Trajectories: how a measure's input evolves from an instant on, and back from it, until something changes.

An input is constant, rises or falls with time, or fades, while no event comes in and none leaves a window. So between
two such instants the trajectory of a score follows without reading the events.
"""

from collections.abc import Callable
from enum import Enum, auto
from typing import NamedTuple

import numpy as np

from analytics.health.engine.base import FAR, MISSING, UNITS, Bools, Floats, Ints, Series
from analytics.health.model.definition import DAY, Measure
from analytics.health.model.inputs import Kind, input_of, window_of

LARGEST_SPAN = 4e307
"""The distance from its negative to it is a finite double, with room to spare."""


class Form(Enum):
    CONSTANT = auto()
    RISING = auto()
    """A day a day, since its anchor."""
    FALLING = auto()
    """A day a day, towards its anchor."""
    FADING = auto()
    """By half every half-life, since its anchor."""


class Trajectory(NamedTuple):
    """One element per customer. It holds at every instant of `[since, until]`."""

    form: Form
    present: Bools
    coefficient: Floats
    anchor: Ints
    since: Ints
    until: Ints

    def at(self, instant: Ints, half_life: float) -> Floats:
        """Returns the input. Its value where it is absent means nothing."""
        return value_at(self.form, self.coefficient, self.anchor, instant, half_life)


def value_at(form: Form, coefficient: Floats, anchor: Ints, instant: Ints, half_life: float) -> Floats:
    if form is Form.CONSTANT:
        return coefficient
    if form is Form.FADING:
        return coefficient * np.exp2(-(instant - anchor) / half_life)
    elapsed = (instant - anchor) / DAY
    return elapsed if form is Form.RISING else -elapsed


_FORMS = {Kind.SINCE_LAST: Form.RISING, Kind.SINCE_FIRST: Form.RISING, Kind.AHEAD: Form.FALLING}


class Reader:
    """Reads one measure, and turns its input into points."""

    def __init__(self, measure: Measure, series: Series) -> None:
        self.measure, self.series, self.input = measure, series, input_of(measure)
        self.weight = measure.weight
        self.window = window_of(measure)
        self.half_life = (measure.half_life_days or 1.0) * DAY
        self.xs = np.array([x for x, _ in measure.curve.points], np.float64)
        self.ys = np.array([y for _, y in measure.curve.points], np.float64)
        self._far = bool(np.abs(self.xs).max(initial=0) > LARGEST_SPAN)
        self._course: Callable[[Ints, Ints], Trajectory] = getattr(self, f"_{self.input.kind.value}")
        self.form = _FORMS.get(self.input.kind, Form.CONSTANT)
        if measure.half_life_days and self.input.kind in (Kind.SUM, Kind.MEAN):
            self._course = self._fading
            self.form = Form.FADING if self.input.kind is Kind.SUM else Form.CONSTANT
            self.counted = series.faded(self.half_life, count=True)
            self.summed = self.counted if self.input.reads is None else series.faded(self.half_life, count=False)
        if self.input.kind is Kind.STANDING:
            self.standing = series.where(series.value > 0)

    def course(self, some: Ints, at: Ints) -> Trajectory:
        """Returns the trajectory, cut where the curve bends: within it the points go one way."""
        course = self._course(some, at)
        return course if course.form is Form.CONSTANT else self._bent(course, at)

    def points(self, x: Floats) -> Floats:
        return np.interp(x / 4, self.xs / 4, self.ys) if self._far else np.interp(x, self.xs, self.ys)

    def against(self, index: int, at: int) -> float | None:
        """Returns what one more event is weighed against: for a mean the weight of the events in it, for a trend the
        sum over the window before."""
        if self.input.kind not in (Kind.MEAN, Kind.TREND):
            return None
        some, instant = np.array([index]), np.array([at])
        end = self.series.before(some, instant)
        if self.input.kind is Kind.TREND:
            assert self.window is not None
            middle, _, _ = self._windowed(some, instant, self.window)
            start, _, _ = self._windowed(some, instant, 2 * self.window)
            return float(self._amount(start, middle)[0])
        if self.measure.half_life_days:
            last = int(end[0]) - 1
            return float(self.counted[last] * np.exp2(-(at - self.series.time[last]) / self.half_life))
        start, _, _ = self._windowed(some, instant, self.window or int(FAR // 2))
        return float((end - start)[0])

    def settled(self, index: int, at: int) -> int:
        """Returns how many aggregates that can be in an open state have left it, and might return."""
        begin, end = int(self.series.first[index]), int(self.series.before(np.array([index]), np.array([at]))[0])
        return int(np.sum((self.series.value[begin:end] == 0) & (self.series.end[begin:end] >= at)))

    def _bent(self, course: Trajectory, at: Ints) -> Trajectory:
        x = course.at(at, self.half_life)
        piece = np.searchsorted(self.xs, x, side="right")
        edges = np.concatenate(([-np.inf], self.xs, [np.inf]))
        a, b = self._when(course, edges[piece]), self._when(course, edges[piece + 1])
        # Instants are whole; the bend itself lies between two of them, so each side ends a step short of it.
        since, until = np.minimum(a, b) + 1, np.maximum(a, b) - 1
        return course._replace(
            since=np.where(course.present, np.maximum(course.since, np.minimum(since, at)), course.since),
            until=np.where(course.present, np.minimum(course.until, np.maximum(until, at)), course.until),
        )

    def _when(self, course: Trajectory, x: Floats) -> Ints:
        """Returns roughly when the input is x."""
        if course.form is Form.FADING:
            c = course.coefficient
            with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
                steps = np.log2(c / x) * self.half_life
            # It fades towards 0: values beyond are never reached.
            steps = np.where((x > 0) == (c > 0), steps, np.inf)
            steps = np.where(c == 0, np.where(x > 0, -np.inf, np.inf), steps)  # zero does not fade
        else:
            with np.errstate(over="ignore"):  # so far away it never does
                steps = x * DAY if course.form is Form.RISING else -x * DAY
        steps = np.nan_to_num(np.clip(steps, -float(FAR // 2), float(FAR // 2)), nan=float(FAR // 2))
        return course.anchor + np.round(steps).astype(np.int64)

    def _ever(self, some: Ints, at: Ints) -> tuple[Ints, Bools, Ints, Ints]:
        """Returns the index of the next event, whether there was any before, and the span in which that holds."""
        series, index = self.series, self.series.before(some, at)
        return index, index > series.first[some], series.time_before(index, some) + 1, series.time_at(index, some)

    def _since_last(self, some: Ints, at: Ints) -> Trajectory:
        _, present, since, until = self._ever(some, at)
        return Trajectory(Form.RISING, present, np.zeros(len(some)), np.where(present, since - 1, 0), since, until)

    def _since_first(self, some: Ints, at: Ints) -> Trajectory:
        series = self.series
        begun = series.time_at(series.first[some], some)
        present = begun < at
        return Trajectory(
            Form.RISING,
            present,
            np.zeros(len(some)),
            np.where(present, begun, 0),
            np.where(present, begun + 1, -FAR),
            np.where(present, FAR, begun),
        )

    def _windowed(self, some: Ints, at: Ints, window: int) -> tuple[Ints, Ints, Ints]:
        """Returns the index of the first event in the window, and the span in which it is that one."""
        series, start = self.series, self.series.before(some, at - window)
        left, leaves = series.time_before(start, some), series.time_at(start, some)
        return (
            start,
            np.where(left == -FAR, -FAR, left + window + 1),
            np.where(leaves == FAR, FAR, leaves + window),
        )

    def _amount(self, start: Ints, end: Ints) -> Floats:
        if self.input.reads is None:
            return (end - start).astype(np.float64)
        return self.series.sum(start, end)

    def _sum(self, some: Ints, at: Ints) -> Trajectory:
        index, present, since, until = self._ever(some, at)
        if self.window is None:
            return _constant(present, self._amount(self.series.first[some], index), since, until)
        start, entered, leaves = self._windowed(some, at, self.window)
        return _constant(present, self._amount(start, index), np.maximum(since, entered), np.minimum(until, leaves))

    def _mean(self, some: Ints, at: Ints) -> Trajectory:
        index, _, since, until = self._ever(some, at)
        start, entered, leaves = self._windowed(some, at, self.window or int(FAR // 2))
        present = index > start
        mean = self._amount(start, index) / np.maximum(index - start, 1)
        return _constant(present, mean, np.maximum(since, entered), np.minimum(until, leaves))

    def _trend(self, some: Ints, at: Ints) -> Trajectory:
        assert self.window is not None
        index, _, since, until = self._ever(some, at)
        middle, since1, until1 = self._windowed(some, at, self.window)
        start, since2, until2 = self._windowed(some, at, 2 * self.window)
        now, then = self._amount(middle, index), self._amount(start, middle)
        return _constant(
            then > 0,
            now / np.where(then > 0, then, 1.0),
            np.maximum(np.maximum(since, since1), since2),
            np.minimum(np.minimum(until, until1), until2),
        )

    def _growth(self, some: Ints, at: Ints) -> Trajectory:
        assert self.window is not None
        now, since, until = self._in_force(some, at)
        then, since_then, until_then = self._in_force(some, at - self.window)
        return _constant(
            then > 0,
            now / np.where(then > 0, then, 1.0),
            np.maximum(since, np.where(since_then == -FAR, -FAR, since_then + self.window)),
            np.minimum(until, np.where(until_then == FAR, FAR, until_then + self.window)),
        )

    def _in_force(self, some: Ints, at: Ints) -> tuple[Floats, Ints, Ints]:
        """Returns the sums over what has begun and not ended, and the span in which that holds."""
        begun, ended = self.series, self.series.ends
        entered, left = begun.before(some, at), ended.before(some, at)
        last = np.maximum(begun.time_before(entered, some), ended.time_before(left, some))
        following = np.minimum(begun.time_at(entered, some), ended.time_at(left, some))
        total = begun.sum(begun.first[some], entered) - ended.sum(ended.first[some], left)
        return total, np.where(last == -FAR, -FAR, last + 1), following

    def _standing(self, some: Ints, at: Ints) -> Trajectory:
        _, present, since, until = self._ever(some, at)
        begun, ended = self.standing, self.standing.ends
        entered, left = begun.before(some, at), ended.before(some, at)
        last = np.maximum(begun.time_before(entered, some), ended.time_before(left, some)) + 1
        following = np.minimum(begun.time_at(entered, some), ended.time_at(left, some))
        count = (entered - left).astype(np.float64)
        return _constant(present, count, np.maximum(since, last), np.minimum(until, following))

    def _latest(self, some: Ints, at: Ints) -> Trajectory:
        series = self.series
        index, there, since, until = self._ever(some, at)
        last = np.where(there, index - 1, 0)
        if not len(series.time):
            return _constant(there, np.zeros(len(some)), since, until)
        amount, end = series.amount[last], np.where(there, series.end[last], FAR)
        fresh, known = at <= end, ~np.isnan(amount)
        return _constant(
            there & fresh & known,
            np.where(known, amount, 0.0),
            np.where(fresh, since, end + 1),
            np.where(fresh, np.minimum(until, end), until),
        )

    def _ahead(self, some: Ints, at: Ints) -> Trajectory:
        course = self._latest(some, at)
        anchor = np.where(course.present, np.round(course.coefficient * UNITS), 0).astype(np.int64)
        return course._replace(form=Form.FALLING, anchor=anchor)

    def _distinct(self, some: Ints, at: Ints) -> Trajectory:
        assert self.window is not None
        index, present, since, until = self._ever(some, at)
        start, entered, leaves = self._windowed(some, at, self.window)
        length = index - start
        whose = np.repeat(np.arange(len(some)), length)
        each = np.arange(len(whose)) - np.repeat(np.cumsum(length) - length, length) + start[whose]
        newest = (self.series.next_same[each] >= at[whose]) & (self.series.value[each] != MISSING)
        count = np.bincount(whose[newest], minlength=len(some)).astype(np.float64)
        return _constant(present, count, np.maximum(since, entered), np.minimum(until, leaves))

    def _fading(self, some: Ints, at: Ints) -> Trajectory:
        index, present, since, until = self._ever(some, at)
        last = np.where(present, index - 1, 0)
        if not len(self.series.time):
            return _constant(present, np.zeros(len(some)), since, until)
        if self.input.kind is Kind.MEAN:
            return _constant(present, self.summed[last] / self.counted[last], since, until)
        anchor = np.where(present, self.series.time[last], 0)
        return Trajectory(Form.FADING, present, self.summed[last], anchor, since, until)


def _constant(present: Bools, value: Floats, since: Ints, until: Ints) -> Trajectory:
    return Trajectory(Form.CONSTANT, present, value, np.zeros(len(value), np.int64), since, until)
