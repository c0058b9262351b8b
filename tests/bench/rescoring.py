"""A model with half-lives is published for a tenant of 100,000 customers: what another tenant notices of it. How long
its events take until figures count them, and until their customers are scored; quiet, and meanwhile. Workers are
processes of their own, as they run."""
# ruff: noqa: S608 - the statements are made of this file's constants

import asyncio
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import asyncpg
import msgspec
from tests.bench.freshness import TENANT, new_databases, until_visible, workers
from tests.bench.half_lives import DOCUMENT
from tests.bench.measure import Figure

from analytics.consumers import handle
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.events.analytics import HealthModelPublished
from kith.events.envelope import Envelope
from kith.events.sales import OrderPlaced
from kith.ids import new_id
from kith_local.postgres import EmbeddedPostgres

WHALE = "whale"
CUSTOMERS, ORDERS = 100_000, 8
PER_SECOND, SECONDS, QUIET = 200, 15, 4
FRESH, SCORED = 2_000, 5_000
"""Milliseconds: the most it may take at the 99th percentile."""
PATIENCE = 3_600
_COLUMNS = ("id", "tenant_id", "type", "subject", "aggregate_version", "customer_id", "time", "recorded_at", "data")
_FILL = (
    f"""
    INSERT INTO facts (tenant_id, subject, version, type, time, event_id, customer_id, amount, currency, clock_since,
                       state)
    SELECT '{WHALE}', uuidv7(), 1, 'sales.order.placed.v1', at, uuidv7(), md5((n % {CUSTOMERS})::text)::uuid,
           10 + n % 500, 'EUR', at, '{{"value": "10", "currency": "EUR"}}'
    FROM (
        SELECT n, now() - random() * interval '730 days' AS at FROM generate_series(1, {CUSTOMERS * ORDERS}) n
    ) t
    """,
    f"""
    INSERT INTO health_queue (tenant_id, customer_id)
    SELECT '{WHALE}', md5(n::text)::uuid FROM generate_series(0, {CUSTOMERS - 1}) n
    """,
    "VACUUM ANALYZE facts",
)


async def run(postgres: EmbeddedPostgres, _: str | None) -> list[Figure]:
    await new_databases(postgres)
    analytics = await asyncpg.connect(postgres.url("fresh_analytics"))
    for statement in _FILL:
        await analytics.execute(statement)
    try:
        async with workers(postgres, None):
            before = len(await until_visible(postgres, 100, 3, 0))
            first = await _took(analytics, f"SELECT count(*) = 0 FROM health_queue WHERE tenant_id = '{WHALE}'")
            quiet, quiet_scores = await _noticed(postgres, analytics, before, QUIET)
            before += len(quiet)
            started = time.perf_counter()
            await _publish(postgres.url("fresh_analytics"))
            ages, scores = list[float](), list[float]()
            done = f"SELECT finished_at IS NOT NULL FROM health_rescorings WHERE tenant_id = '{WHALE}'"
            while not await analytics.fetchval(done):
                fresh, scored = await _noticed(postgres, analytics, before, 1)
                before += len(fresh)
                ages, scores = ages + fresh, scores + scored
            took = time.perf_counter() - started
            # The machine may have had other things to do meanwhile: it is quiet before and after.
            quiet_again, quiet_scores_again = await _noticed(postgres, analytics, before, QUIET)
            quiet, quiet_scores = quiet + quiet_again, quiet_scores + quiet_scores_again
    finally:
        await analytics.close()
    of = f"{CUSTOMERS:,} customers"
    return [
        Figure(f"{of} scored by half-lives again", took, "scored for the first time", first, 600, False, " s"),
        _beside(f"... another's freshness, p50 of {len(ages):,}", ages, quiet, 0.5, FRESH),
        _beside("... another's freshness, p99", ages, quiet, 0.99, FRESH),
        _beside(f"... another's scores, p50 of {len(scores)}", scores, quiet_scores, 0.5, SCORED),
        _beside("... another's scores, p99", scores, quiet_scores, 0.99, SCORED),
    ]


def _beside(work: str, meanwhile: list[float], quiet: list[float], part: float, most: float) -> Figure:
    at, at_quiet = (1000 * sorted(each)[int(part * (len(each) - 1))] for each in (meanwhile, quiet))
    return Figure(work, at, "quiet", at_quiet, most, target_is_ratio=False, unit="ms")


async def _took(connection: asyncpg.Connection, done: str) -> float:
    started = time.perf_counter()
    async with asyncio.timeout(PATIENCE):
        while not await connection.fetchval(done):  # noqa: ASYNC110 - another process says so
            await asyncio.sleep(0.5)
    return time.perf_counter() - started


async def _noticed(
    postgres: EmbeddedPostgres, analytics: asyncpg.Connection, before: int, times: int
) -> tuple[list[float], list[float]]:
    """Of some seconds: of each event until a figure counted it, and of some customers until they were scored."""
    ages, scores = list[float](), list[float]()
    probing = asyncio.create_task(_probe(postgres.url("fresh_sales"), analytics, scores))
    try:
        for _ in range(times):
            ages += await until_visible(postgres, PER_SECOND, SECONDS, before + len(ages))
    finally:
        probing.cancel()
        await asyncio.gather(probing, return_exceptions=True)
    return ages, scores


async def _probe(url: str, analytics: asyncpg.Connection, scores: list[float]) -> None:
    """One customer after the other buys something, of value 0, and is waited for."""
    data = msgspec.json.encode(OrderPlaced(value=Decimal(0), currency="EUR"))
    sales = await asyncpg.connect(url)
    try:
        while True:
            customer, now = new_id(), datetime.now(UTC)
            row = (new_id(), TENANT, OrderPlaced.type, new_id(), 1, customer, now, now, data)
            await sales.copy_records_to_table("outbox", records=[row], columns=_COLUMNS)
            started = time.perf_counter()
            scored = "SELECT count(*) FROM health_scores WHERE tenant_id = $1 AND customer_id = $2"
            while not await analytics.fetchval(scored, TENANT, customer):  # noqa: ASYNC110 - another process does it
                await asyncio.sleep(0.02)
            scores.append(time.perf_counter() - started)
            await asyncio.sleep(0.2)
    finally:
        await sales.close()


async def _publish(url: str) -> None:
    now = datetime.now(UTC) - timedelta(seconds=1)
    envelope = Envelope(
        id=new_id(),
        source="analytics",
        type=HealthModelPublished.type,
        subject=new_id(),
        time=now,
        tenant_id=WHALE,
        customer_id=None,
        aggregate_version=1,
        recorded_at=now,
        traceparent=None,
        data=msgspec.json.encode(HealthModelPublished(number=1, document=DOCUMENT)),
    )
    engine = create_engine(url, role=WORKER_ROLE, pool_size=1, application="bench")
    async with engine.begin() as connection:
        await handle(connection, [envelope])
    await engine.dispose()
