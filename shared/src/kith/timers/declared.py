"""What the form of a noun says of its timers, and the rows that follow from a record."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import Table

from kith.nouns.aggregate import Aggregate
from kith.timers.table import TIMERS


@dataclass(frozen=True)
class Timer:
    """A command that a record is given when an instant comes: `Timer("expire", at="expires_at")`."""

    command: str
    """It needs no field: nobody fills them in."""
    at: str
    """The attribute of the aggregate that says when; None: not, or not any more. A property of what the record is, as a
    rule: a task that is done has nothing to be reminded of. Whatever changes it moves the timer, or ends it."""


@dataclass(frozen=True)
class RunningTimers:
    """Those of a noun's records: a side table (kith.nouns.side_tables)."""

    noun: str
    timers: tuple[Timer, ...]
    table: Table = TIMERS
    version: int = 1

    @cached_property
    def fields(self) -> frozenset[str]:
        return frozenset(each.at for each in self.timers)

    def rows(self, record: Aggregate) -> Iterator[Mapping[str, Any]]:
        for timer in self.timers:
            if (due := getattr(record, timer.at)) is not None:
                of_it = {"command": timer.command, "noun": self.noun, "due_at": due}
                yield of_it | {"next_at": due, "failures": 0}
