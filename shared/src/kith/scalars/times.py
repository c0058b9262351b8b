"""Instants and days."""

import re
from datetime import UTC, date, datetime
from typing import Any, ClassVar

from pydantic_core import CoreSchema, core_schema

from kith.scalars.scalar import Scalar, refuse

EARLIEST, LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
"""Of all instants. Far enough from where calendars end that any zone, window and grain can be reckoned from them."""
_OFFSET = r"(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])"
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?" + _OFFSET, re.ASCII)
_INSTANT_RULE = "It is an instant of ISO 8601 with its zone, as in 2026-01-31T12:00:00Z or 2026-01-31T13:00:00+01:00."
BETWEEN = f"An instant lies between the years {EARLIEST.year} and {LATEST.year}."


def is_in_use(at: datetime) -> bool:
    """Whether it is an instant that calendars in use reach; without a zone it is none at all."""
    return at.tzinfo is not None and EARLIEST <= at <= LATEST


class InstantScalar(Scalar):
    json_schema: ClassVar = {"type": "string", "format": "date-time"}

    def read(self, sent: Any) -> datetime:
        at = sent
        if isinstance(sent, str):
            if not _INSTANT.fullmatch(sent):
                refuse(_INSTANT_RULE)
            try:
                at = datetime.fromisoformat(sent)
            except ValueError:  # there is no such day, or no such hour
                refuse(_INSTANT_RULE)
        if not isinstance(at, datetime) or at.tzinfo is None:
            refuse(_INSTANT_RULE)
        if not is_in_use(at):
            refuse(BETWEEN)
        # As it is kept: the same instant, however it was spelt, is the same to all that compares.
        return at.astimezone(UTC)

    def kept(self) -> CoreSchema:
        return core_schema.datetime_schema(strict=True)


_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_DAY_RULE = "It is a day of ISO 8601, as in 2026-01-31."


class DayScalar(Scalar):
    json_schema: ClassVar = {"type": "string", "format": "date"}

    def read(self, sent: Any) -> date:
        day = sent
        if isinstance(sent, str):
            if not _DAY.fullmatch(sent):
                refuse(_DAY_RULE)
            try:
                day = date.fromisoformat(sent)
            except ValueError:
                refuse(_DAY_RULE)
        if not isinstance(day, date) or isinstance(day, datetime):
            refuse(_DAY_RULE)
        if not EARLIEST.date() <= day <= LATEST.date():
            refuse(f"A day lies between the years {EARLIEST.year} and {LATEST.year}.")
        return day

    def kept(self) -> CoreSchema:
        return core_schema.date_schema(strict=True)
