"""The rebuild: recomputes the read models from the ledger beside the live ones, compares them, and swaps them in.

It runs under the login that migrates, which owns the tables. Readers and folds go on meanwhile (see
projections.shadow); events that are folded while it runs are folded into the shadows after. It publishes nothing, and
changes nothing but the read models.
"""

import random
from asyncio import sleep
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import NullPool

from analytics.projections import shadow
from analytics.projections.copying import recompute
from analytics.projections.facts import RecordedEvent
from analytics.projections.fold import apply
from analytics.projections.merges import survivors
from analytics.projections.past import Past
from analytics.projections.projection import Scope, Scopes, declared, rebuilt
from analytics.projections.shadow import NOT_REMOVED, SCHEMA, Part, Print
from kith.db.login import engine_for
from kith.db.sessions import Driver, driver_of
from kith.runtime.progress import Progress, Silent

SWAP_TRIES = 60
CATCH_UP = 5000
"""The events that are folded together when the shadows catch up."""


class Migrated(RuntimeError):
    """The tables were migrated since the shadows were made of them."""

    loggable = True


class WithdrawnMeanwhile(RuntimeError):
    """Events were withdrawn that the shadows may have."""

    loggable = True


class SwapTimedOut(RuntimeError):
    """Readers or folds held their locks at every attempt to swap."""

    loggable = True


@dataclass(frozen=True)
class Difference:
    """A part of a table that differs from what the ledger yields. None: no rows there."""

    part: Part
    live: Print | None
    made: Print | None


@dataclass
class Rebuilt:
    events: int = 0
    rows: int = 0
    caught_up: int = 0
    """Events that were folded while it ran."""
    differences: list[Difference] = field(default_factory=list)
    swapped: bool = False


async def rebuild(
    url: str, *, compare_only: bool = False, keep: bool = False, progress: Progress | None = None
) -> Rebuilt:
    """Rebuilds the read models. Raises RebuildRuns if one runs, Migrated, WithdrawnMeanwhile and SwapTimedOut. If it is
    killed at any point, the live tables are whole, and the next run clears up."""
    progress, done = progress or Silent(), Rebuilt()
    engine = engine_for(url, poolclass=NullPool, hide_parameters=True, driver={"server_settings": _SETTINGS})
    async with _announced(engine) as (main, reading, writing):
        driver = driver_of(main)
        revision = await _revision(driver)
        await shadow.make(driver)
        live, scopes = await _load(reading, writing, done, progress)
        progress.begin("indexes")
        for statement in await shadow.finish(driver):
            await driver.execute(statement)
        progress.begin("comparing")
        made = await shadow.prints(driver, SCHEMA)
        done.rows = sum(each.rows for each in made.values())
        done.differences = _differences(live, made, scopes)
        if not compare_only:
            progress.begin("swapping")
            await _swap(main, done, scopes, revision, keep=keep)
    return done


_SETTINGS = {
    "application_name": "kith analytics rebuild",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "jit": "off",
    "plan_cache_mode": "force_custom_plan",
    "work_mem": "256MB",
    "maintenance_work_mem": "256MB",
}


@asynccontextmanager
async def _announced(engine: AsyncEngine) -> AsyncIterator[tuple[AsyncConnection, Driver, Driver]]:
    """Yields the connection that has announced the rebuild, and two more: to read by and to write by."""
    try:
        async with engine.connect() as main, engine.connect() as reading, engine.connect() as writing:
            driver = driver_of(main)
            await shadow.announce(driver)
            try:
                yield main, driver_of(reading), driver_of(writing)
            finally:
                if not driver.is_closed():  # closing it withdraws the announcement
                    await main.rollback()
                    await shadow.withdraw(driver)
    finally:
        await engine.dispose()


async def _load(
    reading: Driver, writing: Driver, done: Rebuilt, progress: Progress
) -> tuple[dict[Part, Print], Scopes]:
    """Fills the shadows, tenant by tenant. Returns the prints of the live tables, taken in the same snapshot of the
    ledger that the tenant's shadow was made from, and the scopes that were recomputed."""
    live: dict[Part, Print] = {}
    scopes: dict[str, dict[str, Scope]] = {each.name: {} for each in rebuilt()}
    progress.begin("events", await reading.fetchval(_ABOUT))
    for (tenant,) in await reading.fetch(_tenants()):
        async with reading.transaction(isolation="repeatable_read", readonly=True):
            live |= await shadow.prints(reading, "public", tenant)
            past = Past(reading, tenant)
            made = [one for each in declared() for one in await each.recompute(past) if one.table in scopes]
            async for events in recompute(past, made, writing, SCHEMA):
                done.events += events
                progress.advance(events)
            for one in made:
                scopes[one.table][tenant] = Scope(one.parts, one.unready)
    return live, scopes


_ABOUT = """
    SELECT nullif(sum(greatest(reltuples, 0)), 0)::bigint FROM pg_class JOIN pg_inherits ON inhrelid = oid
    WHERE inhparent = 'public.ledger'::regclass
"""


