"""What the bus has and the database does not is withdrawn, and what the bus has lost is published again."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import FreshDatabase

from kith.bus.port import Bus, Incoming, Outgoing
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.events.envelope import Envelope
from kith.events.withdrawal import Withdrawal
from kith.ids import new_id
from kith.outbox.dead_letters import check
from kith.outbox.relay import Relay, own, topic_of
from kith.recovery.cli import restored
from kith.recovery.restored import NotRestored
from kith.runtime.service import Service
from sales.service import SERVICE as SALES
from sales.settings import SalesSettings

PATIENCE = 30
SETTINGS = SalesSettings(database_url="postgresql://nowhere/kith")


@pytest.fixture
def service() -> Service:
    """With a topic of its own: its database has not what other tests publish."""
    return replace(SALES, name=f"sales-{new_id().hex}")


@pytest.fixture
async def engine(fresh_database: FreshDatabase) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(await fresh_database(SALES), role=WORKER_ROLE, pool_size=4, application="test worker")
    yield engine
    await engine.dispose()


async def write(engine: AsyncEngine, *events: UUID, version: int = 1, age: str = "0 s") -> None:
    async with engine.begin() as connection:
        for id in events:
            values = {"id": id, "subject": SUBJECT, "version": version, "age": age}
            await connection.execute(_WRITE, values)


SUBJECT = new_id()
_WRITE = text("""
    INSERT INTO outbox (id, tenant_id, type, subject, aggregate_version, customer_id, time, recorded_at, data)
    VALUES (:id, 'acme', 'sales.order.placed.v1', :subject, :version, :subject, now(),
            clock_timestamp() - CAST(CAST(:age AS text) AS interval), '{"value":"1","currency":"EUR"}')
