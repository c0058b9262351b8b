"""The relay brings every event to the bus, in order, at least once, and never claims more than is there."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, ClassVar, NamedTuple, Self
from uuid import UUID, uuid4

import msgspec
import pytest
from opentelemetry import trace
from sqlalchemy import MetaData, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from tests.kith.bus.readers import Reader

from kith.bus.embedded import EmbeddedBus
from kith.bus.partitioner import partition_of
from kith.bus.port import Bus, BusError, Consumer, Incoming, MessageRefused, NoTopic, Outgoing, Producer
from kith.consumer import consumer_tables
from kith.db.connections import Database, Transaction
from kith.db.login import sqlalchemy_url
from kith.db.removed import removed_tenants_table
from kith.db.sessions import create_engine
from kith.db.tables import aggregate_table
from kith.db.tenancy import WORKER_ROLE, create_roles, secure
from kith.events.envelope import Envelope
from kith.events.event import Event
from kith.ids import new_id
from kith.nouns.aggregate import Aggregate
from kith.nouns.calls import By
from kith.nouns.resource import Resource, View
from kith.nouns.unit_of_work import UnitOfWork
from kith.outbox import relay as relay_module
from kith.outbox.relay import Relay, Watermark, topic_of
from kith.outbox.table import outbox_table
from kith.reach import EVERYONE
from kith.runtime.telemetry import current_traceparent
from kith_local.postgres import EmbeddedPostgres

PATIENCE = 30.0
PARTITIONS = 4
TENANT = "acme"

METADATA = MetaData()
OUTBOX = outbox_table(METADATA)
_, LETTERS = consumer_tables(METADATA)
removed_tenants_table(METADATA)


class RecordedEvent(Event):
    type: ClassVar[str] = "world.thing.happened.v1"
    count: int


@dataclass(kw_only=True, eq=False)
class Thing(Aggregate):
    pass


THINGS = Resource("thing", "things", Thing, aggregate_table("things", METADATA), View, ())


class Crash(BaseException):
    """The process dies here: nobody catches that."""


class WatchedRelay(Relay):
    """Counts its rounds, so that a test can wait for some instead of for a while."""

    rounds = 0

    async def _snapshot(self, connection: Any) -> Any:
        snapshot = await super()._snapshot(connection)
        self.rounds += 1
        return snapshot


class FaultyBus:
    """Asks `fault(after, messages)` before and after publishing; it may raise. Notes how often an event was sent."""

    def __init__(self, inner: Bus, fault: Callable[[bool, Sequence[Outgoing]], None] | None = None) -> None:
        self._inner = inner
        self._fault = fault
        self.sent: Counter[UUID] = Counter()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def create_topics(self, topics: Mapping[str, int]) -> None:
        await self._inner.create_topics(topics)

    async def prune(self, age: timedelta) -> int:
        return await self._inner.prune(age)

    def history(self, topic: str, since: datetime) -> AsyncIterator[Sequence[Incoming]]:
        return self._inner.history(topic, since)

    def consumer(self, **arguments: Any) -> Consumer:
        return self._inner.consumer(**arguments)

    def producer(self) -> Producer:
        return _FaultyProducer(self, self._inner.producer())

    def ask(self, *, after: bool, messages: Sequence[Outgoing]) -> None:
        if self._fault is not None:
            self._fault(after, messages)


class _FaultyProducer:
    def __init__(self, bus: FaultyBus, inner: Producer) -> None:
        self._bus = bus
        self._inner = inner

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def publish(self, messages: Iterable[Outgoing]) -> None:
        messages = list(messages)
        self._bus.ask(after=False, messages=messages)
        await self._inner.publish(messages)
        envelopes = [Envelope.from_message(each.headers, each.value) for each in messages]
        self._bus.sent.update(each.id for each in envelopes if each.type != Watermark.type)
        self._bus.ask(after=True, messages=messages)

    async def end_offsets(self, topic: str) -> list[int]:
        return await self._inner.end_offsets(topic)


class Placed(NamedTuple):
    """An event, and where on the bus it stands."""

    partition: int
    offset: int
    envelope: Envelope


class Elsewhere:
    """A bus that is not in this PostgreSQL, as Kafka is not: publishing to it ends no transaction here."""

    def __init__(self) -> None:
        self.log: list[Placed] = []
        self._topics: set[str] = set()
        self._ends = [0] * PARTITIONS

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def create_topics(self, topics: Mapping[str, int]) -> None:
        self._topics |= topics.keys()

    async def prune(self, _age: timedelta) -> int:
        return 0

    def history(self, topic: str, since: datetime) -> AsyncIterator[Sequence[Incoming]]:
        raise AssertionError(f"nobody reads {topic} here since {since}")

    def consumer(self, **_: Any) -> Consumer:
        raise AssertionError("nobody consumes here: the log is read as it is")

    def producer(self) -> Self:
        return self

    async def publish(self, messages: Iterable[Outgoing]) -> None:
        for each in messages:
            partition = partition_of(each.key, PARTITIONS)
            envelope = Envelope.from_message(each.headers, each.value)
            self.log.append(Placed(partition, self._ends[partition], envelope))
            self._ends[partition] += 1

    async def end_offsets(self, topic: str) -> list[int]:
        if topic not in self._topics:
            raise NoTopic(topic)
        return list(self._ends)


class World:
    """A service with an outbox, and all that is on the bus of it."""

    def __init__(self, url: str, owner: AsyncEngine, bus: Bus) -> None:
        self.url = url
        self.owner = owner
        """Sees and does what no relay may."""
        self.bus = bus
        self.database = Database(url, pool_size=12, application="test writer")
        self.service = f"world-{uuid4().hex}"
        self.topic = topic_of(self.service)
        self.log: list[Placed] = []
        """What stands on the bus, watermarks as well, as far as it was read."""
        self._reader: Reader | None = None

    async def create(self) -> UUID:
        async with self.database.write(TENANT) as transaction:
            thing = Thing(id=new_id(), created_at=transaction.now, updated_at=transaction.now)
            uow = self.unit_of_work(transaction)
            uow.repository(THINGS).add(thing)
            uow.record(thing, RecordedEvent(count=0), at=transaction.now)
            await uow.flush()
        return thing.id

    async def change(self, id: UUID) -> None:
        async with self.database.write(TENANT) as transaction:
            uow = self.unit_of_work(transaction)
            things = uow.repository(THINGS)
            await things.load(ids=[id])
            thing = things.get(id)
            assert thing is not None
            things.replace(thing)
            uow.record(thing, RecordedEvent(count=thing.version), at=transaction.now)
            await uow.flush()

    @asynccontextmanager
    async def unfinished(self) -> AsyncIterator[Transaction]:
        """A transaction that has written its event and commits at the end of the block."""
        async with self.database.write(TENANT) as transaction:
            thing = Thing(id=new_id(), created_at=transaction.now, updated_at=transaction.now)
            uow = self.unit_of_work(transaction)
            uow.repository(THINGS).add(thing)
            uow.record(thing, RecordedEvent(count=0), at=transaction.now)
            await uow.flush()
            yield transaction

    def unit_of_work(self, transaction: Transaction) -> UnitOfWork:
        return UnitOfWork(transaction, source=self.service, outbox=OUTBOX, by=By("user:1", EVERYONE))

    def worker(self, name: str = "relay") -> AsyncEngine:
        return create_engine(self.url, role=WORKER_ROLE, pool_size=2, application=name)

    @asynccontextmanager
    async def relaying(self, *, bus: Bus | None = None, name: str = "relay") -> AsyncIterator[WatchedRelay]:
        """A relay runs meanwhile; in the end it is stopped, and raises what it had to raise."""
        engine, stop = self.worker(name), asyncio.Event()
        relay = WatchedRelay(self.service, engine, OUTBOX, bus or self.bus, partitions=PARTITIONS, retention_days=7)
        task = asyncio.create_task(relay.run(stop))
        try:
            yield relay
            stop.set()
            async with asyncio.timeout(PATIENCE):
                await task
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task
            await engine.dispose()

    async def rows(self) -> list[Any]:
        async with self.owner.connect() as connection:
            return list(await connection.execute(select(OUTBOX).order_by(OUTBOX.c.seq)))

    async def dead_letters(self) -> list[Any]:
        async with self.owner.connect() as connection:
            return list(await connection.execute(select(LETTERS).order_by(LETTERS.c.id)))

    async def unpublished(self) -> int:
        return sum(row.published_at is None for row in await self.rows())

    async def look(self) -> list[Placed]:
        """All that is on the bus by now."""
        if isinstance(self.bus, Elsewhere):
            return list(self.bus.log)
        if self._reader is None:
            await self.bus.create_topics({self.topic: PARTITIONS})
            self._reader = await Reader(self.bus, self.service, [self.topic]).__aenter__()
        while found := await self._reader.poll():
            self.log += [placed(message) for message in found]
        return self.log

    async def events(self) -> list[Placed]:
        return [each for each in await self.look() if each.envelope.type != Watermark.type]

    async def watermarks(self) -> list[Placed]:
        return [each for each in await self.look() if each.envelope.type == Watermark.type]

    async def until_published(self, count: int) -> list[Placed]:
        async def there() -> bool:
            return len(await self.events()) >= count

        await eventually(there)
        return await self.events()

    async def rest(self) -> None:
        """Until every committed row is marked."""

        async def none_is_left() -> bool:
            return not await self.unpublished()

        await eventually(none_is_left)

    async def close(self) -> None:
        if self._reader is not None:
            await self._reader.__aexit__(None, None, None)
        await self.database.close()


def placed(message: Incoming) -> Placed:
    return Placed(message.partition, message.offset, Envelope.from_message(message.headers, message.value))


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    deadline = monotonic() + PATIENCE
    while not await condition():
        assert monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.01)


async def rounds(relay: WatchedRelay, count: int) -> None:
    """Until it has looked at the outbox so many times more."""
    wanted = relay.rounds + count

    async def done() -> bool:
        return relay.rounds >= wanted

    await eventually(done)


@pytest.fixture(scope="session")
async def url(postgres: EmbeddedPostgres) -> str:
    name = f"relay_{uuid4().hex}"
    await asyncio.to_thread(postgres.create_databases, name)
    engine = create_async_engine(sqlalchemy_url(postgres.url(name)))
    async with engine.begin() as connection:
        await connection.run_sync(METADATA.create_all)
        for statement in (
            *create_roles(),
            *secure("outbox"),
            *secure("things"),
            *secure("dead_letters"),
            *secure("removed_tenants"),
        ):
            await connection.execute(text(statement))
    await engine.dispose()
    return postgres.url(name)


@pytest.fixture
async def owner(url: str) -> AsyncIterator[AsyncEngine]:
    owner = create_async_engine(sqlalchemy_url(url))
    async with owner.begin() as connection:
        await connection.execute(text("TRUNCATE outbox, things, dead_letters"))
    yield owner
    await owner.dispose()


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    # A watermark in each round: what is tested is what they say, not how often.
    monkeypatch.setattr(relay_module, "_WATERMARK_BUSY", 0.0)
    monkeypatch.setattr(relay_module, "_WATERMARK_IDLE", 0.0)
    monkeypatch.setattr(relay_module, "_RETRY", 0.02)


@pytest.fixture
async def world(url: str, owner: AsyncEngine, embedded_bus: EmbeddedBus) -> AsyncIterator[World]:
    world = World(url, owner, embedded_bus)
    yield world
    await world.close()


@pytest.fixture(params=["embedded", "elsewhere"])
async def watermarked(
    request: pytest.FixtureRequest, url: str, owner: AsyncEngine, embedded_bus: EmbeddedBus
) -> AsyncIterator[World]:
    """The world on either kind of bus: what ends transactions beside ours decides what a snapshot shows."""
    world = World(url, owner, embedded_bus if request.param == "embedded" else Elsewhere())
    yield world
    await world.close()


async def test_an_aggregates_events_arrive_in_the_order_they_happened(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "BATCH", 3)  # many batches, cut anywhere
    async with world.relaying():
        things = [await world.create() for _ in range(4)]
        await asyncio.gather(*(world.change(thing) for _ in range(12) for thing in things))
        published = await world.until_published(13 * 4)
    assert len(published) == 13 * 4
    for thing in things:
        versions = [each.envelope.aggregate_version for each in published if each.envelope.subject == thing]
        assert versions == list(range(1, 14))


async def test_what_a_slow_writer_commits_late_is_not_lost(world: World) -> None:
    async with world.relaying() as relay:
        async with world.unfinished():
            fast = [await world.create() for _ in range(20)]
            await world.until_published(20)
            await rounds(relay, 3)
        published = await world.until_published(21)
    (slow,) = {each.envelope.subject for each in published} - set(fast)
    rows = await world.rows()
    assert rows[0].subject == slow, "its sequence is lower than the ones published before it"


async def test_a_relay_that_dies_before_it_marks_publishes_the_same_events_again(world: World) -> None:
    things = [await world.create() for _ in range(5)]

    def die(after: bool, messages: Sequence[Outgoing]) -> None:
        if after:
            raise Crash

    with pytest.raises(Crash):
        async with world.relaying(bus=FaultyBus(world.bus, die)):
            await world.until_published(5)
    assert await world.unpublished() == 5

    async with world.relaying():
        await world.rest()
        published = await world.until_published(10)
    rows = await world.rows()
    assert Counter(each.envelope.id for each in published) == Counter({row.id: 2 for row in rows})
    assert {row.subject for row in rows} == set(things)


async def test_a_bus_that_fails_keeps_nothing_from_arriving_once_it_works(world: World) -> None:
    broken = asyncio.Event()
    broken.set()
    refused = 0

    def fail(after: bool, messages: Sequence[Outgoing]) -> None:
        nonlocal refused
        if broken.is_set():
            refused += 1
            raise BusError("the bus is away")

    bus = FaultyBus(world.bus, fail)
    async with world.relaying(bus=bus):
        for _ in range(5):
            await world.create()

        async def tried() -> bool:
            return refused >= 3

        await eventually(tried)
        assert await world.unpublished() == 5
        assert await world.events() == []
        broken.clear()
        await world.rest()
    assert set(bus.sent.values()) == {1}
    assert len(await world.events()) == 5


async def test_a_batch_is_marked_while_the_next_is_on_its_way_even_if_that_one_fails(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "BATCH", 2)
    batches = 0

    def fail(after: bool, messages: Sequence[Outgoing]) -> None:
        nonlocal batches
        if ("ce_type", RecordedEvent.type.encode()) in messages[0].headers and not after:
            batches += 1
            if batches == 2:
                raise BusError("the bus is away")

    for _ in range(7):
        await world.create()
    bus = FaultyBus(world.bus, fail)
    async with world.relaying(bus=bus):
        await world.rest()
    assert len(bus.sent) == 7
    assert set(bus.sent.values()) == {1}
    assert len(await world.events()) == 7


async def test_what_the_bus_refuses_is_found_by_halves_and_set_aside_and_the_rest_arrives(world: World) -> None:
    things = [await world.create() for _ in range(200)]
    await world.change(things[17])
    rows = await world.rows()
    refused = {rows[17].id, rows[18].id, rows[150].id}
    sends = 0

    def refuse(after: bool, messages: Sequence[Outgoing]) -> None:
        nonlocal sends
        sends += not after
        if not after and any(Envelope.from_message(each.headers, each.value).id in refused for each in messages):
            raise MessageRefused("too large")

    bus = FaultyBus(world.bus, refuse)
    async with world.relaying(bus=bus) as relay:
        await world.rest()
        await rounds(relay, 3)
        before = sends
        await world.change(things[150])
        await world.rest()
        await rounds(relay, 3)
    assert before < 100, "it is searched for by halves, and not again and again"
    assert {each.envelope.id for each in await world.events()} == {row.id for row in rows[:200]} - refused
    dead_letters = await world.dead_letters()
    assert {letter.event_id for letter in dead_letters if not letter.parked} == refused
    assert {letter.subject for letter in dead_letters if letter.parked} == {things[17], things[150]}
    assert {letter.reason for letter in dead_letters if not letter.parked} == {"MessageRefused: too large"}
    assert {row.id for row in await world.rows()} == {row.id for row in rows[:200]} - refused


async def test_an_outage_sets_nothing_aside(world: World) -> None:
    tried = 0

    def fail(after: bool, messages: Sequence[Outgoing]) -> None:
        nonlocal tried
        tried += 1
        if tried < 6:
            raise [BusError("away"), ConnectionResetError("away")][tried % 2]

    for _ in range(3):
        await world.create()
    async with world.relaying(bus=FaultyBus(world.bus, fail)):
        await world.rest()
    assert await world.dead_letters() == []
    assert len(await world.events()) == 3


async def test_dead_letters_are_known_to_the_relay_that_takes_over(world: World) -> None:
    thing = await world.create()
    (row,) = await world.rows()

    def refuse(after: bool, messages: Sequence[Outgoing]) -> None:
        if any(("ce_id", str(row.id).encode()) in each.headers for each in messages):
            raise MessageRefused("too large")

    async with world.relaying(bus=FaultyBus(world.bus, refuse)):
        await world.rest()
    await world.change(thing)
    async with world.relaying():
        await world.rest()
    assert [letter.parked for letter in await world.dead_letters()] == [False, True]
    assert await world.events() == []


async def test_one_relay_at_a_time_owns_the_outbox_and_another_takes_over(world: World) -> None:
    first_bus, second_bus = FaultyBus(world.bus), FaultyBus(world.bus)
    async with world.relaying(bus=first_bus, name="first"):
        await owned_by(world, "first")
        async with world.relaying(bus=second_bus, name="second"):
            for _ in range(20):
                await world.create()
            await world.rest()
            assert len(first_bus.sent) == 20
            assert not second_bus.sent

            await owned_by(world, "second", by_killing="first")
            for _ in range(20):
                await world.create()
            await world.rest()
    assert len(first_bus.sent) == 20
    assert len(second_bus.sent) == 20
    assert set((first_bus.sent + second_bus.sent).values()) == {1}


async def owned_by(world: World, name: str, *, by_killing: str | None = None) -> None:
    """Until the relay of that name holds the lock; meanwhile the other's connections are cut, as often as it tries."""

    async def owned() -> bool:
        async with world.owner.begin() as connection:
            if by_killing is not None:
                await connection.execute(
                    text("""
                    SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_stat_activity USING (pid)
                    WHERE locktype = 'advisory' AND application_name = :name
                    """),
                    {"name": by_killing},
                )
            holders = await connection.scalars(
                text("""
                SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid)
                WHERE locktype = 'advisory' AND granted AND application_name IN ('first', 'second')
                """)
            )
            return set(holders) == {name}

    await eventually(owned)


