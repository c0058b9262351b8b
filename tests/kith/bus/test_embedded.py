"""What the embedded bus has to watch out for, being a log in a database."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from tests.kith.adapters import SESSION
from tests.kith.bus.readers import PATIENCE, Reader, drive

from kith.bus.embedded import EmbeddedBus
from kith.bus.embedded.group import Membership
from kith.bus.port import BusError, OffsetLost, Outgoing, TopicPartition
from kith_local.postgres import EmbeddedPostgres


@pytest.fixture
async def topic(embedded_bus: EmbeddedBus) -> str:
    name = f"topic-{uuid4().hex}"
    await embedded_bus.create_topics({name: 1})
    return name


async def test_a_reader_never_passes_an_append_that_commits_late(
    embedded_bus: EmbeddedBus, embedded_bus_url: str, topic: str
) -> None:
    slow = await asyncpg.connect(embedded_bus_url)
    try:
        async with Reader(embedded_bus, f"group-{uuid4()}", [topic]) as reader, embedded_bus.producer() as producer:
            await producer.publish([Outgoing(topic, b"", b"first")])
            transaction = slow.transaction()
            await transaction.start()
            topic_id = await slow.fetchval("select id from bus.topics where name = $1", topic)
            body = await slow.fetchval("select messages from bus.batches where topic_id = $1", topic_id)
            await slow.execute("select bus.append($1, '{0}', '{0}', '{1}', $2)", [topic_id], [body])
            fast = asyncio.create_task(producer.publish([Outgoing(topic, b"", b"fast")]))
            for _ in range(5):
                await reader.poll()
            assert reader.values == [b"first"]
            await transaction.commit()
            await fast
            await drive(reader, until=lambda: len(reader.received) == 3)
            assert [message.offset for message in reader.received] == [0, 1, 2]
            assert reader.values[2] == b"fast"
    finally:
        await slow.close()


async def test_publishers_to_the_same_topics_in_any_order_do_not_deadlock(embedded_bus: EmbeddedBus) -> None:
    topics = {f"topic-{uuid4().hex}": 8 for _ in range(2)}
    await embedded_bus.create_topics(topics)
    messages = [Outgoing(topic, b"%d" % key, b"") for topic in topics for key in range(40)]

    async def publish(step: int) -> None:
        async with embedded_bus.producer() as producer:
            for _ in range(10):
                await producer.publish(messages[::step])

    await asyncio.gather(publish(1), publish(-1), publish(3), publish(-3))
    async with embedded_bus.producer() as producer:
        ends = [sum(await producer.end_offsets(topic)) for topic in topics]
    assert sum(ends) == 10 * sum(len(messages[::step]) for step in (1, -1, 3, -3))


async def test_many_processes_may_make_its_tables_at_once(postgres: EmbeddedPostgres) -> None:
    name = f"bus_{uuid4().hex}"
    await asyncio.to_thread(postgres.create_databases, name)

    async def enter() -> None:
        async with EmbeddedBus(postgres.url(name)) as bus:
            await bus.create_topics({"a": 2, "b": 3})

    await asyncio.gather(*(enter() for _ in range(6)))


async def test_a_big_publish_is_read_in_order_from_any_offset(embedded_bus: EmbeddedBus, topic: str) -> None:
    values = [b"%d" % number + b"." * 700 for number in range(1500)]  # several rows, by number and by size
    async with embedded_bus.producer() as producer:
        await producer.publish([Outgoing(topic, b"", value) for value in values])
        await producer.publish([Outgoing(topic, b"", b"last" * 300_000)])
    for start in (0, 1, 511, 512, 513, 1499):
        starts = {TopicPartition(topic, 0): start}
        async with Reader(embedded_bus, f"group-{uuid4()}", [topic], starts=starts) as reader:
            await drive(reader, until=lambda reader=reader: reader.values[-1:] == [b"last" * 300_000])  # type: ignore[misc]
            assert reader.values[:-1] == values[start:]


@pytest.mark.parametrize("damaged", [r"'\xff00'", "substring(messages for 20)", r"'\x90'"])
async def test_a_damaged_row_of_the_log_is_reported_as_no_event_and_read_past(
    embedded_bus: EmbeddedBus, embedded_bus_url: str, topic: str, damaged: str
) -> None:
    async with embedded_bus.producer() as producer:
        for values in ([b"1", b"2"], [b"3", b"4", b"5"], [b"6"]):
            await producer.publish([Outgoing(topic, b"", value, (("ce_id", value),)) for value in values])
    connection = await asyncpg.connect(embedded_bus_url)
    changed = await connection.execute(
        f"UPDATE bus.batches SET messages = {damaged} WHERE base_offset = 2 "  # noqa: S608 - one of the three above
        "AND topic_id = (SELECT id FROM bus.topics WHERE name = $1)",
        topic,
    )
    await connection.close()
    assert changed == "UPDATE 1"
    async with Reader(embedded_bus, f"group-{uuid4()}", [topic]) as reader:
        await drive(reader, until=lambda: reader.values[-1:] == [b"6"])
    assert [message.offset for message in reader.received] == list(range(6))
    assert [message.headers for message in reader.received[2:5]] == [()] * 3
    assert [reader.values[index] for index in (0, 1, 5)] == [b"1", b"2", b"6"]


async def test_a_reader_that_hears_no_bell_looks_by_itself(embedded_bus: EmbeddedBus, topic: str) -> None:
    async with Reader(embedded_bus, f"group-{uuid4()}", [topic]) as reader, embedded_bus.producer() as producer:
        await drive(reader, until=lambda: bool(reader.held))
        embedded_bus._notifier._listeners.clear()
        polling = asyncio.create_task(reader.poll(wait=10 * PATIENCE))
        await asyncio.sleep(0.05)
        await producer.publish([Outgoing(topic, b"", b"unheard")])
        async with asyncio.timeout(PATIENCE):
            await polling
        assert reader.values == [b"unheard"]


async def test_the_bell_comes_back_after_its_connection_was_lost(
    embedded_bus: EmbeddedBus, embedded_bus_url: str
) -> None:
    heard = asyncio.Event()
    name = str(uuid4())
    embedded_bus._notifier.listen(heard, [name])

    async def until_heard() -> None:
        async with asyncio.timeout(PATIENCE):
            while not heard.is_set():
                embedded_bus._notifier.notify([name])
                await asyncio.sleep(0.05)

    await until_heard()
    admin = await asyncpg.connect(embedded_bus_url)
    try:
        killed = await admin.fetch(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where application_name = 'kith-bus-notifier' and datname = current_database()"
        )
        assert killed
    finally:
        await admin.close()
    heard.clear()
    await until_heard()


async def test_a_notification_that_fails_costs_the_connection_and_not_the_notifier(
    embedded_bus: EmbeddedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection killed in the middle of a notification is left in a state that asyncpg itself does not know."""
    notifier, notifications, heard = embedded_bus._notifier, iter([True]), asyncio.Event()
    executemany = asyncpg.Connection.executemany

    async def fail_once(*arguments: Any) -> None:
        if next(notifications, False):
            raise asyncpg.InternalClientError("cannot switch to state 11; another operation (2) is in progress")
        await executemany(*arguments)

    monkeypatch.setattr(asyncpg.Connection, "executemany", fail_once)
    async with asyncio.timeout(PATIENCE):
        while (before := notifier._connection) is None:  # noqa: ASYNC110 - it has no event for when it has connected
            await asyncio.sleep(0.02)
        notifier.listen(heard, ["name"])
        while not heard.is_set():
            notifier.notify(["name"])
            await asyncio.sleep(0.05)
    assert notifier._connection is not before
    assert before.is_closed()


