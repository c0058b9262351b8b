"""The fold of 1M customers' events into the ledger and the activity spans, by one process, against a bare COPY of the
same rows; and from Kafka, through the consumer."""

import asyncio
import gc
import itertools
import random
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import asyncpg
import msgspec
from tests.bench.measure import SECONDS, Figure

from analytics.consumers import handle
from analytics.service import SERVICE
from kith.bus import open_bus
from kith.bus.port import Outgoing
from kith.consumer import Subscription
from kith.consumer import run as run_consumer
from kith.db.migrations import migrate
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.events.envelope import Envelope
from kith.events.sales import OrderPlaced
from kith.ids import new_id
from kith.runtime.process import GC_OBJECTS
from kith_local.postgres import EmbeddedPostgres

BATCH = 5000
ON_KAFKA = 100_000
PARTITIONS = 24
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


async def run(postgres: EmbeddedPostgres, kafka: str | None) -> list[Figure]:
    connection = await asyncpg.connect(postgres.url("postgres"))
    await connection.execute("CREATE DATABASE fold")
    await connection.close()
    url = postgres.url("fold")
    await migrate(url, SERVICE.package, SERVICE.after_migrations)
    gc.freeze()
    gc.set_threshold(GC_OBJECTS)  # as the worker does
    chance = random.Random(1)
    ids = [UUID(int=chance.getrandbits(128)) for _ in range(CUSTOMERS)]
    ceiling = await _copy(url, ids, chance)
    uniform = await _fold(url, (chance.choice(ids) for _ in itertools.count()), chance)
    skewed = await _fold(url, (ids[int(CUSTOMERS * chance.random() ** 8)] for _ in itertools.count()), chance)
    bare = "bare COPY"
    figures = [
        Figure("fold, uniform", uniform, bare, ceiling, 25_000, target_is_ratio=False),
        Figure("fold, skewed", skewed, bare, ceiling, 60_000, target_is_ratio=False),
    ]
    if kafka is not None:
        consumed = await _consume(url, kafka, (chance.choice(ids) for _ in itertools.count()), chance)
        figures.append(Figure("fold on Kafka, uniform", consumed, "handler alone", uniform, 0.8))
    return figures


def orders(customers: Iterable[UUID], chance: random.Random, tenant: str = "bench") -> Iterator[Envelope]:
    """An order of each customer, of the last year."""
    now = datetime.now(UTC)
    data = msgspec.json.encode(OrderPlaced(value=Decimal("12.5000"), currency="EUR", country="Germany"))
    for customer in customers:
        yield Envelope(
            id=new_id(),
            source="sales",
            type=OrderPlaced.type,
            subject=new_id(),
            time=now - timedelta(seconds=chance.randrange(31_536_000)),
            tenant_id=tenant,
            customer_id=customer,
            aggregate_version=1,
            recorded_at=now,
            traceparent=None,
            data=data,
        )


def _events(customers: Iterator[UUID], chance: random.Random) -> list[Envelope]:
    return list(orders(itertools.islice(customers, BATCH), chance))


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


async def _consume(url: str, kafka: str, customers: Iterator[UUID], chance: random.Random) -> float:
    """Of a topic that holds them all before, from the first batch folded to the last."""
    engine = create_engine(url, role=WORKER_ROLE, pool_size=3, application="bench")
    connection = await asyncpg.connect(url)
    subscription = Subscription("bench.fold", ("bench.fold",), handle)
    stop = asyncio.Event()
    async with open_bus(kafka, None) as bus:
        await bus.create_topics({"bench.fold": PARTITIONS})
        async with bus.producer() as producer:
            for _ in range(ON_KAFKA // BATCH):
                events = _events(customers, chance)
                await producer.publish(Outgoing("bench.fold", e.key(), e.data, e.headers()) for e in events)
        before = await _folded(connection)
        consumer = asyncio.create_task(run_consumer(subscription, bus, engine, stop=stop))
        while (first := await _folded(connection)) == before and not consumer.done():  # noqa: ASYNC110 - only the database knows
            await asyncio.sleep(0.05)
        started = time.perf_counter()
        while (done := await _folded(connection)) < before + ON_KAFKA and not consumer.done():  # noqa: ASYNC110 - the same
            await asyncio.sleep(0.05)
        elapsed = time.perf_counter() - started
        stop.set()
        await consumer
    await connection.close()
    await engine.dispose()
    return (done - first) / elapsed


async def _folded(connection: "asyncpg.Connection[asyncpg.Record]") -> int:
    """By the offsets, which are moved with what they are of: to count the ledger would take from what is measured."""
    return int(await connection.fetchval("SELECT coalesce(sum(next_offset), 0) FROM consumer_offsets"))