async def test_a_relay_that_is_stopped_gives_the_outbox_away(world: World) -> None:
    async with world.relaying(name="first"):
        await owned_by(world, "first")
    async with world.relaying(name="second"):
        await owned_by(world, "second")


async def test_a_message_says_what_the_row_says(world: World) -> None:
    span = trace.NonRecordingSpan(trace.SpanContext(0xABC, 0xDEF, False, trace.TraceFlags(1)))
    with trace.use_span(span):
        await world.create()
        traceparent = current_traceparent()
    assert traceparent is not None
    async with world.relaying():
        ((partition, _, envelope),) = await world.until_published(1)
    (row,) = await world.rows()
    assert envelope == Envelope(
        id=row.id,
        source=world.service,
        type="world.thing.happened.v1",
        subject=row.subject,
        time=row.time,
        tenant_id=TENANT,
        customer_id=None,
        aggregate_version=1,
        recorded_at=row.recorded_at,
        traceparent=traceparent,
        actor="user:1",
        data=b'{"count":0}',
    )
    assert partition == partition_of(envelope.key(), PARTITIONS)


async def test_published_rows_go_after_their_retention_and_others_never(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "_PRUNE_EVERY", 0.0)
    old, fresh = await world.create(), await world.create()
    async with world.relaying():
        await world.rest()
    await date_back(world, old, "8 days")
    await date_back(world, fresh, "6 days")

    def fail(after: bool, messages: Sequence[Outgoing]) -> None:
        if any(Envelope.from_message(each.headers, each.value).type != Watermark.type for each in messages):
            raise BusError("the bus is away")

    async with world.relaying(bus=FaultyBus(world.bus, fail)):

        async def pruned() -> bool:
            return old not in {row.subject for row in await world.rows()}

        await eventually(pruned)
        waiting = await world.create()
        async with world.owner.begin() as connection:
            await connection.execute(
                update(OUTBOX)
                .where(OUTBOX.c.subject == waiting)
                .values(recorded_at=func.now() - text("'9 days'::interval"))
            )
    async with world.relaying() as relay:
        await rounds(relay, 3)
        await world.rest()
        assert {row.subject for row in await world.rows()} == {fresh, waiting}
    assert {each.envelope.subject for each in await world.events()} == {old, fresh, waiting}


