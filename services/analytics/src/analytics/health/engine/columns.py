"""Facts as PostgreSQL sends them, a column at a time, and how they become a base: whoever reads them hands them on as
they came, so that they are made sense of beside the event loop."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

import numpy as np

from analytics.health.engine.base import FAR, MISSING, Bools, CustomerBase, Ids, Ints, Rows, Series

_EPOCH = 946_684_800_000_000
"""From where PostgreSQL counts, in microseconds since 1970."""
_NEVER = np.int64(-(2**63))
"""How it sends `-infinity`, which stands for nothing, too."""
_FIRST = np.int64(-62_135_596_800_000_000)
"""The beginning of the year 1: nothing is earlier, whatever an old event says."""


class Sent(NamedTuple):
    """A column each, in the same order, in bytes."""

    customer: bytes
    time: bytes
    end: bytes
    value: bytes
    event: bytes
    kind: str
    """What the values are: `count`, `amount` or `time`."""

    def rows(self, ids: Ids) -> Rows:
        """Of these customers, in order of the ids."""
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
    """Bases of some models, over the same customers."""

    customers: Sequence[UUID]
    """In order of their ids."""
    read: Sequence[Sent]
    of_models: Sequence[Sequence[int]]
    """Of each model, for each of its measures: the index of what it reads in `read`."""
    cases: Sequence[int | None]
    """Of each model, the index of all cases."""

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
