"""Scores, bands, and when they change: by events, or by time alone.

All of it for many customers at once, each at an instant of its own. A score at an instant follows from the facts before
that instant alone, not from an earlier score, though a band depends on where the score came from: that is computed from
the facts, too.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.health.engine.base import FAR, Bools, CustomerBase, Floats, Ints, Rows, Series
from analytics.health.engine.crossings import first_outside, sum_of
from analytics.health.engine.trajectories import Reader, Trajectory
from analytics.health.model.definition import POINTS_OF_ABSENCE, Absence, HealthModel
from analytics.health.model.inputs import CASES, Kind

NO_BAND = -1
"""The band of a customer without any known input."""
AHEAD = 400 * 86_400_000_000
"""How far ahead a change by time alone is searched for; then the search is repeated."""

Bands = NDArray[np.int8]


class Scored(NamedTuple):
    """N customers by M measures."""

    score: Floats
    """(N,) NaN where no input is known."""
    coverage: Floats
    """(N,) The weight of the measures present over the total weight, 0 to 1."""
    inputs: Floats
    """(M, N) NaN where absent."""
    points: Floats
    """(M, N) The curve's value, or the points of absence."""
    contribution: Floats
    """(M, N) They add up to the score."""
    present: Bools
    """(M, N)"""


class Changes(NamedTuple):
    """Band changes, one element each, by customer and then time."""

    customer: Ints
    """The index of the customer in the base."""
    at: Ints
    """The first instant in the new band."""
    from_band: Bands
    band: Bands
    silent: Bools
    """Caused by time alone: no event came in at that instant."""


