"""Pages of a list, and the cursors between them."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

import msgspec

from kith.errors import Invalid

T = TypeVar("T")

DEFAULT_PAGE, MAX_PAGE = 50, 500
MOST_COUNTED = 10_000
"""The rows of a list are counted up to here."""
NO_CURSOR = "It is not a cursor of this list."


class Page(NamedTuple, Generic[T]):
    rows: list[T]
    next: str | None
    """The cursor of the next page, if there is one."""
    cursor_of: Callable[[int], str] | None = None
    """Returns the cursor of a row by its number in the page, where the list has such."""


@dataclass(slots=True)
class Total:
    """How many rows all pages have. They are counted up to a limit: if it is not exact, there are more."""

    count: int
    is_exact: bool


def total_of(counted: int) -> Total:
    return Total(min(counted, MOST_COUNTED), is_exact=counted <= MOST_COUNTED)


class Position(msgspec.Struct, array_like=True, frozen=True):
    """The last row of a page, newest first, after which the next one continues."""

    at: datetime
    id: UUID

    def cursor(self) -> str:
        return encoded(self)

    @classmethod
    def of(cls, cursor: str) -> "Position":
        try:
            found = msgspec.json.decode(decoded(cursor), type=cls)
        except (ValueError, msgspec.DecodeError) as error:
            raise Invalid(NO_CURSOR, field="after") from error
        return cls(of_any_year(found.at), found.id)


def encoded(keys: Any) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(keys)).decode().rstrip("=")


def decoded(cursor: str) -> bytes:
    """Returns the content of a cursor. Raises ValueError for a malformed one."""
    return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)


def of_any_year(at: datetime) -> datetime:
    """Returns the instant of a cursor, in UTC. It is a row's, which may have been stored before inputs had bounds: the
    driver returns -infinity and infinity without a time zone. Raises Invalid for one that is in another zone."""
    if at.utcoffset() not in (None, timedelta(0)):
        raise Invalid(NO_CURSOR, field="after")
    return at.replace(tzinfo=UTC)
