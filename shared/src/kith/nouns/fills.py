"""Does for the records that were there before what is done with each that is written since: fills side tables
(kith.nouns.side_tables), say. Of all tenants in the order of their keys, some at a time, beside those who write. It
keeps how far it has come, and goes on from there."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import BigInteger, Column, MetaData, Table, Text, Uuid, func, select, true, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kith.db.removed import TABLE as REMOVED
from kith.db.statements import zoned
from kith.db.tables import Moment
from kith.nouns import side_tables
from kith.nouns.resource import Resource
from kith.nouns.side_tables import SideTable
from kith.runtime.tasks import Task
from kith.runtime.telemetry import log

AT_A_TIME = 500
"""Records, whose rows are locked meanwhile: for some milliseconds."""


def fills_table(metadata: MetaData) -> Table:
    """Of no tenant: a worker's own (kith.db.tenancy.worker_only)."""
    return Table(
        "side_table_fills",
        metadata,
        Column("name", Text, primary_key=True, comment="of the side table, the noun, and the version of its rows"),
        Column("last_tenant", Text(collation="C"), comment="with the next one: the record that it has come to"),
        Column("last_id", Uuid),
        Column("records", BigInteger, nullable=False),
        Column("finished_at", Moment),
    )


_C = fills_table(MetaData()).c


class Fill(NamedTuple):
    name: str
    """Under which it is kept how far it has come: it is done once."""
    resource: Resource
    """The noun for whose records it is done."""
    write: Callable[[AsyncConnection, str, Sequence[Any]], Awaitable[None]]
    """Given some records of a tenant, which are locked."""


def fills_of(resources: Sequence[Resource]) -> Iterator[Fill]:
    """Yields those of side tables."""
    for resource in resources:
        for side in resource.side_tables:
            name = f"{side.table.name}/{resource.name}/{side.version}"
            yield Fill(name, resource, partial(_write_side_table, side))


async def _write_side_table(side: SideTable, connection: AsyncConnection, tenant: str, records: Sequence[Any]) -> None:
    await side_tables.remove(connection, tenant, side.table, [each.id for each in records])
    await side_tables.add(connection, tenant, side, records)


def filling(resources: Sequence[Resource], *more: Fill) -> Task:
    """Returns the task of a worker that fills the side tables of these nouns, and does more."""
    due = [*fills_of(resources), *more]

    async def step(engine: AsyncEngine) -> bool:
        while due:
            async with engine.begin() as connection:
                if not await connection.scalar(_LOCK):
                    return False
                if not await _go_on(connection, due[0]):
                    return True
            due.pop(0)
        return False

    return Task("side tables", step, seconds=5)


_LOCK = select(func.pg_try_advisory_xact_lock(func.hashtextextended("side_table_fills", 0)))
"""One worker at a time."""


async def _go_on(connection: AsyncConnection, fill: Fill) -> bool:
    """Fills it for the next records. Returns whether those were the last."""
    progress = (await connection.execute(select(*_C).where(_C.name == fill.name))).one_or_none()
    if progress is not None and progress.finished_at is not None:
        return True
    after = None if progress is None else (progress.last_tenant, progress.last_id)
    found = await _records(connection, fill.resource, after)
    for tenant, of_tenant in groupby(found, key=lambda each: each[0]):
        await fill.write(connection, tenant, [record for _, record in of_tenant])
    is_finished = len(found) < AT_A_TIME
    number = len(found) + (0 if progress is None else progress.records)
    reached: dict[str, Any] = {"records": number, "finished_at": func.now() if is_finished else None}
    if found:
        reached |= {"last_tenant": found[-1][0], "last_id": found[-1][1].id}
    row = insert(_C.name.table).values(name=fill.name, **reached)
    await connection.execute(row.on_conflict_do_update(index_elements=[_C.name], set_=reached))
    if is_finished and number:
        log.info("filled", what=fill.name, records=number)
    return is_finished


async def _records(
    connection: AsyncConnection, resource: Resource, after: tuple[str, UUID] | None
) -> list[tuple[str, Any]]:
    """Returns the next records, each with its tenant. They are locked: who changes one waits, and then writes what
    follows from the change."""
    c = resource.table.c
    key = tuple_(c.tenant_id, c.id)
    removed = select(REMOVED.c.tenant_id).where(REMOVED.c.readmitted_at.is_(None))
    rows = (
        select(c.tenant_id, *(c[name] for name in resource.attributes))
        .where(true() if after is None else key > tuple_(*after), c.tenant_id.not_in(removed))
        .order_by(c.tenant_id, c.id)
        .limit(AT_A_TIME)
        .with_for_update(key_share=True)
    )
    found = []
    for row in await connection.execute(rows):
        fields = zoned(row._asdict())
        found.append((fields.pop("tenant_id"), resource.aggregate(**fields)))
    return found
