"""Removes a tenant: deletes all its rows, while others are served, and sees to it that none come back.

First the tenant is noted as removed (kith.db.removed), once everybody has ended who may be writing for it. From then on
nothing can insert a row of it, so one pass over each table finds them all. Rows go in batches, each with what the
receipt says of it in one transaction: whoever is killed begins again, and the receipt is right.
"""

import random
from asyncio import sleep
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from graphlib import TopologicalSorter
from typing import NamedTuple

import msgspec
from asyncpg import LockNotAvailableError
from sqlalchemy.ext.asyncio import AsyncEngine

from kith.db.sessions import Driver, driver_of
from kith.db.tenancy import REMOVED
from kith.runtime.progress import Progress, Silent
from kith.tenants.catalogue import TenantTable, quoted, references_between, tables_of_tenants, tables_set_aside

BATCH = 1000
"""Rows of a transaction: so long may others wait, for the locks of these rows and for the order of arrival."""
TRIES = 60
_LOCK_SECONDS = 0.3
"""So long requests may queue behind us."""


class RemovalRefused(Exception):
    """It cannot be done now, and nothing has changed. The words say why."""


class Removed(NamedTuple):
    """What was done."""

    removed_at: datetime
    finished_at: datetime
    receipt: Mapping[str, int]
    """Rows deleted, by table: of all runs that it took."""


async def remove_tenant(engine: AsyncEngine, tenant: str, *, progress: Progress | None = None) -> Removed:
    """Deletes the tenant's rows in all tables. `engine` connects as the worker's role. Raises RemovalRefused."""
    progress = progress or Silent()
    async with _alone(engine, tenant) as driver:
        progress.begin("waiting for those who write")
        await _note(driver, tenant)
        references = await references_between(driver)
        tables = {table.name: table for table in await tables_of_tenants(driver) if table.name != REMOVED}
        for name in _in_order(tables, references):
            progress.begin(name)
            if own := [column for column, target in references.get(name, []) if target == name]:
                await _forget_references(driver, tables[name], tenant, own)
            await _delete(driver, tables[name], tenant, progress)
        row = await driver.fetchrow(_FINISH, tenant)
        assert row is not None
    return Removed(row["removed_at"], row["finished_at"], msgspec.json.decode(row["receipt"]))


async def readmit_tenant(engine: AsyncEngine, tenant: str) -> datetime:
    """Lets the tenant in again, without anything of before. Returns the instant: of events recorded before it none has
    an effect. Raises RemovalRefused."""
    async with _alone(engine, tenant) as driver:
        row = await driver.fetchrow(_READMIT, tenant)
        if row is None:
            raise RemovalRefused(f"{tenant} was not removed, or not to the end: there is nothing to readmit.")
        readmitted_at: datetime = row["readmitted_at"]
    return readmitted_at


@asynccontextmanager
async def _alone(engine: AsyncEngine, tenant: str) -> AsyncIterator[Driver]:
    """Yields a session of its own, while no other removes this tenant."""
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        driver = driver_of(connection)
        try:
            if not await driver.fetchval("SELECT pg_try_advisory_lock(hashtextextended('remove ' || $1, 0))", tenant):
                raise RemovalRefused(f"{tenant} is being removed by another process.")
            if set_aside := await tables_set_aside(driver):
                raise RemovalRefused(
                    f"Rows of tenants are in {', '.join(set_aside)} too. If a rebuild is running, wait for its end; "
                    "else drop that schema: it is what a rebuild has kept."
                )
            # Rows come by an index, and a table without one by tenant is read once, in as many batches as it takes.
            await driver.execute("SET enable_sort = off; SET statement_timeout = 0")
            yield driver
        finally:
            await connection.invalidate()  # back in the pool the session would keep its lock


