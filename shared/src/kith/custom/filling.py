"""Makes the entries of fields by which lists were not filtered when records had values of them already: in the
background, some records at a time. Until all are made, lists are not filtered by such a field."""

import time
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Table, Text, Uuid, any_, cast, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kith.custom.entries import entries_of
from kith.custom.field import CustomField
from kith.custom.known import TRUSTED_SECONDS
from kith.custom.tables import DEFINITIONS, ENTRIES
from kith.db.removed import TABLE as REMOVED
from kith.db.statements import insert_many
from kith.nouns.resource import Resource
from kith.runtime.tasks import Task
from kith.runtime.telemetry import log
from kith.runtime.turns import Turns

AT_A_TIME = 1000
"""Records that a transaction makes entries of; those that have a value are locked meanwhile."""


def making_entries(resources: Sequence[Resource], *, wait: float = 5 * TRUSTED_SECONDS) -> Task:
    """Returns the task of a service with these nouns. It begins `wait` seconds after it has seen that lists are to be
    filtered by a field: every process makes the entries of what it writes then."""
    return Task("custom entries", Filling(resources, wait).step, seconds=2)


class Filling:
    def __init__(self, resources: Sequence[Resource], wait: float) -> None:
        self._tables: Mapping[str, Table] = {each.name: each.table for each in resources if each.is_customisable}
        self._wait = wait
        self._seen: dict[UUID, float] = {}
        c = DEFINITIONS.c
        removed = select(REMOVED.c.tenant_id).where(REMOVED.c.readmitted_at.is_(None))
        self._due = (
            c.entries_after.is_not(None),
            c.removed_at.is_(None),
            c.of_noun.in_(self._tables),
            c.tenant_id.not_in(removed),
        )
        self._turns = Turns(select(c.tenant_id).where(*self._due))

    async def step(self, engine: AsyncEngine) -> bool:
        """Makes the entries of some records. Returns whether there may be more to do."""
        c = DEFINITIONS.c
        async with engine.begin() as connection:
            if (tenant := await self._turns.next(connection)) is None:
                return False
            rows = select(DEFINITIONS).where(c.tenant_id == tenant, *self._due).order_by(c.id).limit(1)
            found = (await connection.execute(rows.with_for_update(skip_locked=True, key_share=True))).one_or_none()
            if found is None:  # another worker is at it
                return False
            now = time.monotonic()
            if now - self._seen.setdefault(found.id, now) < self._wait:
                return False
            await self._some(connection, tenant, found)
        return True

    async def _some(self, connection: AsyncConnection, tenant: str, row: Any) -> None:
        field, table = CustomField.of(SimpleNamespace(**row._asdict())), self._tables[row.of_noun]
        page = select(table.c.id).where(table.c.tenant_id == tenant, table.c.id > row.entries_after)
        ids = list(await connection.scalars(page.order_by(table.c.id).limit(AT_A_TIME)))
        held, them = table.c[field.held_in], cast(ids, ARRAY(Uuid))
        has_it = held.op("?")(cast(field.code, Text))
        # In the order of their ids, like all writes, so that no two transactions deadlock.
        records = select(table.c.id, held.label("values")).where(table.c.tenant_id == tenant, table.c.id == any_(them))
        records = records.where(has_it).order_by(table.c.id).with_for_update(key_share=True)
        found = (await connection.execute(records)).all()
        e, c = ENTRIES.c, DEFINITIONS.c
        of_them = (e.tenant_id == tenant, e.record_id == any_(them), e.field_id == field.id)
        await connection.execute(delete(ENTRIES).where(*of_them))
        values = ((each.id, each.values[field.code]) for each in found)
        rows = [entry for id, value in values for entry in entries_of(tenant, id, field, value)]
        await insert_many(connection, ENTRIES, rows)
        is_done, made = len(ids) < AT_A_TIME, (row.entries_made or 0) + len(ids)
        reached = {"entries_after": None if is_done else ids[-1], "entries_made": made}
        await connection.execute(update(DEFINITIONS).where(c.tenant_id == tenant, c.id == field.id).values(reached))
        if is_done:
            self._seen.pop(field.id, None)
            log.info("entries made", field=str(field.id), records=made)