async def date_back(world: World, subject: UUID, age: str) -> None:
    async with world.owner.begin() as connection:
        await connection.execute(
            text(
                "UPDATE outbox SET published_at = now() - CAST(CAST(:age AS text) AS interval) WHERE subject = :subject"
            ),
            {"age": age, "subject": subject},
        )


async def test_no_watermark_passes_what_is_recorded_but_not_committed(watermarked: World) -> None:
    world = watermarked
    async with world.relaying() as relay:
        await world.create()
        await world.rest()
        async with world.unfinished() as transaction:
            # Quiet otherwise: this transaction is the newest there is, and none begun after it has ended.
            await rounds(relay, 5)
            await world.create()
            await rounds(relay, 5)
            assert all(each.envelope.time < transaction.now for each in await world.watermarks())
        await until_counted(world, transaction.now)
    await assert_watermarks_hold(world)


async def test_a_transaction_that_is_rolled_back_holds_nothing_up(watermarked: World) -> None:
    world = watermarked
    async with world.relaying() as relay:
        with suppress(Crash):
            async with world.unfinished() as transaction:
                await rounds(relay, 5)
                assert all(each.envelope.time < transaction.now for each in await world.watermarks())
                raise Crash
        await until_counted(world, transaction.now)
    assert await world.events() == []


