"""Records of merged customers and contacts are given to the one that remains, and back when the two are separated.

A record keeps the id that it was told beside the one that it is listed by: `told_customer_id`, null where both are the
same, and `customer_id`. The second follows from the first and the merges, so that a merge that was undone leaves
nothing behind, in whatever order merges were made and undone.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    MetaData,
    Table,
    Uuid,
    any_,
    cast,
    delete,
    func,
    literal_column,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kith.customers.links import survivors
from kith.db.tables import DERIVED, Moment, tenant_column
from kith.runtime.tasks import Task

AT_A_TIME = 1000
"""Records that a transaction gives to another customer; they are locked meanwhile."""
PATIENCE: ColumnElement[Any] = literal_column("interval '2 minutes'")
"""No transaction lasts longer. One that began before a merge may write a record of the customer as it was then."""


class Named(NamedTuple):
    """A column by which records name what may be merged, beside one for the id that they were told."""

    table: Table
    column: str
    of: Table
    """The table of what is named."""


def repointings_table(metadata: MetaData) -> Table:
    return Table(
        "repointings",
        metadata,
        tenant_column(),
        # Or a contact, that was merged or separated: no two have the same id.
        Column("customer_id", Uuid, primary_key=True),
        Column("noted_at", Moment, nullable=False, server_default=text("now()")),
        Column("moved_at", Moment, comment="when there were no more to give"),
        info={DERIVED: "work still to be done"},
    )


TABLE = repointings_table(MetaData())
"""The same again for Kith's own statements: it is alike in every service."""


class Repointing:
    """Of one service, given its tables."""

    def __init__(self, metadata: MetaData) -> None:
        self._metadata = metadata

    @cached_property
    def named(self) -> Sequence[Named]:
        """The columns of all tables that have one beside them for the id that was told."""
        tables = sorted(self._metadata.tables.values(), key=lambda each: each.name)
        beside = ((table, column.name.removeprefix("told_")) for table in tables for column in table.c)
        found = ((table, name) for table, name in beside if f"told_{name}" in table.c and name in table.c)
        return [Named(*each, self._named_by(*each)) for each in dict.fromkeys(found) if each[1] != "merged_into"]

    def _named_by(self, table: Table, column: str) -> Table:
        for key in table.c[column].foreign_keys:
            return key.column.table
        return self._metadata.tables[f"known_{column.removesuffix('_id')}s"]

    async def begin(self, connection: AsyncConnection, tenant: str, ids: Sequence[UUID]) -> None:
        """Gives the first records to whom they belong now, in this transaction, and has the task give the others."""
        if not ids:
            return
        noted = insert(TABLE).values([{"tenant_id": tenant, "customer_id": id} for id in ids])
        again = {"noted_at": func.now(), "moved_at": None}
        await connection.execute(noted.on_conflict_do_update(index_elements=list(TABLE.primary_key), set_=again))
        left = AT_A_TIME
        for id in ids:
            if left > 0:
                left -= await self._give(connection, tenant, id, left)

    def task(self) -> Task:
        """Returns the task that gives the records which a merge has left. Any number of workers may do so."""

        async def step(engine: AsyncEngine) -> bool:
            w = TABLE.c
            is_old = w.noted_at < func.now() - PATIENCE
            due = select(w.tenant_id, w.customer_id, is_old.label("is_old")).where(w.moved_at.is_(None) | is_old)
            due = due.order_by(w.noted_at).limit(1).with_for_update(skip_locked=True)
            async with engine.begin() as connection:
                if (row := (await connection.execute(due)).one_or_none()) is None:
                    return False
                of_it = (w.tenant_id == row.tenant_id, w.customer_id == row.customer_id)
                if not await self._give(connection, row.tenant_id, row.customer_id, AT_A_TIME):
                    # What is written meanwhile by who began before is given in a second round, which is the last.
                    done = delete(TABLE) if row.is_old else update(TABLE).values(moved_at=func.now())
                    await connection.execute(done.where(*of_it))
            return True

        return Task("merges", step, seconds=1)

    async def _give(self, connection: AsyncConnection, tenant: str, id: UUID, most: int) -> int:
        """Gives at most so many records that name a customer or a contact to whom they belong. Returns how many."""
        remaining = {of: await survivors(connection, tenant, of, [id]) for of in {each.of for each in self.named}}
        given = 0
        for table, column, of in self.named:
            survivor = remaining[of].get(id, id)
            to, told = table.c[column], table.c[f"told_{column}"]
            wrong: list[tuple[ColumnElement[bool], ...]] = [(told == id, to != survivor)]
            if survivor != id:
                wrong.append((told.is_(None), to == id))
            for each in wrong:
                if given < most:
                    given += await _move(connection, tenant, table, column, each, id, survivor, most - given)
        return given


async def _move(
    connection: AsyncConnection,
    tenant: str,
    table: Table,
    column: str,
    wrong: Sequence[ColumnElement[bool]],
    id: UUID,
    survivor: UUID,
    most: int,
) -> int:
    own, c = table.c.tenant_id == tenant, table.c
    # A customer that came through one it was merged with later did not come through itself.
    found = await connection.scalars(select(c.id).where(own, *wrong, c.id != survivor).limit(most))
    ids = cast(sorted(found), ARRAY(Uuid))
    # By their ids alone: who looked for the customer again would read all of its records for each of these. And in the
    # order of their ids, like all writes, so that no two transactions deadlock.
    locked = select(c.id, func.coalesce(c[f"told_{column}"], c[column]).label("told"), c[column].label("to"))
    locked = locked.where(own, c.id == any_(ids)).order_by(c.id).with_for_update(key_share=True)
    rows = await connection.execute(locked)
    given = [row.id for row in rows if row.told == id and row.to != survivor]
    values: dict[str, Any] = {column: survivor, f"told_{column}": None if survivor == id else id}
    if "recorded_at" in c:
        values["recorded_at"] = func.clock_timestamp()
    await connection.execute(update(table).where(own, c.id == any_(cast(given, ARRAY(Uuid)))).values(values))
    return len(given)
