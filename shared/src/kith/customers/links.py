"""Who was merged into whom. A table of customers, or of contacts, has two columns for it: `merged_into`, the one that
remains at the end of the chain, and `told_merged_into`, the one that it was merged into, where that is another one."""

from collections.abc import Collection, Iterable, Mapping
from uuid import UUID

from sqlalchemy import ARRAY, Column, Table, Uuid, any_, cast, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.customers.chains import survivors_of
from kith.db.one_at_a_time import one_at_a_time

TURN = "merges"
"""The name under which a tenant's merges take turns: what one reads the others do not change."""


def merge_columns(what: str = "customer") -> tuple[Column[UUID], Column[UUID]]:
    return (
        Column("merged_into", Uuid, comment=f"the {what} that remains; null: it stands for itself"),
        Column("told_merged_into", Uuid, comment=f"the {what} that it was merged into, where that was merged again"),
    )


async def take_turn(connection: AsyncConnection, tenant: str) -> None:
    """Waits for the tenant's other merges, and has those that come wait until this transaction ends."""
    await one_at_a_time(connection, tenant, TURN)


async def survivors(
    connection: AsyncConnection, tenant: str, customers: Table, ids: Collection[UUID]
) -> dict[UUID, UUID]:
    """Returns the customers that remain for those of these that are merged."""
    if not ids:
        return {}
    c = customers.c
    rows = select(c.id, c.merged_into).where(
        c.tenant_id == tenant, c.id == any_(cast(sorted(ids), ARRAY(Uuid))), c.merged_into.is_not(None)
    )
    return {row.id: row.merged_into for row in await connection.execute(rows)}


async def relink(
    connection: AsyncConnection, tenant: str, customers: Table, changed: Mapping[UUID, UUID]
) -> list[UUID]:
    """Brings `merged_into` up to date after customers were merged or separated; `changed` says of each which customer
    remained for it before. Returns those for whom another one remains now. Needs the tenant's turn."""
    c = customers.c
    own = select(c.id, c.merged_into, c.told_merged_into).where(c.tenant_id == tenant)
    before = {*changed.values()}
    concerned = own.where(
        (c.merged_into == any_(cast(sorted(before), ARRAY(Uuid)))) | (c.id == any_(cast(sorted(changed), ARRAY(Uuid))))
    )
    rows = {row.id: row for row in await connection.execute(concerned)}
    into = {id: row.told_merged_into or row.merged_into for id, row in rows.items()}
    # Of those that are merged into others, where their chains end: that has not changed.
    beyond = {each for each in into.values() if each is not None} - rows.keys()
    ends = await survivors(connection, tenant, customers, beyond)
    now = survivors_of(into | ends)
    for id, row in sorted(rows.items()):
        # Who is in a circle, which an event to come will open, may be merged into itself meanwhile.
        end = None if into[id] is None else now[id]
        told = None if into[id] == end else into[id]
        if (row.merged_into, row.told_merged_into) != (end, told):
            of_it = update(customers).where(c.tenant_id == tenant, c.id == id)
            await connection.execute(of_it.values(merged_into=end, told_merged_into=told))
    return [id for id, row in sorted(rows.items()) if now[id] != (changed.get(id, row.merged_into) or id)]


def not_yet(ids: Iterable[UUID]) -> dict[UUID, UUID]:
    """Returns what `relink` takes of customers that stood for themselves."""
    return {id: id for id in ids}
