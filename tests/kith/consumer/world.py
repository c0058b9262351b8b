"""A service with one subscription, small enough to look into: its only effect is a row per event."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from time import monotonic
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, Column, Identity, MetaData, Table, Uuid, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kith.bus.port import Bus, Outgoing
from kith.consumer import Subscription, consumer_tables, run
from kith.db.removed import removed_tenants_table
from kith.events.envelope import Envelope

METADATA = MetaData()
OFFSETS, LETTERS = consumer_tables(METADATA)
REMOVED = removed_tenants_table(METADATA)
EFFECTS = Table(
    "effects",
    METADATA,
    Column("seq", BigInteger, Identity(always=True), primary_key=True),
    Column("topic_id", Uuid, nullable=False),
    Column("event_id", Uuid, nullable=False),
    Column("subject", Uuid, nullable=False),
)
PATIENCE = 30.0
PARTITIONS = 4


class Broken(Exception):
    """What the handler raises at an event that it cannot handle."""


class World:
    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.id = uuid4()
        self.topic = f"world-{self.id.hex}"
        self.group = f"group-{self.id.hex}"
        self.subscription = Subscription(self.group, (self.topic,), self.handle)
        self.broken: set[UUID] = set()
        self.before: Callable[[AsyncConnection, Sequence[Envelope]], Awaitable[None]] | None = None
        """Runs inside each call of the handler, first."""
        self.calls: list[int] = []
        self.version = 0

    async def handle(self, connection: AsyncConnection, envelopes: Sequence[Envelope]) -> None:
        self.calls.append(len(envelopes))
        if self.before is not None:
            await self.before(connection, envelopes)
        for envelope in envelopes:
            if envelope.id in self.broken:
                raise Broken(f"cannot handle {envelope.id}")
            row = {"topic_id": self.id, "event_id": envelope.id, "subject": envelope.subject}
            await connection.execute(insert(EFFECTS).values(row))

    def event(self, subject: UUID, tenant: str = "acme") -> Envelope:
        self.version += 1
        now = datetime.now(UTC)
        return Envelope(
            id=uuid4(),
            source="world",
            type="world.thing.happened.v1",
            subject=subject,
            time=now,
            tenant_id=tenant,
            customer_id=None,
            aggregate_version=self.version,
            recorded_at=now,
            traceparent=None,
            data=b"{}",
        )

    def events(self, *, subjects: int, each: int = 1, tenants: int = 1) -> list[Envelope]:
        """Events of several tenants by turns."""
        aggregates = [(uuid4(), f"acme{number % tenants or ''}") for number in range(subjects)]
        return [self.event(subject, tenant) for _ in range(each) for subject, tenant in aggregates]

    async def publish(self, bus: Bus, events: Iterable[Envelope]) -> None:
        await self.publish_messages(bus, [self.message(event) for event in events])

    def message(self, event: Envelope) -> Outgoing:
        return Outgoing(self.topic, event.key(), event.data, event.headers())

    async def publish_messages(self, bus: Bus, messages: Sequence[Outgoing]) -> None:
        await bus.create_topics({self.topic: PARTITIONS})
        async with bus.producer() as producer:
            await producer.publish(messages)

    async def effects(self) -> list[UUID]:
        """The events that took effect, in that order."""
        async with self.engine.connect() as connection:
            rows = await connection.execute(
                select(EFFECTS.c.event_id).where(EFFECTS.c.topic_id == self.id).order_by(EFFECTS.c.seq)
            )
            return list(rows.scalars())

    async def dead_letters(self) -> list[tuple[UUID | None, str, bool]]:
        """Event, reason and whether it was parked, of what is unresolved."""
        columns = LETTERS.c
        async with self.engine.connect() as connection:
            rows = await connection.execute(
                select(columns.event_id, columns.reason, columns.parked)
                .where(columns.group_name == self.group, columns.replayed_at.is_(None), columns.discarded_at.is_(None))
                .order_by(columns.id)
            )
            return [tuple(row) for row in rows]

    async def letter_ids(self) -> list[int]:
        async with self.engine.connect() as connection:
            rows = await connection.execute(
                select(LETTERS.c.id).where(LETTERS.c.group_name == self.group).order_by(LETTERS.c.id)
            )
            return list(rows.scalars())

    @asynccontextmanager
    async def running(self, bus: Bus, **settings: int) -> AsyncIterator[asyncio.Event]:
        """The subscription runs meanwhile; in the end it is stopped, and raises what it had to raise."""
        stop = asyncio.Event()
        task = asyncio.create_task(run(self.subscription, bus, self.engine, stop=stop, **settings))
        try:
            yield stop
            stop.set()
            async with asyncio.timeout(PATIENCE):
                await task
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task

    async def run_until(self, bus: Bus, condition: Callable[[], Awaitable[bool]], **settings: int) -> None:
        async with self.running(bus, **settings):
            await eventually(condition)

    async def run_until_applied(self, bus: Bus, count: int, **settings: int) -> None:
        async def applied() -> bool:
            return len(await self.effects()) >= count

        await self.run_until(bus, applied, **settings)

    async def run_until_it_raises(self, bus: Bus, **settings: int) -> None:
        async with asyncio.timeout(PATIENCE):
            await run(self.subscription, bus, self.engine, stop=asyncio.Event(), **settings)


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    deadline = monotonic() + PATIENCE
    while not await condition():
        assert monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.02)
