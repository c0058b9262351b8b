"""The relay, from a full outbox to the bus, against publishing the same messages without an outbox."""

import asyncio
import time
from datetime import UTC, datetime

import asyncpg
from tests.bench.measure import Figure, rate

from kith.bus import open_bus
from kith.bus.port import Bus, Outgoing
from kith.db.migrations import migrate
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.events.envelope import Envelope
from kith.ids import new_id
from kith.outbox.relay import BATCH, Relay, topic_of
from kith_local.postgres import EmbeddedPostgres
from sales.service import SERVICE

EVENTS = 100_000
PARTITIONS = 24


async def run(postgres: EmbeddedPostgres, kafka: str | None) -> list[Figure]:
    connection = await asyncpg.connect(postgres.url("postgres"))
    for name in ("relay", "bus"):
        await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    await migrate(postgres.url("relay"), SERVICE.package)
    figures = []
    for name, bootstrap, target in (("Kafka", kafka, 40_000), ("embedded bus", None, 10_000)):
        if name == "Kafka" and kafka is None:
            continue
        async with open_bus(bootstrap, postgres.url("bus")) as bus:
            ceiling = await _publish(bus)
            relayed = await _relay(postgres.url("relay"), bus)
        figures.append(Figure(f"relay, {name}", relayed, "publishing alone", ceiling, target, target_is_ratio=False))
    return figures


def _envelope() -> Envelope:
    now = datetime.now(UTC)
    return Envelope(
        id=new_id(),
        source="sales",
        type="sales.order.placed.v1",
        subject=new_id(),
        time=now,
        tenant_id="bench",
        customer_id=new_id(),
        aggregate_version=1,
        recorded_at=now,
        traceparent=None,
        data=b'{"value":"12.5000","currency":"EUR","country":"Germany"}',
    )


async def _publish(bus: Bus) -> float:
    topic = "bench.ceiling"
    await bus.create_topics({topic: PARTITIONS})
    messages = [Outgoing(topic, e.key(), e.data, e.headers()) for e in (_envelope() for _ in range(BATCH))]
    async with bus.producer() as producer:
        return await rate(lambda: producer.publish(messages), counts=BATCH)


async def _relay(url: str, bus: Bus) -> float:
    connection = await asyncpg.connect(url)
    await connection.execute("TRUNCATE outbox")
    await connection.copy_records_to_table(
        "outbox",
        records=[
            (e.id, e.tenant_id, e.type, e.subject, 1, e.customer_id, e.time, e.recorded_at, e.data)
            for e in (_envelope() for _ in range(EVENTS))
        ],
        columns=(
            "id",
            "tenant_id",
            "type",
            "subject",
            "aggregate_version",
            "customer_id",
            "time",
            "recorded_at",
            "data",
        ),
    )
    engine = create_engine(url, role=WORKER_ROLE, pool_size=2, application="bench")
    relay = Relay("sales", engine, SERVICE.outbox, bus, partitions=PARTITIONS, retention_days=7)
    await bus.create_topics({topic_of("sales"): PARTITIONS})
    stop = asyncio.Event()
    started = time.perf_counter()
    running = asyncio.create_task(relay.run(stop))
    while await connection.fetchval("SELECT EXISTS (SELECT FROM outbox WHERE published_at IS NULL)"):  # noqa: ASYNC110 - only the database knows
        await asyncio.sleep(0.05)
    elapsed = time.perf_counter() - started
    stop.set()
    await running
    await engine.dispose()
    await connection.close()
    return EVENTS / elapsed
