"""The checklist of a task, and how it recurs."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from kith.errors import Invalid
from kith.scalars import Flag, Text, Whole
from kith.values import Value, filled

MOST_ITEMS = 50
MOST_NUMBER = 10_000
MOST_INTERVAL = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class ChecklistItem(Value):
    """One of the things that a task is made of."""

    item: Annotated[int, Whole(1, MOST_NUMBER)] = filled()
    """Its number: no other item of the task has it."""
    text: Text
    done: Flag = filled()


def numbered(sent: Sequence[ChecklistItem], before: Sequence[ChecklistItem] = ()) -> list[ChecklistItem]:
    """Returns the items with their numbers; one that says nothing of it is done if it was before. Raises Invalid for a
    number that two have."""
    known, given = {each.item: each.done for each in before}, set[int]()
    last = max((each.item for each in (*sent, *before) if each.item is not None), default=0)
    made = list[ChecklistItem]()
    for place, each in enumerate(sent):
        last += each.item is None
        number = last if each.item is None else each.item
        if number in given:
            raise Invalid(f"Another item has the number {number}.", field=f"checklist.{place}.item")
        if number > MOST_NUMBER:
            raise Invalid(f"An item has a number up to {MOST_NUMBER:,}.", field=f"checklist.{place}.item")
        given.add(number)
        made.append(replace(each, item=number, done=known.get(number, False) if each.done is None else each.done))
    return made


class Frequency(StrEnum):
    DAILY = "DAILY"
    WEEKLY = "WEEKLY"
    MONTHLY = "MONTHLY"
    YEARLY = "YEARLY"

    @property
    def most_days(self) -> int:
        return {Frequency.DAILY: 1, Frequency.WEEKLY: 7, Frequency.MONTHLY: 31, Frequency.YEARLY: 366}[self]


_NUMBER = re.compile("[1-9][0-9]{0,4}", re.ASCII)
_UNTIL = re.compile("[0-9]{8}(T[0-9]{6}Z)?", re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True)
class Recurrence:
    """A rule of RFC 5545: its parts FREQ, INTERVAL, and COUNT or UNTIL."""

    frequency: Frequency
    interval: int = 1
    count: int | None = None
    until: datetime | None = None

    @classmethod
    def of(cls, rule: str, zone: str) -> Self:
        """Parses `FREQ=MONTHLY;INTERVAL=2;COUNT=6`. Raises Invalid. A day, as in `UNTIL=20261231`, is the whole of it,
        in the zone."""
        parts = [part.partition("=")[::2] for part in rule.split(";")]
        found = dict(parts)
        if len(found) < len(parts) or not found.keys() <= {"FREQ", "INTERVAL", "COUNT", "UNTIL"}:
            raise _refused(
                "It has FREQ, and may have INTERVAL, and COUNT or UNTIL, each once, as in FREQ=WEEKLY;COUNT=6."
            )
        if found.get("FREQ") not in [*Frequency]:
            raise _refused(f"FREQ is one of {', '.join(Frequency)}.")
        if "COUNT" in found and "UNTIL" in found:
            raise _refused("It has COUNT or UNTIL, and not both.")
        return cls(
            frequency=Frequency(found["FREQ"]),
            interval=_number(found, "INTERVAL", MOST_INTERVAL) or 1,
            count=_number(found, "COUNT", MOST_NUMBER),
            until=_until(found["UNTIL"], zone) if "UNTIL" in found else None,
        )

    def occurrence(self, number: int, first: datetime, zone: str) -> datetime | None:
        """Returns the instant of an occurrence, counted from 1, of the first one: at the same time of the day there,
        and in a shorter month on its last day (RFC 7529: SKIP=BACKWARD). None: there is none."""
        if self.count is not None and number > self.count:
            return None
        try:
            at = self._local((number - 1) * self.interval, first.astimezone(ZoneInfo(zone)))
            # A time that the clocks pass over is meant by the offset before (RFC 5545, 3.3.5).
            instant = at.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC)
        except (OverflowError, ValueError):  # after the year 9999
            return None
        return None if self.until is not None and instant > self.until else instant

    def next_after(self, number: int, at: datetime, first: datetime, zone: str) -> tuple[int, datetime] | None:
        """Returns the occurrence that follows this one, by number and instant: the first after an instant, so that
        none is made up for that was passed over; or the last one, if the rule has ended by then. None: this one was the
        last."""
        skipped = max((at - first).days // (self.frequency.most_days * self.interval) - 1, 0)
        found = None
        following = number + 1
        if skipped > number and self.occurrence(skipped, first, zone) is not None:
            following = skipped
        while (instant := self.occurrence(following, first, zone)) is not None:
            found = following, instant
            if instant > at:
                break
            following += 1
        return found

    def _local(self, steps: int, first: datetime) -> datetime:
        naive = first.replace(tzinfo=None)
        if self.frequency in (Frequency.DAILY, Frequency.WEEKLY):
            return naive + timedelta(days=steps * self.frequency.most_days)
        months = naive.year * 12 + naive.month - 1 + steps * (12 if self.frequency is Frequency.YEARLY else 1)
        year, month = divmod(months, 12)
        for day in range(naive.day, naive.day - 4, -1):
            try:
                return naive.replace(year=year, month=month + 1, day=day)
            except ValueError:
                continue
        raise OverflowError


def _number(found: dict[str, str], name: str, most: int) -> int | None:
    if name not in found:
        return None
    if not _NUMBER.fullmatch(found[name]) or int(found[name]) > most:
        raise _refused(f"{name} is a whole number from 1 to {most:,}.")
    return int(found[name])


def _until(said: str, zone: str) -> datetime:
    try:
        if _UNTIL.fullmatch(said) and "T" in said:
            return datetime.strptime(said, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if _UNTIL.fullmatch(said):
            day = datetime.strptime(said, "%Y%m%d")  # noqa: DTZ007 - it gets its zone below
            return (day + timedelta(days=1)).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) - timedelta(microseconds=1)
    except (ValueError, OverflowError):
        pass
    raise _refused("UNTIL is a day or an instant of UTC, as in 20261231 or 20261231T120000Z.")


def _refused(rule: str) -> Invalid:
    return Invalid(rule, field="recurrence")
