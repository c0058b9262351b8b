"""The fold of 1M customers' events into the ledger and the activity spans, by one process, against a bare COPY of the
same rows."""

import itertools
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import asyncpg
import msgspec
from tests.bench.measure import SECONDS, Figure

from analytics.consumers import handle
from analytics.service import SERVICE
from kith.db import create_engine
from kith.events.envelope import Envelope
from kith.events.sales import OrderPlaced
from kith.ids import new_id
from kith.migrations import migrate
from kith.tenancy import WORKER_ROLE
from kith_local.postgres import EmbeddedPostgres

BATCH = 5000
CUSTOMERS = 1_000_000
COLUMNS = (
    "tenant_id",
    "id",
    "type",
    "source",
    "subject",
    "aggregate_version",
    "customer_id",
    "time",
    "recorded_at",
    "data",
)


async def run(postgres: EmbeddedPostgres, _: str | None) -> list[Figure]:
    connection = await asyncpg.connect(postgres.url("postgres"))
    await connection.execute("CREATE DATABASE fold")
    await connection.close()
    url = postgres.url("fold")
    await migrate(url, SERVICE.package, SERVICE.after_migrations)
    chance = random.Random(1)
    ids = [UUID(int=chance.getrandbits(128)) for _ in range(CUSTOMERS)]
    ceiling = await _copy(url, ids, chance)
    uniform = await _fold(url, (chance.choice(ids) for _ in itertools.count()), chance)
    skewed = await _fold(url, (ids[int(CUSTOMERS * chance.random() ** 8)] for _ in itertools.count()), chance)
    bare = "bare COPY"
    return [
        Figure("fold, uniform", uniform, bare, ceiling, 25_000, target_is_ratio=False),
        Figure("fold, skewed", skewed, bare, ceiling, 60_000, target_is_ratio=False),
    ]


def _events(customers: Iterator[UUID], chance: random.Random) -> list[Envelope]:
    now = datetime.now(UTC)
    data = msgspec.json.encode(OrderPlaced(value=Decimal("12.5000"), currency="EUR", country="Germany"))
    return [
        Envelope(
            id=new_id(),
            source="sales",
            type=OrderPlaced.type,
            subject=new_id(),
            time=now - timedelta(seconds=chance.randrange(31_536_000)),
            tenant_id="bench",
            customer_id=customer,
            aggregate_version=1,
            recorded_at=now,
            traceparent=None,
            data=data,
        )
        for customer in itertools.islice(customers, BATCH)
    ]


async def _copy(url: str, ids: list[UUID], chance: random.Random) -> float:
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE ceiling (LIKE ledger)")
    batch = _events((chance.choice(ids) for _ in itertools.count()), chance)
    rows = [
        (e.tenant_id, e.id, e.type, e.source, e.subject, 1, e.customer_id, e.time, e.recorded_at, e.data.decode())
        for e in batch
    ]
    done, started = 0, time.perf_counter()
    while time.perf_counter() < started + SECONDS:
        await connection.copy_records_to_table("ceiling", records=rows, columns=COLUMNS)
        done += BATCH
    elapsed = time.perf_counter() - started
    await connection.close()
    return done / elapsed


async def _fold(url: str, customers: Iterator[UUID], chance: random.Random) -> float:
    engine = create_engine(url, role=WORKER_ROLE, pool_size=1, application="bench")
    done, spent = 0, 0.0
    while spent < SECONDS * 2:
        batch = _events(customers, chance)
        started = time.perf_counter()
        async with engine.begin() as connection:
            await handle(connection, batch)
        spent += time.perf_counter() - started
        done += BATCH
    await engine.dispose()
    return done / spent
