"""The fields of facts: a few have a column of their own, the others are in `state`."""

from typing import Any

from sqlalchemy import ColumnElement, FromClause

_COLUMNS = ("phase", "currency")


def field_of(table: FromClause, name: str) -> ColumnElement[Any]:
    """Returns the expression that reads a field as text."""
    has_column = name in _COLUMNS or "state" not in table.c
    return table.c[name] if has_column else table.c.state[name].astext
