"""The lines of facts: an order's event carries them, and each stands for itself here, with the fields of its fact."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Numeric,
    case,
    cast,
    func,
    literal_column,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.selectable import LateralFromClause

from analytics.projections.tables import facts

_NONE = literal_column("'[]'::jsonb", JSONB)
NUMBER = r"^[0-9]{1,15}(\.[0-9]{1,6})?$"


def lines_of(tenant: str, types: Collection[str], *where: ColumnElement[bool]) -> FromClause:
    """Selects the lines of a tenant's facts as rows of `facts`, whose `state` has the fields of the line over those of
    the event, and whose amount is the line's. What is no list has no lines, and what is no number is none."""
    f, line = facts.c, opened()
    said: Any = cast(line.c.value, JSONB)
    own = func.jsonb_build_object(
        *("product_id", said["product_id"], "family", said["family"], "quantity", number_in(said["quantity"].astext)),
        *("unit_price", number_in(said["unit_price"].astext)),
        type_=JSONB,
    )
    kept = (each for each in f if each.name not in ("amount", "state"))
    return (
        select(
            *kept,
            f.state.op("||", return_type=JSONB)(own).label("state"),
            number_in(said["amount"].astext).label("amount"),
        )
        .select_from(facts.join(line, true()))
        .where(f.tenant_id == tenant, f.type.in_(types), func.jsonb_typeof(said) == "object", *where)
        .subquery("lines")
    )


def opened() -> LateralFromClause:
    """What a fact is joined with, for a row of each of its lines. What is no list has none."""
    held = facts.c.state["lines"]
    listed = case((func.jsonb_typeof(held) == "array", held), else_=_NONE)
    return func.jsonb_array_elements(listed).table_valued("value").render_derived().lateral("line")


def number_in(text: ColumnElement[str]) -> ColumnElement[Any]:
    """Returns the number that a text is; null if it is none that a record can hold."""
    return case((text.regexp_match(NUMBER), cast(text, Numeric)))
