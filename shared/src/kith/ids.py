"""Ids are UUIDv7, made in the application: sortable by time, so that indexes grow at one end."""

from datetime import UTC, datetime
from uuid import UUID

from uuid_utils.compat import uuid7

__all__ = ["new_id", "uuid7_floor"]


def new_id() -> UUID:
    return uuid7()


def uuid7_floor(moment: datetime) -> UUID:
    """The smallest UUIDv7 of that millisecond: the bound of a time partition over ids."""
    milliseconds = int(moment.astimezone(UTC).timestamp() * 1000)
    return UUID(int=(milliseconds << 80) | (0x7 << 76) | (0b10 << 62))