async def test_no_watermark_passes_what_a_later_batch_brings(
    watermarked: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "BATCH", 1)
    world = watermarked
    for _ in range(10):
        await world.create()
    async with world.relaying():
        await until_counted(world, (await world.rows())[-1].recorded_at)
    await assert_watermarks_hold(world)


async def test_no_watermark_passes_what_the_bus_has_not_taken(watermarked: World) -> None:
    world, away, refused = watermarked, asyncio.Event(), 0

    def fail(after: bool, messages: Sequence[Outgoing]) -> None:
        nonlocal refused
        if away.is_set() and ("ce_type", RecordedEvent.type.encode()) in messages[0].headers:
            refused += 1
            raise BusError("the bus is away")

    async def tried() -> bool:
        return refused >= 5

    async with world.relaying(bus=FaultyBus(world.bus, fail)) as relay:
        await rounds(relay, 3)
        away.set()
        await world.create()
        await eventually(tried)
        (row,) = await world.rows()
        assert all(each.envelope.time < row.recorded_at for each in await world.watermarks())
        away.clear()
        await until_counted(world, row.recorded_at)
    await assert_watermarks_hold(world)


@pytest.mark.parametrize("seed", range(4))
async def test_watermarks_hold_however_writers_interleave(
    watermarked: World, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Transactions begin, write, commit and roll back in any order while the relay looks on."""
    world, chance = watermarked, random.Random(seed)
    monkeypatch.setattr(relay_module, "BATCH", 4)
    begun: list[Unfinished] = []
    last = datetime.now(UTC)
    async with world.relaying() as relay:
        try:
            for _ in range(40):
                match chance.choice(["begin", "begin", "end", "end", "short", "look"]):
                    case "begin" if len(begun) < 6:
                        begun.append(world.unfinished())
                        last = (await begun[-1].__aenter__()).now
                    case "end" if begun:
                        one = begun.pop(chance.randrange(len(begun)))
                        await (roll_back(one) if chance.random() < 0.3 else commit(one))
                    case "short":
                        await world.create()
                    case _:
                        await rounds(relay, chance.randrange(1, 4))
        finally:
            for one in begun:
                await commit(one)
        await until_counted(world, last)
    await assert_watermarks_hold(world)


Unfinished = AbstractAsyncContextManager[Transaction]


async def commit(transaction: Unfinished) -> None:
    await transaction.__aexit__(None, None, None)


async def roll_back(transaction: Unfinished) -> None:
    await transaction.__aexit__(Crash, Crash(), None)


async def until_counted(world: World, moment: datetime) -> None:
    async def reached() -> bool:
        return any(each.envelope.time >= moment for each in await world.watermarks())

    await eventually(reached)


async def assert_watermarks_hold(world: World) -> None:
    """A consumer that has read up to a watermark's ends has read every event recorded up to its time."""
    rows, watermarks = await world.rows(), await world.watermarks()
    first: dict[UUID, Placed] = {}
    for each in await world.events():
        first.setdefault(each.envelope.id, each)
    assert watermarks
    for watermark in watermarks:
        ends = msgspec.json.decode(watermark.envelope.data, type=Watermark).ends
        assert len(ends) == PARTITIONS
        for row in rows:
            if row.recorded_at <= watermark.envelope.time:
                assert first[row.id].offset < ends[first[row.id].partition]