""")


async def publish(service: Service, engine: AsyncEngine, bus: Bus, *, generation: int = 1) -> None:
    """Runs the relay until nothing is left to publish."""
    stop = asyncio.Event()
    relay = Relay(
        service.name, engine, service.outbox, bus, partitions=3 + generation, retention_days=7, generation=generation
    )
    running = asyncio.create_task(relay.run(stop))
    try:
        async with asyncio.timeout(PATIENCE), engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            while True:
                if not await connection.scalar(text("SELECT count(*) FROM outbox WHERE published_at IS NULL")):
                    break
                await asyncio.sleep(0.01)
    finally:
        stop.set()
        await running


async def lose(engine: AsyncEngine, *events: UUID) -> None:
    """As a restore to before them does."""
    async with engine.begin() as connection:
        await connection.execute(text("DELETE FROM outbox WHERE id = ANY(:ids)"), {"ids": list(events)})


async def on_the_bus(service: Service, bus: Bus) -> list[Envelope]:
    since = datetime.now(UTC) - timedelta(days=1)
    messages = [each async for portion in bus.history(topic_of(service.name), since) for each in portion]
    envelopes = [Envelope.from_message(each.headers, each.value) for each in messages]
    return [each for each in envelopes if not each.type.startswith("kith.watermark")]


async def test_what_was_lost_is_withdrawn_in_its_order_and_once(
    service: Service, engine: AsyncEngine, bus: Bus
) -> None:
    kept, lost, waiting = new_id(), [new_id(), new_id()], new_id()
    await write(engine, kept)
    await write(engine, lost[0], version=2)
    await write(engine, lost[1], version=3)
    await publish(service, engine, bus)
    await lose(engine, *lost)
    await write(engine, waiting, version=2)  # was committed, and not published yet

    planned = await restored(service, SETTINGS, engine, bus, dry_run=True)
    assert planned[1:3] == [
        "Events to be withdrawn, which are on the bus and not in the database: 2",
        "  2 sales.order.placed.v1",
    ]
    done = await restored(service, SETTINGS, engine, bus)
    assert done[1] == "Events withdrawn, which are on the bus and not in the database: 2"
    assert (await restored(service, SETTINGS, engine, bus))[1].endswith(": 0")
    await publish(service, engine, bus)
    assert (await restored(service, SETTINGS, engine, bus))[1].endswith(": 0")

    published = await on_the_bus(service, bus)
    assert [each.id for each in published[:4]] == [kept, *lost, waiting]
    withdrawals = published[4:]
    assert [msgspec.json.decode(each.data, type=Withdrawal).event_id for each in withdrawals] == lost
    for withdrawal, event in zip(withdrawals, published[1:3], strict=True):
        check(withdrawal)
        assert withdrawal.type == Withdrawal.type
        same = ("tenant_id", "subject", "customer_id", "aggregate_version", "source")
        assert [getattr(withdrawal, name) for name in same] == [getattr(event, name) for name in same]
        assert withdrawal.key() == event.key()


async def test_a_second_restore_to_a_later_instant_says_what_stays_withdrawn(
    service: Service, engine: AsyncEngine, bus: Bus
) -> None:
    kept, lost = new_id(), new_id()
    await write(engine, kept)
    await write(engine, lost, version=2)
    await publish(service, engine, bus)
    await lose(engine, lost)
    assert len(await restored(service, SETTINGS, engine, bus)) == 4
    await publish(service, engine, bus)
    async with engine.begin() as connection:
        await connection.execute(text("DELETE FROM outbox WHERE type = 'kith.withdrawal.v1'"))
    await write(engine, lost, version=2)
    done = await restored(service, SETTINGS, engine, bus, dry_run=True)
    assert done[1].endswith(": 0")
    assert done[-1] == "Events of this database that an earlier restore withdrew, and that stay so: 1"


async def test_topics_of_all_generations_are_compared(service: Service, engine: AsyncEngine, bus: Bus) -> None:
    events = [new_id() for _ in range(4)]
    await write(engine, *events[:2])
    await publish(service, engine, bus)
    await write(engine, *events[2:])
    await publish(service, engine, bus, generation=2)
    await lose(engine, events[1], events[3])
    second = SETTINGS.model_copy(update={"topic_generation": 2})
    done = await restored(service, second, engine, bus)
    assert done[1] == "Events withdrawn, which are on the bus and not in the database: 2"
    assert done[3] == "Events published again, which the bus has lost: 0"


async def test_of_a_tenant_that_was_removed_nothing_is_withdrawn(
    service: Service, engine: AsyncEngine, bus: Bus
) -> None:
    """Its events are on the bus, and its rows are deleted, as they should be."""
    event = new_id()
    await write(engine, event)
    await publish(service, engine, bus)
    await lose(engine, event)
    async with engine.begin() as connection:
        await connection.execute(text("INSERT INTO removed_tenants (tenant_id, removed_at) VALUES ('acme', now())"))
    assert (await restored(service, SETTINGS, engine, bus, to=datetime.now(UTC)))[1].endswith(": 0")


async def test_of_a_tenant_that_was_readmitted_its_new_events_are(
    service: Service, engine: AsyncEngine, bus: Bus
) -> None:
    former, kept, lost = new_id(), new_id(), new_id()
    await write(engine, former, age="1 minute")
    await write(engine, kept, lost)
    await publish(service, engine, bus)
    await lose(engine, former, lost)
    async with engine.begin() as connection:
        await connection.execute(
            text("""
                INSERT INTO removed_tenants (tenant_id, removed_at, readmitted_at)
                VALUES ('acme', now() - interval '1 minute', now() - interval '40 seconds')
            """)
        )
    done = await restored(service, SETTINGS, engine, bus)
    assert done[1] == "Events withdrawn, which are on the bus and not in the database: 1"


async def test_what_the_service_cannot_have_published_is_not_withdrawn(
    service: Service, engine: AsyncEngine, bus: Bus
) -> None:
    """Somebody who may write to the topic must not keep a restored service from starting."""
    kept, lost = new_id(), new_id()
    await write(engine, kept, lost)
    await publish(service, engine, bus)
    await lose(engine, lost)
    (event, *_) = await on_the_bus(service, bus)
    year_1 = datetime(1, 1, 1, tzinfo=UTC)
    poison: list[dict[str, Any]] = [
        {"tenant_id": "ac\0me"},
        {"tenant_id": "Acme Ltd"},
        {"aggregate_version": 10**16},
        {"time": year_1},
        {"data": b"[" * 100_000},
        {"data": b"\x00"},
        {"type": "no type"},
        {"source": "sales-of-another"},
    ]
    spoilt = [msgspec.structs.replace(event, id=new_id(), **fields) for fields in poison]
    topic = topic_of(service.name)
    async with bus.producer() as producer:
        await producer.publish([Outgoing(topic, each.key(), each.data, each.headers()) for each in spoilt])
        await producer.publish([Outgoing(topic, b"", b"\xff", (("ce_id", b"\xff"),))])
    done = await restored(service, SETTINGS, engine, bus)
    assert done[1:3] == [
        "Events withdrawn, which are on the bus and not in the database: 1",
        "  1 sales.order.placed.v1",
    ]


async def test_what_the_bus_has_lost_is_published_again(service: Service, engine: AsyncEngine, bus: Bus) -> None:
    there, gone = new_id(), new_id()
    await write(engine, there)
    await publish(service, engine, bus)
    await write(engine, gone, version=2)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE outbox SET published_at = now() WHERE published_at IS NULL"))
    assert (await restored(service, SETTINGS, engine, bus))[2] == "Events published again, which the bus has lost: 1"
    await publish(service, engine, bus)
    assert [each.id for each in await on_the_bus(service, bus)] == [there, gone]
    assert (await restored(service, SETTINGS, engine, bus))[2].endswith(": 0")


async def test_what_was_set_aside_is_not_lost(service: Service, engine: AsyncEngine, bus: Bus) -> None:
    newest, aside = new_id(), new_id()
    await write(engine, newest, aside)
    await publish(service, engine, bus)
    await lose(engine, aside)
    async with engine.begin() as connection:
        await connection.execute(
            text("""
                INSERT INTO dead_letters (group_name, topic, partition, "offset", message_key, value, headers, event_id,
                                          tenant_id, reason, parked, attempts)
                VALUES (:group, 't', -1, 1, '', '', '[]', :id, 'acme', 'r', false, 1)
            """),
            {"group": f"{service.name}.outbox", "id": aside},
        )
    assert (await restored(service, SETTINGS, engine, bus))[1].endswith(": 0")


async def test_what_is_older_than_the_margin_is_not_looked_at(service: Service, engine: AsyncEngine, bus: Bus) -> None:
    """The outbox does not keep for ever what was published: what is missing there was not lost."""
    old, newest = new_id(), new_id()
    await write(engine, old, age="3 hours")
    await write(engine, newest)
    await publish(service, engine, bus)
    await lose(engine, old)
    assert (await restored(service, SETTINGS, engine, bus))[1].endswith(": 0")


async def test_it_says_when_the_instant_is_needed(service: Service, engine: AsyncEngine, bus: Bus) -> None:
    with pytest.raises(NotRestored, match="The outbox is empty"):
        await restored(service, SETTINGS, engine, bus)
    await write(engine, new_id(), age="8 days")
    with pytest.raises(NotRestored, match=r"keeps events for 7 days.* --restored-to"):
        await restored(service, SETTINGS, engine, bus)
    assert await restored(service, SETTINGS, engine, bus, to=datetime.now(UTC))


async def test_an_instant_that_cannot_be_right_is_refused(service: Service, engine: AsyncEngine, bus: Bus) -> None:
    """With one of long ago all that the outbox no longer keeps would be withdrawn, with one to come nothing would."""
    pruned, newest, now = new_id(), new_id(), datetime.now(UTC)
    await write(engine, pruned, age="300 days")
    await write(engine, newest)
    await publish(service, engine, bus)
    await lose(engine, pruned)
    with pytest.raises(NotRestored, match="Is the instant right"):
        await restored(service, SETTINGS, engine, bus, to=now - timedelta(days=365))
    with pytest.raises(NotRestored, match="still to come"):
        await restored(service, SETTINGS, engine, bus, to=now + timedelta(days=1))
    assert (await restored(service, SETTINGS, engine, bus, to=now - timedelta(days=1)))[1].endswith(": 0")
    await write(engine, new_id(), age="-1 day")  # its clock was wrong
    with pytest.raises(NotRestored, match="still to come"):
        await restored(service, SETTINGS, engine, bus)


async def test_a_dry_run_tells_beside_what_runs(service: Service, engine: AsyncEngine, bus: Bus) -> None:
    """Events that are written and published while it compares were not lost."""
    kept, lost, meanwhile = new_id(), new_id(), new_id()
    await write(engine, kept, lost)
    await publish(service, engine, bus)
    await lose(engine, lost)
    history = bus.history

    async def later(topic: str, since: datetime) -> AsyncIterator[Sequence[Incoming]]:
        await write(engine, meanwhile)
        await publish(service, engine, bus)
        async for portion in history(topic, since):
            yield portion

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bus, "history", later)
        told = await restored(service, SETTINGS, engine, bus, dry_run=True)
    assert told[1] == "Events to be withdrawn, which are on the bus and not in the database: 1"
    assert meanwhile in [each.id for each in await on_the_bus(service, bus)]


async def test_it_does_nothing_while_the_service_runs(service: Service, engine: AsyncEngine, bus: Bus) -> None:
    await write(engine, new_id())
    async with engine.connect() as relay:
        assert await own(relay, service.name)
        with pytest.raises(NotRestored, match="A worker of"):
            await restored(service, SETTINGS, engine, bus)
        await relay.invalidate()
    async with engine.connect() as api:
        await api.execute(text(f"SET application_name = 'kith {service.name} api'"))
        with pytest.raises(NotRestored, match="An API of"):
            await restored(service, SETTINGS, engine, bus)
        await api.invalidate()
