"""Timers: how late they go off while a hundred thousand run, how many a second of those that came due while no worker
was there, and what it takes to look while none is due."""

import asyncio
import time
from statistics import median, quantiles

import asyncpg
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.bench.measure import Figure, rate

from kith.db.migrations import migrate
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.runtime.tasks import attend
from kith.timers.firing import Timers
from kith_local.postgres import EmbeddedPostgres
from sales.resources import RESOURCES
from sales.service import SERVICE
from sales.tables import idempotency, outbox

RUNNING, MISSED = 100_000, 10_000
"""Timers of tomorrow, and those that came due while no worker was there."""
A_SECOND, SECONDS = 100_000 / 600, 30
"""A hundred thousand in ten minutes, for so long."""
_TASKS = """
    WITH made AS (
        INSERT INTO tasks (tenant_id, id, version, created_at, updated_at, recorded_at, title, state, remind_at, custom,
                           custom_personal)
        SELECT $1, gen_random_uuid(), 1, now() - interval '1 day', now() - interval '1 day', now(), 'Call', 'open',
               clock_timestamp() + $2 * interval '1 second' + (n * $3::float8) * interval '1 second', '{}', '{}'
        FROM generate_series(1, $4) AS n
        RETURNING tenant_id, id, remind_at
    )
    INSERT INTO timers (tenant_id, id, command, noun, due_at, next_at, failures)
    SELECT tenant_id, id, 'remind', 'task', remind_at, remind_at, 0 FROM made
"""
_LATENESS = """
    SELECT extract(epoch FROM recorded_at - time)::float8 AS late FROM outbox
    WHERE tenant_id = $1 AND type = 'sales.task.reminded.v1'
"""
_LEFT = "SELECT count(*) FROM timers WHERE tenant_id = $1"


async def run(postgres: EmbeddedPostgres, _: str | None) -> list[Figure]:
    connection = await asyncpg.connect(postgres.url("postgres"))
    await connection.execute("CREATE DATABASE timers")
    await connection.close()
    url = postgres.url("timers")
    await migrate(url, SERVICE.package, SERVICE.after_migrations)
    rows = await asyncpg.connect(url)
    engine = create_engine(url, role=WORKER_ROLE, pool_size=2, application="bench")
    timers = Timers(RESOURCES, source="sales", outbox=outbox, idempotency=idempotency)
    try:
        await rows.execute(_TASKS, "tomorrow", 86_400, 0.0, RUNNING)
        await rows.execute("ANALYZE timers")
        looks = await rate(lambda: timers.step(engine)), await rate(lambda: _nothing(engine))
        missed = await _missed(rows, timers, engine)
        late = await _on_time(rows, timers, engine)
    finally:
        await rows.close()
        await engine.dispose()
    return [
        Figure(
            "timers, late, 99 in 100",
            quantiles(late, n=100)[98] * 1000,
            "late, median",
            median(late) * 1000,
            1000,
            unit="ms",
        ),
        Figure("timers, due for long", missed, "that come due", A_SECOND, A_SECOND, target_is_ratio=False),
        Figure("timers, looks while none is due", looks[0], "SELECT 1", looks[1], 0.5),
    ]


async def _nothing(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await connection.scalar(select(1))


async def _missed(rows: asyncpg.Connection, timers: Timers, engine: AsyncEngine) -> float:
    """Returns how many go off in a second."""
    await rows.execute(_TASKS, "missed", -600, 0.0, MISSED)
    began = time.perf_counter()
    while await timers.step(engine):
        pass
    assert await rows.fetchval(_LEFT, "missed") == 0
    return MISSED / (time.perf_counter() - began)


async def _on_time(rows: asyncpg.Connection, timers: Timers, engine: AsyncEngine) -> list[float]:
    """Returns by how many seconds each was late."""
    count = int(A_SECOND * SECONDS)
    await rows.execute(_TASKS, "due", 2, 1 / A_SECOND, count)
    stop = asyncio.Event()
    working = asyncio.create_task(attend(timers.task(), engine, stop=stop))
    while await rows.fetchval(_LEFT, "due"):  # noqa: ASYNC110 - what is looked at is in a database
        await asyncio.sleep(1)
    stop.set()
    await working
    late = [row["late"] for row in await rows.fetch(_LATENESS, "due")]
    assert len(late) == count, "each went off once"
    return late
