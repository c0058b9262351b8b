"""The lines of orders that the rules of a request are given: those of which something is returned."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CTE,
    TEXT,
    ColumnElement,
    Integer,
    Numeric,
    Table,
    Uuid,
    any_,
    cast,
    column,
    func,
    select,
    true,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.db.statements import streamed
from kith.nouns.aggregate import Aggregate
from kith.nouns.inputs import Input
from kith.nouns.resource import Attempt
from sales.orders.form import orders
from sales.orders.rules import OrderedLine
from sales.returns.rules import Return


@dataclass(frozen=True)
class Ordered:
    lines: Mapping[UUID | None, Mapping[int, OrderedLine]]
    """By the order."""

    def arguments(self, given: Input) -> Mapping[str, Any]:
        order: UUID | None = getattr(given, "order_id", None)
        return {"ordered": self.lines.get(order)}

    def accepted(self, _: Input, record: Aggregate) -> None:
        assert isinstance(record, Return)
        for each in record.lines:
            self.lines[record.order_id][each.line].taken += each.quantity

    async def flush(self) -> None:
        """Nothing follows."""


async def ordered_lines(connection: AsyncConnection, tenant: str, returns: Table, asked: Sequence[Attempt]) -> Ordered:
    """Returns the lines that are named, of orders that are locked already: a form's checks come first."""
    found: dict[UUID | None, dict[int, OrderedLine]] = {}
    lines = {
        (order, each.line)
        for given, _ in asked
        if (order := getattr(given, "order_id", None))
        for each in getattr(given, "lines", ())
    }
    if not lines:
        return Ordered(found)
    wanted = cast([order for order, _ in lines], ARRAY(Uuid))
    named = (
        func.unnest(wanted, cast([line for _, line in lines], ARRAY(Integer)))
        .table_valued(column("order_id", Uuid), column("line", Integer))
        .render_derived("named")
    )

    def those_named(table: Table, order_id: ColumnElement[UUID]) -> tuple[Any, ColumnElement[bool]]:
        of_it = _lines_of(table, order_id, (table.c.tenant_id == tenant) & (order_id == any_(wanted)))
        return of_it.c, (of_it.c.order_id == named.c.order_id) & (of_it.c.line == named.c.line)

    of_order, are_named = those_named(orders, orders.c.id)
    async for row in streamed(connection, select(*of_order).join(named, are_named), most=len(lines)):
        of_it = OrderedLine(row.quantity, row.amount, row.product_id, row.family)
        found.setdefault(row.order_id, {})[row.line] = of_it
    of_return, are_named = those_named(returns, returns.c.order_id)
    given_back = (
        select(of_return.order_id, of_return.line, func.sum(of_return.quantity).label("quantity"))
        .join(named, are_named)
        .group_by(of_return.order_id, of_return.line)
    )
    async for row in streamed(connection, given_back, most=len(lines)):
        found[row.order_id][row.line].taken = row.quantity
    return Ordered(found)


def _lines_of(table: Table, order_id: ColumnElement[UUID], where: ColumnElement[bool]) -> CTE:
    """Selects the lines of rows of a table, with the order that they are of. Each row is taken apart once."""
    kept = (("line", Integer), ("quantity", Numeric), ("amount", Numeric), ("product_id", Uuid), ("family", TEXT))
    parts = func.jsonb_to_recordset(table.c.lines).table_valued(*(column(name, kind) for name, kind in kept))
    line = parts.render_derived("line", with_types=True)
    rows = select(order_id.label("order_id"), *line.c).select_from(table.join(line, true())).where(where)
    return rows.cte(f"lines_of_{table.name}").prefix_with("MATERIALIZED")
