"""Removes the values of custom fields that were removed, in the background, some pages of the records at a time."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, Table, Text, Uuid, any_, cast, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from kith.custom.known import TRUSTED_SECONDS
from kith.custom.tables import DEFINITIONS, ENTRIES
from kith.nouns.resource import Resource
from kith.runtime.tasks import Task

PAGE = 1000


class _Removed(NamedTuple):
    tenant: str
    id: UUID
    of_noun: str
    code: str
    held_in: str


def sweeping(resources: Sequence[Resource], *, wait: float = 5 * TRUSTED_SECONDS) -> Task:
    """Returns the task of a service with these nouns. It begins to remove values `wait` seconds after it has seen that
    a field is removed: no process writes them any more then."""
    return Task("custom fields", Sweep(resources, wait).step, seconds=2)


class Sweep:
    def __init__(self, resources: Sequence[Resource], wait: float) -> None:
        self._tables: Mapping[str, Table] = {each.name: each.table for each in resources if each.is_customisable}
        self._wait = wait
        self._seen: dict[UUID, float] = {}

    async def step(self, engine: AsyncEngine) -> bool:
        """Removes the values of one field. Returns whether there is another."""
        due = await self._due(engine)
        if due:
            await self._sweep(engine, due[0])
            self._seen.pop(due[0].id, None)
        return len(due) > 1

    async def _due(self, engine: AsyncEngine) -> list[_Removed]:
        c, now = DEFINITIONS.c, time.monotonic()
        rows = (
            select(c.tenant_id, c.id, c.of_noun, c.code, c.personal)
            .where(c.removed_at.is_not(None), c.swept_at.is_(None))
            .order_by(c.removed_at)
            .limit(PAGE)
        )
        async with engine.connect() as connection:
            found = (await connection.execute(rows)).all()
        due = []
        for row in found:
            if now - self._seen.setdefault(row.id, now) >= self._wait:
                held = "custom_personal" if row.personal else "custom"
                due.append(_Removed(row.tenant_id, row.id, row.of_noun, row.code, held))
        return due

    async def _sweep(self, engine: AsyncEngine, field: _Removed) -> None:
        # Contacts has the definitions of all nouns, and others have the records of some.
        if (table := self._tables.get(field.of_noun)) is not None:
            await self._take_out(engine, field, table)
        c = DEFINITIONS.c
        swept = update(DEFINITIONS).where(c.tenant_id == field.tenant, c.id == field.id).values(swept_at=func.now())
        async with engine.begin() as connection:
            await connection.execute(swept)

    async def _take_out(self, engine: AsyncEngine, field: _Removed, table: Table) -> None:
        code, after = cast(field.code, Text), UUID(int=0)
        held: Any = table.c[field.held_in]
        while True:
            page = (
                select(table.c.id)
                .where(table.c.tenant_id == field.tenant, table.c.id > after)
                .order_by(table.c.id)
                .limit(PAGE)
            )
            async with engine.begin() as connection:
                ids = list((await connection.execute(page)).scalars())
                if not ids:
                    break
                await connection.execute(
                    update(table)
                    .where(table.c.tenant_id == field.tenant, table.c.id == any_(cast(ids, ARRAY(Uuid))))
                    .where(held.op("?")(code))
                    .values({held.name: held.op("-")(code)})
                )
                await connection.execute(
                    delete(ENTRIES)
                    .where(ENTRIES.c.tenant_id == field.tenant, ENTRIES.c.record_id == any_(cast(ids, ARRAY(Uuid))))
                    .where(ENTRIES.c.field_id == field.id)
                )
            after = ids[-1]