async def _note(driver: Driver, tenant: str) -> None:
    """Waits until all have ended who read the table before: they may be writing. Others queue behind the lock, so it is
    tried for a moment only, and again."""
    for attempt in range(TRIES):
        try:
            async with driver.transaction():
                await driver.execute(f"SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'")
                await driver.execute(f"LOCK TABLE {REMOVED} IN ACCESS EXCLUSIVE MODE")
                await driver.execute(_NOTE, tenant)
        except LockNotAvailableError:
            await sleep(min(0.1 * 2**attempt, 5.0) * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
        else:
            return
    raise RemovalRefused(
        f"Some transaction has been reading {REMOVED} for minutes, a dump perhaps: run this again when it has ended."
    )


def _in_order(tables: Mapping[str, TenantTable], references: Mapping[str, Sequence[tuple[str, str]]]) -> list[str]:
    """The tables, each before those that its rows name. The outbox is first: what is in it would still be published."""
    order = TopologicalSorter({name: set[str]() for name in sorted(tables, key=lambda name: (name != "outbox", name))})
    for name, named in references.items():
        for _, target in named:
            if target != name:
                order.add(target, name)
    return list(order.static_order())


async def _delete(driver: Driver, table: TenantTable, tenant: str, progress: Progress) -> None:
    async for keys in _keys(driver, table, tenant):
        async with driver.transaction():
            done = int((await driver.execute(_deletion(table), tenant, *keys)).rpartition(" ")[2])
            if done:
                await driver.execute(_RECEIPT, tenant, table.name, done)
        progress.advance(done)


async def _forget_references(driver: Driver, table: TenantTable, tenant: str, columns: Sequence[str]) -> None:
    """Of rows that name rows of the same table: so they can go in any order."""
    for column in columns:
        async for keys in _keys(driver, table, tenant, where=f"{quoted(column)} IS NOT NULL"):
            await driver.execute(f"UPDATE {_matching(table, f'SET {quoted(column)} = NULL FROM')}", tenant, *keys)


async def _keys(
    driver: Driver, table: TenantTable, tenant: str, *, where: str = "true"
) -> AsyncIterator[list[list[str]]]:
    """Yields the keys of the tenant's rows, a batch at a time, as a list per column. They are read before anything is
    locked or written: to find the next may take long."""
    columns = _distinguishing(table)
    if not columns:
        yield []
        return
    names = ", ".join(f"t.{quoted(name)}" for name in columns)
    after = ", ".join(f"${number}::text::{table.columns[name]}" for number, name in enumerate(columns, 2))
    found = (
        f"SELECT {', '.join(f't.{quoted(name)}::text' for name in columns)} FROM {quoted(table.name)} t "  # noqa: S608 - names of the catalogue
        f"WHERE t.tenant_id = $1 AND {where} %s ORDER BY {names} LIMIT {BATCH}"
    )
    rows = await driver.fetch(found % "", tenant)
    while rows:
        yield [list(column) for column in zip(*rows, strict=True)]
        rows = await driver.fetch(found % f"AND ({names}) > ({after})", tenant, *rows[-1])


def _distinguishing(table: TenantTable) -> list[str]:
    """The columns of the key that tell the rows of one tenant apart."""
    return [name for name in table.key if name != "tenant_id"]


def _deletion(table: TenantTable) -> str:
    return f"DELETE FROM {_matching(table, 'USING')}"  # noqa: S608 - names of the catalogue


def _matching(table: TenantTable, joined: str) -> str:
    """The rest of a statement on the rows that have these keys."""
    columns = _distinguishing(table)
    if not columns:
        return f"{quoted(table.name)} t WHERE t.tenant_id = $1"
    arrays = ", ".join(f"${number}::text[]" for number in range(2, len(columns) + 2))
    equal = " AND ".join(f"t.{quoted(name)} = k.{quoted(name)}::{table.columns[name]}" for name in columns)
    names = ", ".join(quoted(name) for name in columns)
    return f"{quoted(table.name)} t {joined} unnest({arrays}) AS k({names}) WHERE t.tenant_id = $1 AND {equal}"


_NOTE = f"""
    INSERT INTO {REMOVED} AS r (tenant_id, removed_at) VALUES ($1, clock_timestamp())
    ON CONFLICT (tenant_id) DO UPDATE
    SET removed_at = clock_timestamp(), finished_at = NULL, readmitted_at = NULL, receipt = '{{}}'
    WHERE r.readmitted_at IS NOT NULL
"""  # noqa: S608 - a constant
_RECEIPT = f"""
    UPDATE {REMOVED} SET receipt = receipt || jsonb_build_object($2::text, coalesce((receipt->>$2)::bigint, 0) + $3)
    WHERE tenant_id = $1
"""  # noqa: S608 - the same
_FINISH = f"""
    UPDATE {REMOVED} SET finished_at = coalesce(finished_at, clock_timestamp())
    WHERE tenant_id = $1 RETURNING removed_at, finished_at, receipt::text
"""  # noqa: S608 - the same
_READMIT = f"""
    UPDATE {REMOVED} SET readmitted_at = clock_timestamp()
    WHERE tenant_id = $1 AND finished_at IS NOT NULL AND readmitted_at IS NULL RETURNING readmitted_at
"""  # noqa: S608 - the same
