"""Tenants take turns at what a task of a worker does: neither what one has piled up nor what fails of its keeps others
waiting."""

from sqlalchemy import Select, func, select
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
