"""Shadow tables: read models recomputed beside the live ones, in a schema of their own and under the same names, so
that all code that reads and writes the live ones also works on these: the search path decides.

The rebuild and the folds synchronise by two advisory locks:

- ANNOUNCED is held exclusively while a rebuild goes on. A fold that cannot share it notes its events in
`rebuild_pending`. A rebuild that has it has waited for all folds before, so every event is in the ledger it reads or is
noted.

- SWAPPING is shared by every fold and held exclusively for the moment of the swap: no fold reads from the old tables
and writes to the new.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.ledger.withdrawals import Withdrawn
from analytics.projections.facts import RecordedEvent
from analytics.projections.projection import declared, rebuilt
from kith.db.sessions import Driver
from kith.db.tenancy import REMOVED, secure

SCHEMA, KEPT = "kith_rebuild", "kith_before_rebuild"

_ONE, ANNOUNCED, SWAPPING = 0x7265_6275_0001, 0x7265_6275_0002, 0x7265_6275_0003
_CLEAR = f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE; DELETE FROM public.rebuild_pending"  # noqa: S608 - a constant
_ENTER = f"SELECT pg_advisory_xact_lock_shared({SWAPPING}), pg_try_advisory_xact_lock_shared({ANNOUNCED}) AS free"


class RebuildRuns(RuntimeError):
    """A rebuild runs already: one at a time."""

    loggable = True


class Part(NamedTuple):
    """The part of a table that is compared as a whole: a tenant's facts of an event type, its spans of a rule."""

    tenant_id: str
    table: str
    name: str


class Print(NamedTuple):
    """The number of rows and the sum of their hashes: equal for the same rows in any order."""

    rows: int
    hashes: int


async def enter_fold(connection: AsyncConnection, events: Sequence[RecordedEvent | Withdrawn]) -> None:
    """Called before a fold reads a read model: waits for a swap, and notes the events for a rebuild that goes on. Of
    withdrawn events it learns that they are not in the ledger any more."""
    if not (await connection.exec_driver_sql(_ENTER)).one().free:
        await connection.exec_driver_sql(
            "INSERT INTO public.rebuild_pending (tenant_id, event_id) SELECT * FROM unnest($1::text[], $2::uuid[]) "
            "ON CONFLICT DO NOTHING",
            ([each.tenant_id for each in events], [each.event_id for each in events]),
        )


async def announce(driver: Driver) -> None:
    """Announces a rebuild for as long as this session lasts, or until `withdraw`. Waits for the folds that are under
    way."""
    if not await driver.fetchval(f"SELECT pg_try_advisory_lock({_ONE})"):
        raise RebuildRuns("Another rebuild of this database is running.")
    # Clears what a killed rebuild left behind. No fold notes events now: no rebuild is announced.
    await driver.execute(_CLEAR)
    await driver.execute(f"SELECT pg_advisory_lock({ANNOUNCED})")


async def withdraw(driver: Driver) -> None:
    await driver.execute(f"SELECT pg_advisory_unlock({ANNOUNCED}); {_CLEAR}; SELECT pg_advisory_unlock({_ONE})")


async def make(driver: Driver) -> None:
    """Creates the shadows empty, without indexes and without tenancy: COPY fills no table under row-level security."""
    await driver.execute(f"CREATE SCHEMA {SCHEMA}")
    for table in _tables():
        await driver.execute(f"CREATE TABLE {SCHEMA}.{table} (LIKE public.{table} INCLUDING ALL EXCLUDING INDEXES)")
        await driver.execute(f"ALTER TABLE {SCHEMA}.{table} SET (autovacuum_enabled = false)")


