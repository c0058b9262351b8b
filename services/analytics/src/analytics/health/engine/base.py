"""The facts of some customers, in columns: the input of the scoring."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from kith.errors import Invalid

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Ids = NDArray[np.bytes_]

FAR = np.int64(2**62)
"""Later than any instant; its negative is earlier than any."""
UNITS = 1_000_000
"""Sums are of whole numbers of millionths: exact, in any order, over any customers."""
LARGEST = 1e18
"""The bound to which an amount is clipped in a sum. A record holds a hundredth of it; 40,000 can be added."""
_LIMB = 2.0**32
MISSING = np.int64(-(2**63))
"""Marks an event that has no such value."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FEW = 12


def micros(moment: datetime) -> int:
    """Returns an instant in microseconds since 1970. Raises Invalid for one outside the supported calendar."""
    if not 1900 <= moment.year <= 2200:
        raise Invalid("An instant lies between the years 1900 and 2200.", field="at")
    return to_micros(moment)


def to_micros(moment: datetime) -> int:
    """Returns a stored instant, of any year, in microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(at: int) -> datetime:
    return _EPOCH + timedelta(microseconds=int(at))


class Rows(NamedTuple):
    """Events as they are read, in any order."""

    customer: Ints
    """The customer's index among those of the base."""
    time: Ints
    end: Ints
    """When the event ceases to count, or its aggregate leaves that state; FAR if it has not."""
    value: Ints
    """In millionths if it is an amount; else a number that stands for a category."""
    event: Ids
    amount: Floats | None = None
    """The amounts themselves, where they are not the values; NaN where there is none."""

    @classmethod
    def none(cls) -> "Rows":
        nothing = np.zeros(0, np.int64)
        return cls(nothing, nothing, nothing, nothing, np.zeros(0, "S16"))


@dataclass(frozen=True)
class Series:
    """Events by customer, then time: those of customer i are `first[i]` to `first[i + 1]`."""

    first: Ints
    time: Ints
    end: Ints
    value: Ints
    event: Ids
    given: Floats | None = None

    @classmethod
    def of(cls, customers: int, rows: Rows) -> "Series":
        order = np.lexsort((rows.event, rows.time, rows.customer))
        counts = np.bincount(rows.customer, minlength=customers)
        first = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
        given = None if rows.amount is None else rows.amount[order]
        return cls(first, rows.time[order], rows.end[order], rows.value[order], rows.event[order], given)

    @cached_property
    def customer(self) -> Ints:
        return np.repeat(np.arange(len(self.first) - 1), np.diff(self.first))

    @cached_property
    def amount(self) -> Floats:
        """Returns the amounts; NaN where there is none."""
        return np.where(self.value == MISSING, np.nan, self.value / UNITS) if self.given is None else self.given

    @cached_property
    def summed(self) -> Floats:
        """Returns the amounts as they enter a sum."""
        return np.clip(np.nan_to_num(self.amount, nan=0.0), -LARGEST, LARGEST)

    @cached_property
    def _totals(self) -> tuple[Ints, Ints]:
        """Returns cumulative sums from the very first event on, in two limbs: a double has too few digits for sums over
        all customers, and 64 bits are too few for the largest amounts. An overflow does no harm: differences are
        right."""
        millionths = np.rint(self.summed * UNITS)
        high = np.floor(millionths / _LIMB)
        limbs = high, millionths - high * _LIMB
        sums = (np.concatenate((np.zeros(1, np.int64), np.cumsum(each.astype(np.int64)))) for each in limbs)
        return next(sums), next(sums)

    def sum(self, start: Ints, end: Ints) -> Floats:
        """Returns the sums of the events from one index to before another."""
        high, low = self._totals
        return ((high[end] - high[start]) * _LIMB + (low[end] - low[start])) / UNITS

    @cached_property
    def ends(self) -> "Series":
        """Returns the same events, ordered by when they end."""
        order = np.lexsort((self.end, self.customer))
        return Series(self.first, self.end[order], self.time[order], self.value[order], self.event[order])

    @cached_property
    def next_same(self) -> Ints:
        """Returns when the customer's next event with the same value was."""
        order = np.lexsort((np.arange(len(self.time)), self.value, self.customer))
        found = np.full(len(self.time), FAR)
        same = (self.customer[order][1:] == self.customer[order][:-1]) & (
            self.value[order][1:] == self.value[order][:-1]
        )
        found[order[:-1][same]] = self.time[order[1:][same]]
        return found

    def where(self, some: Bools) -> "Series":
        counts = np.bincount(self.customer[some], minlength=len(self.first) - 1)
        first = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
        return Series(first, self.time[some], self.end[some], self.value[some], self.event[some])

    def faded(self, half_life: float, *, count: bool) -> Floats:
        """Returns at each event the sum of the values up to and including it, each halved for every half-life since."""
        value = np.ones(len(self.time)) if count else self.summed
        found = value.copy()
        # The k-th events of all customers at once: each one's sum follows from the previous one.
        index = np.arange(len(self.time)) - self.first[self.customer]
        by_place = np.argsort(index, kind="stable")
        borders = np.cumsum(np.bincount(index)) if len(index) else np.zeros(0, np.int64)
        for start, end in pairwise(borders):
            at = by_place[start:end]
            found[at] += found[at - 1] * np.exp2(-(self.time[at] - self.time[at - 1]) / half_life)
        return found

    def before(self, some: Ints, at: Ints) -> Ints:
        """Returns for each of these customers the index of its first event at or after the instant."""
        low, high = self.first[some], self.first[some + 1]
        if len(some) <= _FEW:
            pairs = zip(low.tolist(), high.tolist(), at.tolist(), strict=True)
            return np.array([a + self.time[a:b].searchsorted(t) for a, b, t in pairs], np.int64)
        open_ = np.flatnonzero(low < high)
        found = low.copy()
        low, high, at = low[open_], high[open_], at[open_]
        while open_.size:
            middle = (low + high) >> 1
            earlier = self.time[middle] < at
            low, high = np.where(earlier, middle + 1, low), np.where(earlier, high, middle)
            done = low >= high
            if done.any():
                found[open_[done]] = low[done]
                open_, low, high, at = open_[~done], low[~done], high[~done], at[~done]
        return found

    def time_at(self, index: Ints, customers: Ints) -> Ints:
        """Returns when the event at that index was; FAR past the customer's last one."""
        return self._at(self.time, index, index < self.first[customers + 1], FAR)

    def time_before(self, index: Ints, customers: Ints) -> Ints:
        """Returns when the event before that index was; -FAR if it is the customer's first event."""
        return self._at(self.time, index - 1, index > self.first[customers], -FAR)

    @staticmethod
    def _at(column: Ints, index: Ints, there: Bools, otherwise: np.int64) -> Ints:
        if there.all():
            return column[index]
        found = np.full(len(index), otherwise)
        found[there] = column[index[there]]
        return found


@dataclass(frozen=True)
class CustomerBase:
    """Some customers, and per measure of one model their events."""

    customers: Sequence[UUID]
    series: Sequence[Series]
    cases: Series | None = None
    """All cases, if the model has acts on cases to evaluate (see inputs.looks_at_cases)."""

    def __len__(self) -> int:
        return len(self.customers)