class Scorer:
    """A model, and the customers that it scores."""

    def __init__(self, model: HealthModel, base: CustomerBase) -> None:
        self.model, self.base = model, base
        self.readers = [Reader(each, series) for each, series in zip(model.measures, base.series, strict=True)]
        self.cases = None if base.cases is None else Reader(CASES, base.cases)
        self._whole = sum(reader.weight for reader in self.readers)

    def score(self, at: int | Ints, some: Ints | None = None) -> Scored:
        some = self._everybody() if some is None else some
        at = self._instants(at, some)
        if not self.readers:
            return _nothing(len(some))
        trajectories = [reader.course(some, at) for reader in self.readers]
        inputs = [c.at(at, r.half_life) for r, c in zip(self.readers, trajectories, strict=True)]
        present = np.array([course.present for course in trajectories])
        points = np.array([self._points(r, c, x) for r, c, x in zip(self.readers, trajectories, inputs, strict=True)])
        weights = np.array([_counts(r, c) for r, c in zip(self.readers, trajectories, strict=True)])
        known = present.any(axis=0)
        contribution = weights * points / np.where(known, sum_of(weights), 1.0)
        contribution[:, ~known] = 0.0
        return Scored(
            np.where(known, sum_of(contribution), np.nan),
            sum_of(present * np.array([[r.weight] for r in self.readers])) / self._whole,
            np.where(present, np.array(inputs), np.nan),
            points,
            contribution,
            present,
        )

    def bands(self, at: int | Ints, some: Ints | None = None, score: Floats | None = None) -> Bands:
        """Returns the bands, with hysteresis: within a strip around a border the band is that of the side on which the
        score was last outside of the strip. `score`: of the same instants, if it is known."""
        some = self._everybody() if some is None else some
        at = self._instants(at, some)
        score = self.score(at, some).score if score is None else score
        bands = self._plain(score)
        for number, border in enumerate(self.model.borders):
            low, high = border - self.model.hysteresis, border + self.model.hysteresis
            between = np.flatnonzero((score >= low) & (score < high))
            if not between.size or low == high:
                continue
            bounds = np.full(len(between), low), np.full(len(between), high)
            outside = self._last_outside(some[between], at[between], *bounds, np.ones(len(between), np.bool_))
            came = self.score(outside, some[between]).score
            # It had no score before: it began within the strip, on one side of the border.
            first = np.where(np.isnan(came), self.score(outside + 1, some[between]).score, came)
            bands[between] = number + (first >= border)
        return bands

    def next_change(self, at: int | Ints, bands: Bands, until: int | Ints, some: Ints | None = None) -> Ints:
        """Returns the first instant after `at`, and up to `until`, that is not in these bands any more; FAR if none
        is."""
        some = self._everybody() if some is None else some
        at, until = self._instants(at, some), self._instants(until, some)
        if not self.readers:  # a broken model: no score is known, nor will be
            return np.full(len(some), FAR)
        return first_outside(self.readers, some, at + 1, until, self._held(bands), bands >= 0)

    def moved(self, at: Ints, bands: Bands, some: Ints) -> Bands:
        """Returns the bands at instants that `next_change` gave, and no others, from those before."""
        return self._from(bands, self.score(at, some).score)

    def changes(self, starts_at: int | Ints, ends_at: int | Ints, some: Ints | None = None) -> Changes:
        """Returns all changes in `(starts_at, ends_at]`."""
        some = self._everybody() if some is None else some
        at, until = self._instants(starts_at, some), self._instants(ends_at, some)
        found = self.changes_from(self.bands(at, some), at, until, some)
        return found._replace(customer=some[found.customer])

    def changes_from(self, bands: Bands, starts_at: Ints, ends_at: Ints, some: Ints) -> Changes:
        """Returns the same from the bands at `starts_at`. `customer` is the index among `some`, which may name one
        twice."""
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

    def since(self, at: int | Ints, bands: Bands, some: Ints | None = None) -> Ints:
        """Returns since when they have been in their bands at these instants; these instants, if no score was ever
        known."""
        some = self._everybody() if some is None else some
        at = self._instants(at, some)
        # As long as a band lasts the score is within the bounds that keep it. There it may have begun in another one.
        left = self._last_outside(some, at, *self._held(bands), bands >= 0)
        found, now = left, self.bands(left, some)
        while (elsewhere := np.flatnonzero((now != bands) & (found != FAR))).size:
            next_ = self.next_change(found[elsewhere], now[elsewhere], at[elsewhere], some[elsewhere])
            found[elsewhere] = next_
            moved = elsewhere[next_ != FAR]
            now[moved] = self.moved(found[moved], now[moved], some[moved])
        return np.where(found == FAR, at, found)

    def bends(self, at: Ints, some: Ints) -> Ints:
        """Returns the last instant up to which the score is one straight or curved line from these instants on."""
        until = np.full(len(some), FAR)
        for reader in self.readers:
            until = np.minimum(until, reader.course(some, at).until)
        return until

    def _everybody(self) -> Ints:
        return np.arange(len(self.base))

    def _instants(self, at: int | Ints, some: Ints) -> Ints:
        return np.broadcast_to(np.asarray(at, np.int64), some.shape)

    def _points(self, reader: Reader, course: Trajectory, x: Floats) -> Floats:
        return np.where(course.present, reader.points(x), POINTS_OF_ABSENCE[reader.measure.absence])

    def _plain(self, score: Floats) -> Bands:
        bands = sum((score >= border).astype(np.int8) for border in self.model.borders)
        return np.where(np.isnan(score), NO_BAND, bands).astype(np.int8)

    def _held(self, bands: Bands) -> tuple[Floats, Floats]:
        """Returns the bounds of the scores between which a band is kept."""
        borders = np.array([-np.inf, *self.model.borders, np.inf])
        return borders[bands] - self.model.hysteresis, borders[bands + 1] + self.model.hysteresis

    def _from(self, bands: Bands, score: Floats) -> Bands:
        """Returns the bounds band by band: the score is beyond a border by the hysteresis."""
        h, now = self.model.hysteresis, bands.copy()
        for number in reversed(range(len(self.model.borders))):
            now[(now > number) & (score < self.model.borders[number] - h)] = number
        for number, border in enumerate(self.model.borders):
            now[(now == number) & (score >= border + h)] = number + 1
        plain = self._plain(score)
        return np.where((plain == NO_BAND) | (bands == NO_BAND), plain, now).astype(np.int8)

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

    def _begun(self, some: Ints) -> Ints:
        """Returns when the first event was; FAR for customers without one."""
        found = np.full(len(some), FAR)
        for reader in self.readers:
            series = reader.series
            found = np.minimum(found, series.time_at(series.first[some], some))
        return found

    def _last_outside(self, some: Ints, at: Ints, low: Floats, high: Floats, known: Bools) -> Ints:
        """Returns the last instant before `at` at which the score was not in `[low, high)`, or was known where it is
        not, or not where it is: before the first event it is unknown."""
        begun = self._begun(some)
        found = first_outside(self.readers, some, at - 1, begun, (low, high), known, backwards=True)
        return np.where(found == FAR, np.minimum(begun, at - 1), found)


def fault_of_model(model: HealthModel) -> str | None:
    """Returns why the model cannot score any customer, if so."""
    try:
        Scorer(model, CustomerBase([], [Series.of(0, Rows.none()) for _ in model.measures])).score(0)
    except Exception as error:  # noqa: BLE001 - a document of before may hold anything
        return f"The model cannot be computed: {type(error).__name__}: {error}"
    return None


def _nothing(customers: int) -> Scored:
    none = np.zeros((0, customers))
    return Scored(np.full(customers, np.nan), np.zeros(customers), none, none, none, none.astype(np.bool_))


def _counts(reader: Reader, course: Trajectory) -> Floats:
    """Returns the weight where it counts."""
    if reader.measure.absence is Absence.LEFT_OUT:
        return np.where(course.present, reader.weight, 0.0)
    return np.full(len(course.present), reader.weight)