async def finish(driver: Driver) -> Iterator[str]:
    """Returns the statements that give the shadows what the live tables have: keys and indexes by the same names,
    statistics, tenancy."""
    statements = [f"GRANT USAGE ON SCHEMA {SCHEMA} TO kith_app, kith_worker"]
    for table in _tables():
        for index in await driver.fetch(_INDEXES, f"public.{table}"):
            if index["constraint"] is not None:
                statements.append(f"ALTER TABLE {SCHEMA}.{table} ADD CONSTRAINT {index['name']} {index['constraint']}")
            else:
                statements.append(index["definition"].replace(f" ON public.{table} ", f" ON {SCHEMA}.{table} ", 1))
        statements += [
            f"ALTER TABLE {SCHEMA}.{table} RESET (autovacuum_enabled)",
            f"VACUUM (FREEZE, ANALYZE) {SCHEMA}.{table}",
            *secure(f"{SCHEMA}.{table}"),
        ]
    return iter(statements)


_INDEXES = """
    SELECT quote_ident(c.relname) AS name, pg_get_indexdef(i.indexrelid) AS definition,
           pg_get_constraintdef(k.oid) AS constraint
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid
    WHERE i.indrelid = $1::regclass ORDER BY i.indisprimary DESC, c.relname
"""


async def prints(driver: Driver, schema: str, tenant: str | None = None) -> dict[Part, Print]:
    """Returns the prints of the read models, of one tenant or of all, by parts."""
    found: dict[Part, Print] = {}
    for each in rebuilt():
        where, values = ("WHERE tenant_id = $1", [tenant]) if tenant is not None else ("", [])
        rows = await driver.fetch(
            f"SELECT tenant_id, {each.part} AS part, count(*), sum(hash_record_extended(t, 0)::numeric)::text "  # noqa: S608 - made here
            f"FROM {schema}.{each.name} t {where} GROUP BY 1, 2",
            *values,
        )
        found |= {Part(row[0], each.name, row[1]): Print(row[2], int(row[3])) for row in rows}
    return found


async def take_swap_locks(connection: AsyncConnection, *, wait_for_folds: str, wait_for_readers: str) -> None:
    """Takes the locks for the swap, those against folds first: until the folds are through, readers go on. Raises what
    a lock timeout raises."""
    await connection.execute(text(f"SET LOCAL lock_timeout = '{wait_for_folds}'"))
    await connection.execute(text(f"SELECT pg_advisory_xact_lock({SWAPPING})"))
    await connection.execute(text(f"SET LOCAL lock_timeout = '{wait_for_readers}'"))


async def swap(connection: AsyncConnection, *, keep: bool) -> None:
    """Replaces the live tables by the shadows, in the current transaction. Tables that were derived from the live ones
    are emptied: until they are filled again, reads go to the facts."""
    caches = [f"public.{table.name}" for each in declared() for table in each.caches]
    names = ", ".join([*(f"public.{table}" for table in _tables()), *caches])
    await connection.execute(text(f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE"))
    for table in _tables():  # a tenant may have been removed since its shadow was made
        await connection.execute(text(f"DELETE FROM {SCHEMA}.{table} WHERE tenant_id IN ({_REMOVED})"))  # noqa: S608 - tables of ours
    if keep:
        await connection.execute(text(f"DROP SCHEMA IF EXISTS {KEPT} CASCADE"))
        await connection.execute(text(f"CREATE SCHEMA {KEPT}"))
    if caches:
        await connection.execute(text(f"TRUNCATE {', '.join(caches)}"))
    for table in _tables():
        gone = f"ALTER TABLE public.{table} SET SCHEMA {KEPT}" if keep else f"DROP TABLE public.{table}"
        await connection.execute(text(gone))
        await connection.execute(text(f"ALTER TABLE {SCHEMA}.{table} SET SCHEMA public"))


_REMOVED = f"SELECT tenant_id FROM public.{REMOVED} WHERE readmitted_at IS NULL"  # noqa: S608 - a constant
NOT_REMOVED = f"tenant_id NOT IN ({_REMOVED})"


def _tables() -> list[str]:
    return [each.name for each in rebuilt()]


def is_lock_timeout(error: BaseException) -> bool:
    state = getattr(getattr(error, "orig", error), "sqlstate", None)
    return state in (asyncpg.LockNotAvailableError.sqlstate, asyncpg.DeadlockDetectedError.sqlstate)
