"""Facts in the binary form in which PostgreSQL sends them, a column at a time, and their conversion to a base. Readers
pass them on unparsed, so that they are parsed off the event loop."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

import numpy as np

from analytics.health.engine.base import FAR, MISSING, Bools, CustomerBase, Ids, Ints, Rows, Series

_EPOCH = 946_684_800_000_000
"""PostgreSQL's epoch, in microseconds since 1970."""
_NEVER = np.int64(-(2**63))
"""PostgreSQL's `-infinity`, which also stands for a missing value."""
_FIRST = np.int64(-62_135_596_800_000_000)
"""The beginning of the year 1: the lower bound to which all instants are clipped, whatever an old event says."""


class Sent(NamedTuple):
    """Columns of one select, in bytes: their rows correspond."""

    customer: bytes
    time: bytes
    end: bytes
    value: bytes
    event: bytes
    kind: str
    """The kind of the values: `count`, `amount` or `time`."""

    def rows(self, ids: Ids) -> Rows:
        """Returns the rows of these customers, in order of the ids."""
        owners = np.frombuffer(self.customer, "S16")
        indexes = np.minimum(np.searchsorted(ids, owners), max(len(ids) - 1, 0))
        mine = ids[indexes] == owners if len(ids) else np.zeros(0, np.bool_)
        amount = None
        if self.kind == "amount":
            amount = np.frombuffer(self.value, ">f8").astype(np.float64)[mine]
            value = np.where(np.isnan(amount), MISSING, 0)
        else:
            value = _instants(self.value, mine) if self.kind == "time" else _integers(self.value)[mine]
        event = np.frombuffer(self.event, "S16")[mine]
        times = np.maximum(_instants(self.time, mine), _FIRST)
        return Rows(indexes[mine].astype(np.int64), times, _instants(self.end, mine), value, event, amount)


@dataclass(frozen=True)
class Unread:
    """The bases of some models over the same customers, not parsed yet."""

    customers: Sequence[UUID]
    """In order of their ids."""
    read: Sequence[Sent]
    of_models: Sequence[Sequence[int]]
    """For each model and each of its measures: the index in `read` of what it reads."""
    cases: Sequence[int | None]
    """For each model, the index in `read` of all cases."""

    def bases(self) -> list[CustomerBase]:
        ids = np.array([each.bytes for each in self.customers], "S16")
        series = [Series.of(len(ids), each.rows(ids)) for each in self.read]
        return [
            CustomerBase(self.customers, [series[index] for index in indexes], None if cases is None else series[cases])
            for indexes, cases in zip(self.of_models, self.cases, strict=True)
        ]


def _integers(sent: bytes) -> Ints:
    return np.frombuffer(sent, ">i8").astype(np.int64)


def _instants(sent: bytes, mine: Bools) -> Ints:
    since_2000 = _integers(sent)[mine]
    times = np.minimum(since_2000, FAR - _EPOCH) + _EPOCH
    return np.where(since_2000 == _NEVER, MISSING, np.where(since_2000 >= FAR - _EPOCH, FAR, times))
