"""The read models made anew from a ledger of a tenant's orders, all steps of the command, beside the
part of it that reads the ledger, folds in memory and copies: without indexes, comparison and swap."""

import time

import asyncpg
from tests.bench.measure import Figure

from analytics.projections.rebuild import rebuild
from analytics.service import SERVICE
from kith.db.migrations import migrate
from kith_local.postgres import EmbeddedPostgres

EVENTS, CUSTOMERS = 300_000, 50_000
_FILL = f"""
    INSERT INTO ledger (tenant_id, id, type, source, subject, aggregate_version, customer_id, time, recorded_at, data)
    SELECT 'bench', uuidv7(), 'sales.order.placed.v1', 'sales', uuidv7(), 1, md5((n % {CUSTOMERS})::text)::uuid, at, at,
           jsonb_build_object('value', '12.5000', 'currency', 'EUR', 'country', 'Germany')
    FROM (SELECT n, timestamptz '2025-01-01' + n * interval '97 seconds' AS at FROM generate_series(1, {EVENTS}) n) t
"""  # noqa: S608 - made here


class _Phases:
    """When each step began."""

    def __init__(self) -> None:
        self.began: dict[str, float] = {}

    def begin(self, what: str, total: int | None = None) -> None:  # noqa: ARG002 - see Progress
        self.began[what] = time.perf_counter()

    def advance(self, done: int) -> None:
        pass


async def run(postgres: EmbeddedPostgres, _: str | None) -> list[Figure]:
    connection = await asyncpg.connect(postgres.url("postgres"))
    await connection.execute("CREATE DATABASE rebuild")
    await connection.close()
    url = postgres.url("rebuild")
    await migrate(url, SERVICE.package, SERVICE.after_migrations)
    connection = await asyncpg.connect(url)
    await connection.execute(_FILL)
    await connection.execute("VACUUM ANALYZE ledger")
    await connection.close()
    phases, started = _Phases(), time.perf_counter()
    done = await rebuild(url, progress=phases)
    whole = time.perf_counter() - started
    load = phases.began["indexes"] - phases.began["events"]
    return [Figure("rebuild, all of it", done.events / whole, "without indexes", done.events / load, 100_000, False)]
