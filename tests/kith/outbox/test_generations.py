"""Partitions are added while events are written: none is lost or counted twice, and each aggregate's come in order."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from itertools import count
from time import monotonic
from uuid import UUID, uuid4

import pytest
from sqlalchemy import BigInteger, Column, Identity, Integer, MetaData, Table, Uuid, func, insert, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from tests.conftest import FreshDatabase
from tests.kith.adapters import Adapter

from analytics.consumers import SUBSCRIPTIONS
from analytics.service import SERVICE as ANALYTICS
from kith.bus.generations import WrongGeneration, check_generation, ends_of, of_generation
from kith.consumer import Subscription, consumer_tables, generations
from kith.consumer.generations import follow
from kith.db.login import sqlalchemy_url
from kith.db.removed import removed_tenants_table
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.events.envelope import Envelope
from kith.outbox import relay as relay_module
from kith.outbox.relay import Relay, Watermark, topic_of
from kith.outbox.table import outbox_table
from kith.testing import Issuer, Tenant, serving
from kith_local.postgres import EmbeddedPostgres
from sales.service import SERVICE as SALES

METADATA = MetaData()
OUTBOX = outbox_table(METADATA)
OFFSETS, _ = consumer_tables(METADATA)
removed_tenants_table(METADATA)
EFFECTS = Table(
    "effects",
    METADATA,
    Column("seq", BigInteger, Identity(always=True), primary_key=True),
    Column("event_id", Uuid, unique=True, nullable=False),
    Column("subject", Uuid, nullable=False),
    Column("version", Integer, nullable=False),
)
PATIENCE = 40.0
FEW, MORE = 3, 5
"""Partitions of the first generation, and of the second."""


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generations, "_LOOK_SECONDS", 0.1)
    monkeypatch.setattr(relay_module, "_RETRY", 0.1)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    deadline = monotonic() + PATIENCE
    while not await condition():
        assert monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.02)


@asynccontextmanager
async def running(work: Callable[[asyncio.Event], Awaitable[None]]) -> AsyncIterator[None]:
    """It runs meanwhile; in the end it is stopped, and raises what it had to raise."""
    stop = asyncio.Event()
    task = asyncio.ensure_future(work(stop))
    try:
        yield
        stop.set()
        async with asyncio.timeout(PATIENCE):
            await task
    finally:
        task.cancel()
        await asyncio.wait([task])


class World:
    """A service that publishes and consumes its own events, of aggregates that change again and again."""

    def __init__(self, adapter: Adapter, engine: AsyncEngine) -> None:
        self.adapter, self.engine = adapter, engine
        self.service = f"world-{uuid4().hex}"
        self.topic = topic_of(self.service)
        self.subscription = Subscription(self.service, (self.topic,), self.handle)
        self.versions: dict[UUID, int] = {uuid4(): 0 for _ in range(12)}

    async def handle(self, connection: AsyncConnection, envelopes: Sequence[Envelope]) -> None:
        rows = [
            {"event_id": each.id, "subject": each.subject, "version": each.aggregate_version}
            for each in envelopes
            if each.type != Watermark.type
        ]
        for row in rows:
            await connection.execute(upsert(EFFECTS).values(row).on_conflict_do_nothing())

    async def write(self, events: int, *, until: asyncio.Event | None = None) -> None:
        """As an API does: one event after the other of an aggregate, of several by turns. So many, and on until."""
        for number in count():
            if number >= events and (until is None or until.is_set()):
                return
            subject = list(self.versions)[number % len(self.versions)]
            self.versions[subject] += 1
            now = datetime.now(UTC)
            async with self.engine.begin() as connection:
                await connection.execute(
                    insert(OUTBOX).values(
                        id=uuid4(),
                        tenant_id="acme",
                        type="world.thing.changed.v1",
                        subject=subject,
                        aggregate_version=self.versions[subject],
                        time=now,
                        recorded_at=now,
                        data=b"{}",
                    )
                )

    async def relay(self, stop: asyncio.Event, *, generation: int, partitions: int) -> None:
        async with self.adapter.bus() as bus:
            await Relay(
                self.service,
                self.engine,
                OUTBOX,
                bus,
                partitions=partitions,
                retention_days=7,
                generation=generation,
            ).run(stop)

    async def consume(self, stop: asyncio.Event, *, generation: int) -> None:
        async with self.adapter.bus() as bus:
            await follow(self.subscription, bus, self.engine, stop=stop, generation=generation)

    async def effects(self) -> int:
        async with self.engine.connect() as connection:
            return await connection.scalar(select(func.count()).where(EFFECTS.c.subject.in_(self.versions))) or 0

    async def ends(self, generation: int) -> int | None:
        async with self.adapter.bus() as bus, bus.producer() as producer:
            found = await ends_of(producer, of_generation(self.topic, generation))
        return None if found is None else sum(found)

    async def offsets(self, generation: int) -> int:
        """How many messages of it were read."""
        read = select(func.coalesce(func.sum(OFFSETS.c.next_offset), 0)).where(OFFSETS.c.group_name == self.service)
        async with self.engine.connect() as connection:
            topic = of_generation(self.topic, generation)
            return int(await connection.scalar(read.where(OFFSETS.c.topic == topic)) or 0)

    async def unpublished(self) -> int:
        async with self.engine.connect() as connection:
            return await connection.scalar(select(func.count()).where(OUTBOX.c.published_at.is_(None))) or 0

    async def until_effects(self, count: int) -> None:
        async def there() -> bool:
            return await self.effects() >= count

        await until(there)

    async def check(self) -> None:
        """Every event took effect once, in the order of its aggregate."""
        async with self.engine.connect() as connection:
            rows = await connection.execute(
                select(EFFECTS.c.subject, EFFECTS.c.version)
                .where(EFFECTS.c.subject.in_(self.versions))
                .order_by(EFFECTS.c.seq)
            )
            found: dict[UUID, list[int]] = {subject: [] for subject in self.versions}
            for subject, version in rows:
                found[subject].append(version)
        assert found == {subject: list(range(1, last + 1)) for subject, last in self.versions.items()}


@pytest.fixture
async def world(adapter: Adapter, postgres: EmbeddedPostgres) -> AsyncIterator[World]:
    name = f"generations_{uuid4().hex}"
    await asyncio.to_thread(postgres.create_databases, name)
    engine = create_async_engine(sqlalchemy_url(postgres.url(name)), pool_size=20)
    async with engine.begin() as connection:
        await connection.run_sync(METADATA.create_all)
    yield World(adapter, engine)
    await engine.dispose()


async def test_workers_are_replaced_one_by_one_while_events_are_written(world: World) -> None:
    async with AsyncExitStack() as former, AsyncExitStack() as latter:
        for _ in range(2):
            await former.enter_async_context(running(partial(world.relay, generation=1, partitions=FEW)))
            await former.enter_async_context(running(partial(world.consume, generation=1)))
        enough = asyncio.Event()
        writing = asyncio.create_task(world.write(100, until=enough))
        await world.until_effects(50)
        for _ in range(2):
            await latter.enter_async_context(running(partial(world.relay, generation=2, partitions=MORE)))
            await latter.enter_async_context(running(partial(world.consume, generation=2)))
        await world.until_effects(100)
        await former.aclose()

        async def second_is_read() -> bool:
            return await world.offsets(2) > 50

        await until(second_is_read)
        enough.set()
        await writing
        await world.until_effects(sum(world.versions.values()))
    await world.check()
    assert await world.offsets(1) > 50


async def test_what_stands_in_the_former_topics_is_read_before_the_latter(world: World) -> None:
    """Nobody reads when the relay changes over: of each aggregate there are events in both."""
    async with running(partial(world.relay, generation=1, partitions=FEW)):
        async with running(partial(world.consume, generation=1)):
            await world.write(60)
            await world.until_effects(60)
        await world.write(240)

        async def all_is_published() -> bool:
            return not await world.unpublished()

        await until(all_is_published)
    async with running(partial(world.relay, generation=2, partitions=MORE)):
        await world.write(300)
        await until(all_is_published)
        async with AsyncExitStack() as stack:
            for _ in range(3):
                await stack.enter_async_context(running(partial(world.consume, generation=2)))
            await world.until_effects(600)
    await world.check()


async def test_consumers_wait_for_a_relay_that_has_not_changed_over(world: World) -> None:
    async with (
        running(partial(world.relay, generation=1, partitions=FEW)),
        running(partial(world.consume, generation=2)),
    ):
        await world.write(60)
        await world.until_effects(60)
        await world.write(60)
        await world.until_effects(120)
    assert await world.ends(2) is None
    await world.check()


async def test_a_worker_of_the_former_generation_publishes_nothing_any_more(world: World) -> None:
    async with running(partial(world.relay, generation=1, partitions=FEW)):
        await world.write(30)

        async def all_is_published() -> bool:
            return not await world.unpublished()

        await until(all_is_published)
    async with (
        running(partial(world.relay, generation=2, partitions=MORE)),
        running(partial(world.consume, generation=2)),
    ):
        await world.write(30)
        await world.until_effects(60)
    before = await world.ends(1)
    await world.write(30)
    async with (
        running(partial(world.relay, generation=1, partitions=FEW)),
        world.adapter.bus() as bus,
        bus.producer() as producer,
    ):
        with pytest.raises(WrongGeneration, match="in a later one"):
            await check_generation(producer, world.topic, 1)
        with pytest.raises(WrongGeneration, match="no generation 3"):
            await check_generation(producer, world.topic, 4)
        await check_generation(producer, world.topic, 3)
    assert await world.unpublished() == 30
    assert await world.ends(1) == before
    async with (
        running(partial(world.relay, generation=2, partitions=MORE)),
        running(partial(world.consume, generation=2)),
    ):
        await world.until_effects(90)
    await world.check()


async def test_a_topic_that_was_made_ahead_is_not_taken_for_begun(world: World) -> None:
    """As an operator of Kafka makes topics."""
    async with world.adapter.bus() as bus:
        await bus.create_topics({of_generation(world.topic, 2): MORE})
        async with bus.producer() as producer:
            await check_generation(producer, world.topic, 1)
    async with (
        running(partial(world.relay, generation=1, partitions=FEW)),
        running(partial(world.consume, generation=2)),
    ):
        await world.write(60)
        await world.until_effects(60)
    await world.check()


async def test_figures_are_what_the_service_holds_though_partitions_were_added_meanwhile(
    adapter: Adapter, fresh_database: FreshDatabase, issuer: Issuer, tenant: str
) -> None:
    sales_url, analytics_url = await fresh_database(SALES), await fresh_database(ANALYTICS)
    selling, counting = (
        create_engine(url, role=WORKER_ROLE, pool_size=8, application="test worker")
        for url in (sales_url, analytics_url)
    )
    service = f"sales-{uuid4().hex}"  # Kafka is shared with other tests
    subscription = Subscription("analytics-" + service, (topic_of(service),), SUBSCRIPTIONS[0].handle)

    async def work(stop: asyncio.Event, *, generation: int, partitions: int) -> None:
        async with adapter.bus() as bus:
            relay = Relay(
                service, selling, SALES.outbox, bus, partitions=partitions, retention_days=7, generation=generation
            )
            await asyncio.gather(relay.run(stop), follow(subscription, bus, counting, stop=stop, generation=generation))

    async def counted() -> tuple[int, Decimal | None]:
        figure = text("SELECT count(*), sum(amount) FROM facts WHERE tenant_id = :tenant")
        async with counting.connect() as connection:
            row = (await connection.execute(figure, {"tenant": tenant})).one()
            return row[0], row[1]

    async with serving(SALES, sales_url, issuer) as client:
        shop, placed = Tenant(client, issuer, tenant), list[Decimal]()
        done = asyncio.Event()

        async def sell() -> None:
            while not done.is_set():
                value = Decimal(len(placed) + 1)
                await shop.made("/v1/orders", value=str(value), currency="EUR", customer_id=str(uuid4()))
                placed.append(value)

        selling_on = asyncio.create_task(sell())

        async def has_counted(orders: int) -> bool:
            return (await counted())[0] >= orders

        async with running(partial(work, generation=1, partitions=FEW)):
            await until(partial(has_counted, 20))
        sold = len(placed)
        async with running(partial(work, generation=2, partitions=MORE)):
            await until(partial(has_counted, sold + 20))
            done.set()
            await selling_on
            await until(partial(has_counted, len(placed)))
    assert await counted() == (len(placed), sum(placed))
    for engine in (selling, counting):
        await engine.dispose()
