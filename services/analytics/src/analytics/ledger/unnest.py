"""Rows as parameters of a statement: an array for each column, together a table `t`.

How the arrays are passed is a large part of the cost of a fold. The driver encodes a list value by value, and checks
each for being a list itself; moments, numbers and names that recur are cheaper as one text, which PostgreSQL parses.
Each array stands in a subquery, which the planner does not look into: it would parse the text a second time, and
expecting thousands of rows it would rather scan a whole table than look each one up.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

_encode = msgspec.json.Encoder().encode


class UnnestParams:
    """The parameters of such a table: `UnnestParams(tenant_id="name", subject="uuid")`; types are those of `_TYPES`."""

    def __init__(self, **columns: str) -> None:
        self._types = [_TYPES[each] for each in columns.values()]
        arrays = (f"(SELECT ${number}::{type.sql})" for number, type in enumerate(self._types, 1))
        self.sql = f"unnest({', '.join(arrays)}) AS t({', '.join(columns)})"

    def __len__(self) -> int:
        return len(self._types)

    def values(self, *columns: Iterable[Any]) -> tuple[Any, ...]:
        """The parameters $1, $2 and so on."""
        return tuple(type.encode(column) for type, column in zip(self._types, columns, strict=True))


def _plain(values: Iterable[Any]) -> str:
    return f"{{{_encode(list(values))[1:-1].decode()}}}"  # JSON's array, in other brackets


def _names(values: Iterable[str | None]) -> str:
    return f"{{{','.join(map(_quoted, values))}}}"


@lru_cache(4096)
def _quoted(text: str | None) -> str:
    if text is None:
        return "NULL"
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class _Type(NamedTuple):
    sql: str
    encode: Callable[[Iterable[Any]], Any]


_TYPES = {
    "uuid": _Type("uuid[]", list),
    "text": _Type("text[]", list),
    "name": _Type("text::text[]", _names),
    "int": _Type("text::int[]", _plain),
    "number": _Type("text::float8[]", _plain),
    "timestamptz": _Type("text::timestamptz[]", _plain),
}
"""The types of columns; a `name` is a text that recurs."""
