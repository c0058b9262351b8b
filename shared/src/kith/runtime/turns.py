"""Tenants take turns at what a task of a worker does: neither what one has piled up nor what fails of its keeps others
waiting."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, func, lateral, select, true
from sqlalchemy.ext.asyncio import AsyncConnection


class Turns:
    """Of one task in one process. `due` selects the tenants that have something due, as `tenant_id`."""

    def __init__(self, due: Select[tuple[str]]) -> None:
        self._tenant = due.subquery().c.tenant_id
        self._last = ""

    async def next(self, connection: AsyncConnection) -> str | None:
        """Returns the tenant whose turn it is, if any. The turn is over even if what follows fails."""
        first = select(func.min(self._tenant))
        found: str | None = await connection.scalar(first.where(self._tenant > self._last))
        if found is None and self._last:
            found = await connection.scalar(first)
        self._last = found or ""
        return found


def due_of_each_tenant(
    table: Table,
    names: Sequence[str],
    *,
    most: int,
    then: Sequence[str] = (),
    where: Sequence[ColumnElement[bool]] = (),
) -> Select[Any]:
    """Selects these columns of what is due by `next_at`, so many rows of each tenant, the oldest ones. From tenant to
    tenant by an index of (tenant_id, next_at): one with a million is one step. By tenant, `then` by these columns."""
    c, has_time = table.c, table.c.next_at.is_not(None)
    first = select(c.tenant_id).where(has_time).order_by(c.tenant_id).limit(1).subquery()
    tenants = select(first.c.tenant_id).cte("tenants", recursive=True)
    after = (
        select(c.tenant_id)
        .where(c.tenant_id > tenants.c.tenant_id, has_time)
        .order_by(c.tenant_id)
        .limit(1)
        .correlate(tenants)
        .scalar_subquery()
    )
    tenants = tenants.union_all(select(after).where(tenants.c.tenant_id.is_not(None)))
    of_tenant = lateral(
        select(*(c[name] for name in names), c.next_at)
        .where(c.tenant_id == tenants.c.tenant_id, c.next_at <= func.now(), *where)
        .order_by(c.next_at)
        .limit(most)
    )
    found = of_tenant.c
    return (
        select(*(found[name] for name in names))
        .select_from(tenants.join(of_tenant, true()))
        .order_by(found.tenant_id, *(found[name] for name in then), found.next_at)
    )