def _each_tenant_of(table: str) -> str:
    """Returns the statement that finds each tenant of a table by its index, one after the other."""
    return f"""
        SELECT tenant_id FROM (
            WITH RECURSIVE found AS (
                SELECT min(tenant_id) AS tenant_id FROM public.{table}
                UNION ALL
                SELECT (SELECT min(tenant_id) FROM public.{table} WHERE tenant_id > found.tenant_id)
                FROM found WHERE found.tenant_id IS NOT NULL
            ) SELECT tenant_id FROM found
        ) of_table WHERE tenant_id IS NOT NULL
    """  # noqa: S608 - tables of ours


def _tenants() -> str:
    tables = ("ledger", *(each.name for each in rebuilt()))
    return " UNION ".join(map(_each_tenant_of, tables)) + " ORDER BY 1"


def _differences(live: Mapping[Part, Print], made: Mapping[Part, Print], scopes: Scopes) -> list[Difference]:
    return [
        Difference(part, live.get(part), made.get(part))
        for part in sorted(live.keys() | made.keys())
        if live.get(part) != made.get(part)
        and not (part.tenant_id in scopes[part.table] and part.name in scopes[part.table][part.tenant_id].unready)
    ]


async def _swap(connection: AsyncConnection, done: Rebuilt, scopes: Scopes, revision: str, *, keep: bool) -> None:
    """Swaps in one transaction, once no fold runs and while no reader holds a table. It does not make others wait for
    long: it gives up and tries again."""
    for attempt in range(SWAP_TRIES):
        while await _catch_up(connection, done):
            pass
        try:
            async with connection.begin():
                await _swap_now(connection, done, scopes, revision, keep=keep)
        except DBAPIError as error:
            if not shadow.is_lock_timeout(error):
                raise
            await sleep(min(0.1 * 2**attempt, 5.0) * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
        else:
            done.swapped = True
            async with connection.begin():
                for each in declared():
                    await each.after_swap(connection)
            return
    raise SwapTimedOut("The tables were in use each time: nothing was swapped. Look for long readers, and try again.")


async def _swap_now(connection: AsyncConnection, done: Rebuilt, scopes: Scopes, revision: str, *, keep: bool) -> None:
    await shadow.take_swap_locks(connection, wait_for_folds="20s", wait_for_readers="300ms")
    if revision != await _revision(driver_of(connection)):
        raise Migrated("The database was migrated while its read models were rebuilt: rebuild them again.")
    while await _fold_noted(connection, done):
        pass
    await shadow.swap(connection, keep=keep)
    for each in declared():
        await each.complete(connection, scopes)


async def _catch_up(connection: AsyncConnection, done: Rebuilt) -> int:
    async with connection.begin():
        return await _fold_noted(connection, done)


async def _fold_noted(connection: AsyncConnection, done: Rebuilt) -> int:
    """Folds into the shadows, a batch at a time, the events that were folded meanwhile. Returns how many there were."""
    noted = (
        await connection.exec_driver_sql(
            "DELETE FROM public.rebuild_pending "
            "WHERE ctid = ANY(ARRAY(SELECT ctid FROM public.rebuild_pending LIMIT $1)) "
            "RETURNING tenant_id, event_id",
            (CATCH_UP,),
        )
    ).all()
    if not noted:
        return 0
    keys = [row.tenant_id for row in noted], [row.event_id for row in noted]
    if (await connection.exec_driver_sql(_WITHDRAWN, keys)).scalar_one():
        raise WithdrawnMeanwhile("Events were withdrawn while the read models were rebuilt: rebuild them again.")
    await connection.execute(text(f"SET LOCAL search_path = {SCHEMA}, public"))
    # An event in the tenant's snapshot has its fact already.
    rows: Any = await connection.exec_driver_sql(
        f"""
        SELECT l.tenant_id, l.id, l.type, l.subject, l.aggregate_version, l.time, l.customer_id, l.data::text
        FROM (SELECT DISTINCT * FROM unnest($1::text[], $2::uuid[])) AS noted(tenant_id, id)
        JOIN ledger l USING (tenant_id, id)
        LEFT JOIN facts f ON f.tenant_id = l.tenant_id AND f.subject = l.subject AND f.version = l.aggregate_version
        WHERE f.tenant_id IS NULL AND l.{NOT_REMOVED}
        """,  # noqa: S608 - a constant
        keys,
    )
    events = [RecordedEvent.of(*row) for row in rows]
    if events:
        await apply(connection, events, await survivors(connection, events))
    await connection.execute(text("SET LOCAL search_path = public"))
    done.caught_up += len(events)
    return len(noted)


_WITHDRAWN = f"""
    SELECT EXISTS (
        SELECT FROM unnest($1::text[], $2::uuid[]) AS noted(tenant_id, id)
        WHERE noted.{NOT_REMOVED}
          AND NOT EXISTS (SELECT FROM ledger l WHERE l.tenant_id = noted.tenant_id AND l.id = noted.id)
    )
"""  # noqa: S608 - a constant


async def _revision(driver: Driver) -> str:
    found: str = await driver.fetchval("SELECT version_num FROM public.alembic_version")
    return found