async def test_pruning_keeps_what_is_young(embedded_bus: EmbeddedBus, topic: str) -> None:
    async with embedded_bus.producer() as producer:
        await producer.publish([Outgoing(topic, b"", b"kept")])
        await embedded_bus.prune(timedelta(hours=1))
        async with Reader(embedded_bus, f"group-{uuid4()}", [topic]) as reader:
            await drive(reader, until=lambda: reader.values == [b"kept"])


async def test_a_hole_in_the_log_is_not_passed_over(
    embedded_bus: EmbeddedBus, embedded_bus_url: str, topic: str
) -> None:
    async with embedded_bus.producer() as producer:
        for number in range(3):
            await producer.publish([Outgoing(topic, b"", b"%d" % number)])
    admin = await asyncpg.connect(embedded_bus_url)
    try:
        await admin.execute(
            "delete from bus.batches b using bus.topics t where t.id = b.topic_id and t.name = $1 and base_offset = 1",
            topic,
        )
    finally:
        await admin.close()
    async with Reader(embedded_bus, f"group-{uuid4()}", [topic]) as reader:
        with pytest.raises(OffsetLost):
            await drive(reader, until=lambda: len(reader.received) > 1)
        assert reader.values == [b"0"]


async def test_a_member_that_was_taken_for_dead_notices_and_reads_again(
    embedded_bus: EmbeddedBus, embedded_bus_url: str, topic: str
) -> None:
    """As after SIGSTOP and SIGCONT: it must not go on from what it remembers."""
    group = f"group-{uuid4()}"
    journal: list[str] = []
    async with Reader(embedded_bus, group, [topic], journal=journal, name="one") as one:
        await drive(one, until=lambda: bool(one.held))
        admin = await asyncpg.connect(embedded_bus_url)
        try:
            await admin.execute(
                "update bus.members set seen_at = now() - interval '1 hour' where group_name = $1", group
            )
        finally:
            await admin.close()
        async with Reader(embedded_bus, group, [topic], journal=journal, name="two") as two:
            await drive(two, until=lambda: bool(two.held))
            await drive(one, two, until=lambda: len(journal) >= 3)
    assert [line.split()[:2] for line in journal[:3]] == [["one", "takes"], ["two", "takes"], ["one", "leaves"]]


async def test_without_its_database_it_says_so(postgres: EmbeddedPostgres) -> None:
    with pytest.raises(BusError):
        async with EmbeddedBus(postgres.url("no_such_database"), session=SESSION):
            pass


async def test_a_member_that_lets_go_sees_who_has_left_meanwhile(embedded_bus: EmbeddedBus) -> None:
    """What it lets go is due to it again: else nobody would read it."""
    topic = f"topic-{uuid4().hex}"
    await embedded_bus.create_topics({topic: 3})
    group = f"group-{uuid4()}"
    first, second = (
        Membership(embedded_bus._database, embedded_bus._log, group=group, topics=[topic], session=SESSION)
        for _ in range(2)
    )
    assert len((await first.sync()).taken) == 3
    await second.sync()
    excess = (await first.sync()).excess
    assert excess == {TopicPartition(topic, 2)}
    await second.leave()
    await first.release(excess)
    assert await first.beat(), "it is not told to sync"
    assert (await first.sync()).taken == excess
    assert not await first.beat()
    await first.leave()
