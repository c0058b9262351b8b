"""How long from the commit in sales until a figure has it: outbox, relay, bus, consumer and query as they run, workers
in processes of their own, all on this machine. Orders of 1 euro each, so that revenue says how many are visible."""

import asyncio
import bisect
import os
import random
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import asyncpg
import msgspec
from tests.bench.measure import Figure

from analytics.calendar import Interval
from analytics.metrics.catalogue import METRICS
from analytics.metrics.question import Question
from analytics.metrics.reads import figures
from analytics.projections.activity import DEFAULT_POLICY
from analytics.service import SERVICE as ANALYTICS
from kith.db.connections import Database
from kith.db.migrations import migrate
from kith.events.sales import OrderPlaced
from kith.ids import new_id
from kith.reach import EVERYONE
from kith_local.postgres import EmbeddedPostgres
from sales.service import SERVICE as SALES

SECONDS = 20
TICK = 0.02
PATIENCE = 60.0
TENANT = "bench"
CUSTOMERS = 100_000
_COLUMNS = ("id", "tenant_id", "type", "subject", "aggregate_version", "customer_id", "time", "recorded_at", "data")


async def run(postgres: EmbeddedPostgres, kafka: str | None) -> list[Figure]:
    await new_databases(postgres)
    bus = "Kafka" if kafka else "embedded bus"
    found = []
    async with workers(postgres, kafka):
        before = len(await until_visible(postgres, 100, 3, 0))  # workers are up, topics are there
        for per_second, most in ((1_000, 1_000), (5_000, 2_000)):
            ages = await until_visible(postgres, per_second, SECONDS, before)
            before += len(ages)
            found.append(_figure(f"freshness at {per_second:,}/s, {bus}: p99", ages, most))
    return found


async def new_databases(postgres: EmbeddedPostgres) -> None:
    """Of a house that nothing has happened in, replacing the ones before."""
    connection = await asyncpg.connect(postgres.url("postgres"))
    for name in ("fresh_sales", "fresh_analytics", "fresh_bus"):
        await connection.execute(f"DROP DATABASE IF EXISTS {name}")
        await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    await migrate(postgres.url("fresh_sales"), SALES.package, SALES.after_migrations)
    await migrate(postgres.url("fresh_analytics"), ANALYTICS.package, ANALYTICS.after_migrations)


def _figure(work: str, ages: list[float], most: float) -> Figure:
    ordered = sorted(ages)
    p50, p99 = (1000 * ordered[int(part * (len(ordered) - 1))] for part in (0.5, 0.99))
    return Figure(work, p99, "p50", p50, most, target_is_ratio=False, unit="ms")


@asynccontextmanager
async def workers(postgres: EmbeddedPostgres, kafka: str | None) -> AsyncIterator[None]:
    environment = {
        **os.environ,
        "KITH_DATABASE_URL_SALES": postgres.url("fresh_sales"),
        "KITH_DATABASE_URL_ANALYTICS": postgres.url("fresh_analytics"),
        "KITH_LOG_LEVEL": "WARNING",
        **({"KITH_KAFKA_BOOTSTRAP": kafka} if kafka else {"KITH_DATABASE_URL_BUS": postgres.url("fresh_bus")}),
    }
    running = [
        await asyncio.create_subprocess_exec(sys.executable, "-m", package, "worker", env=environment)
        for package in (SALES.package, ANALYTICS.package)
    ]
    try:
        yield
    finally:
        for process in running:
            process.terminate()
        for process in running:
            await process.wait()


async def until_visible(postgres: EmbeddedPostgres, per_second: int, seconds: int, before: int) -> list[float]:
    """Of each event the seconds from its commit until revenue counted it; `before` are counted already."""
    committed: list[tuple[int, float]] = []
    writing = asyncio.create_task(_write(postgres.url("fresh_sales"), per_second, seconds, committed))
    database = Database(postgres.url("fresh_analytics"), pool_size=1, application="bench")
    ages: list[float] = []
    reached, deadline = 0, time.perf_counter() + seconds + PATIENCE
    try:
        while not (writing.done() and reached == len(committed)):
            if time.perf_counter() > deadline:
                raise TimeoutError(f"{len(ages):,} events were visible after {seconds + PATIENCE:.0f} s, no more")
            visible, now = await _revenue(database) - before, time.perf_counter()
            seen = bisect.bisect_right(committed, visible, key=lambda each: each[0])
            for index in range(reached, seen):
                events = committed[index][0] - (committed[index - 1][0] if index else 0)
                ages += [now - committed[index][1]] * events
            reached = seen
            await asyncio.sleep(TICK)
    finally:
        await database.close()
        await writing
    return ages


async def _revenue(database: Database) -> int:
    now = datetime.now(UTC)
    query = Question(Interval(now - timedelta(days=1), now + timedelta(days=1)), "UTC", DEFAULT_POLICY, reach=EVERYONE)
    async with database.read(TENANT) as connection:
        (figure,) = await figures(connection, TENANT, [METRICS["revenue"]], query)
    return int(figure.value or 0)


async def _write(url: str, per_second: int, seconds: int, committed: list[tuple[int, float]]) -> None:
    """A commit each tick. Notes how many events there are by then, and when it was."""
    chance = random.Random(1)
    customers = [UUID(int=chance.getrandbits(128)) for _ in range(CUSTOMERS)]
    data = msgspec.json.encode(OrderPlaced(value=Decimal("1.0000"), currency="EUR", country="Germany"))
    connection = await asyncpg.connect(url)
    started, written = time.perf_counter(), 0
    try:
        while written < per_second * seconds:
            due = min(int((time.perf_counter() - started) * per_second), per_second * seconds) - written
            if due:
                now = datetime.now(UTC)
                await connection.copy_records_to_table(
                    "outbox",
                    records=[
                        (new_id(), TENANT, OrderPlaced.type, new_id(), 1, chance.choice(customers), now, now, data)
                        for _ in range(due)
                    ],
                    columns=_COLUMNS,
                )
                written += due
                committed.append((written, time.perf_counter()))
            await asyncio.sleep(TICK)
    finally:
        await connection.close()
