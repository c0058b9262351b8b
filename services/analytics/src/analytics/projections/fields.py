"""The fields of facts: a few have a column of their own, the others are in `state`."""

from typing import Any

from sqlalchemy import ColumnElement, FromClause, case, func

_COLUMNS = ("phase", "currency")
_OF_BEFORE = {
    "forecast_category": {
        "prospecting": "pipeline",
        "engaging": "pipeline",
        "proposing": "best_case",
        "negotiating": "commit",
    }
}
"""What events from before had no field for: it followed from the phase."""


def field_of(table: FromClause, name: str) -> ColumnElement[Any]:
    """Returns the expression that reads a field as text."""
    has_column = name in _COLUMNS or "state" not in table.c
    said: ColumnElement[Any] = table.c[name] if has_column else table.c.state[name].astext
    by_phase = _OF_BEFORE.get(name)
    return said if by_phase is None else func.coalesce(said, case(by_phase, value=table.c.phase))
