"""What the bus port promises, held against both adapters."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from tests.kith.adapters import SESSION, Adapter
from tests.kith.bus.readers import PATIENCE, Reader, drive

from kith.bus.embedded import EmbeddedBus
from kith.bus.partitioner import partition_of
from kith.bus.port import Bus, BusError, Incoming, MessageRefused, NoTopic, OffsetLost, Outgoing, TopicPartition

PARTITIONS = 5  # odd, or shares dealt out one by one would look like ranges


@pytest.fixture
async def topic(bus: Bus) -> str:
    return (await _topics(bus, 1))[0]


@pytest.fixture
def group() -> str:
    return f"group-{uuid4().hex}"


async def _topics(bus: Bus, count: int) -> list[str]:
    names = [f"topic-{uuid4().hex}" for _ in range(count)]
    await bus.create_topics(dict.fromkeys(names, PARTITIONS))
    return names


async def _publish(bus: Bus, topics: Sequence[str], *, keys: int, each: int = 1, prefix: str = "") -> list[bytes]:
    """Publishes `each` messages to each of `keys` keys in every topic; returns their values."""
    messages = [
        Outgoing(topic, b"key %d" % key, f"{prefix}{topic} {key} {number}".encode())
        for number in range(each)
        for key in range(keys)
        for topic in topics
    ]
    async with bus.producer() as producer:
        await producer.publish(messages)
    return [message.value for message in messages]


def _all(topics: Sequence[str]) -> set[TopicPartition]:
    return {TopicPartition(topic, number) for topic in topics for number in range(PARTITIONS)}


def _shared(topics: Sequence[str], *readers: Reader) -> bool:
    """All partitions are held, and everybody has some."""
    return set().union(*(reader.held for reader in readers)) == _all(topics) and all(reader.held for reader in readers)


async def test_messages_of_a_key_arrive_in_the_order_of_publishing(bus: Bus, topic: str, group: str) -> None:
    await _publish(bus, [topic], keys=7, each=200)
    async with Reader(bus, group, [topic]) as reader:
        await drive(reader, until=lambda: len(reader.received) >= 1400)

    for key in range(7):
        of_key = [message.value for message in reader.received if message.key == b"key %d" % key]
        assert of_key == [f"{topic} {key} {number}".encode() for number in range(200)]


async def test_a_message_too_large_is_refused_and_the_producer_goes_on(bus: Bus, topic: str, group: str) -> None:
    huge = Outgoing(topic, b"huge", b"." * 20_000_000)
    async with bus.producer() as producer:
        for others in ([], [Outgoing(topic, b"%d" % number, b"with it") for number in range(20)]):
            with pytest.raises(MessageRefused):
                await producer.publish([*others, huge])
        await producer.publish([Outgoing(topic, b"huge", b"small")])
    async with Reader(bus, group, [topic]) as reader:
        await drive(reader, until=lambda: b"small" in reader.values)
    assert set(reader.values) <= {b"with it", b"small"}


async def test_concurrent_publishers_lose_nothing_and_keep_each_ones_order(bus: Bus, topic: str, group: str) -> None:
    async def publish(name: int) -> None:
        async with bus.producer() as producer:
            for number in range(20):
                await producer.publish(
                    [Outgoing(topic, b"%d" % key, b"%d %d %d" % (name, key, number)) for key in range(8)]
                )

    async with Reader(bus, group, [topic]) as reader:
        publishing = asyncio.gather(*(publish(name) for name in range(5)))
        await drive(reader, until=lambda: len(reader.received) >= 800)
        await publishing

    assert len(set(reader.values)) == len(reader.values) == 800
    for name in range(5):
        for key in range(8):
            numbers = [int(value.split()[2]) for value in reader.values if value.startswith(b"%d %d " % (name, key))]
            assert numbers == list(range(20))


async def test_a_key_takes_the_partition_that_kafka_clients_choose(bus: Bus, topic: str, group: str) -> None:
    keys = [uuid4().bytes for _ in range(50)] + [b"", b"a", b"ab", b"abc", b"\xff\x80\x00"]
    async with bus.producer() as producer:
        await producer.publish([Outgoing(topic, key, b"") for key in keys])
    async with Reader(bus, group, [topic]) as reader:
        await drive(reader, until=lambda: len(reader.received) == len(keys))

    assert {message.key: message.partition for message in reader.received} == {
        key: partition_of(key, PARTITIONS) for key in keys
    }


async def test_key_value_and_headers_arrive_as_they_were_given(bus: Bus, topic: str, group: str) -> None:
    anything = bytes(range(256))
    headers = (("ce_id", b"1"), ("twice", b"a"), ("twice", b"b"), ("binary", anything), ("empty", b""))
    async with bus.producer() as producer:
        await producer.publish([Outgoing(topic, anything, anything * 300, headers)])
    async with Reader(bus, group, [topic]) as reader:
        await drive(reader, until=lambda: len(reader.received) == 1)

    (message,) = reader.received
    assert (message.topic, message.key, message.value, message.headers) == (topic, anything, anything * 300, headers)
    assert message.offset == 0


async def test_publish_returns_when_the_messages_are_durable(adapter: Adapter, bus: Bus, topic: str) -> None:
    await _publish(bus, [topic], keys=10, each=10)

    async with adapter.bus() as another, another.producer() as producer:
        assert sum(await producer.end_offsets(topic)) == 100


async def test_publishing_to_a_topic_that_does_not_exist_is_refused(bus: Bus) -> None:
    async with bus.producer() as producer:
        with pytest.raises(BusError):
            await producer.publish([Outgoing("nowhere", b"", b"")])


async def test_a_topic_that_does_not_exist_has_no_end_offsets(bus: Bus) -> None:
    async with bus.producer() as producer:
        with pytest.raises(NoTopic):
            await producer.end_offsets(f"none-{uuid4().hex}")


async def test_end_offsets_are_the_next_offset_of_each_partition(bus: Bus, topic: str) -> None:
    async with bus.producer() as producer:
        assert await producer.end_offsets(topic) == [0] * PARTITIONS
        await producer.publish([Outgoing(topic, b"one key", b"")] * 3)
        expected = [0] * PARTITIONS
        expected[partition_of(b"one key", PARTITIONS)] = 3
        assert await producer.end_offsets(topic) == expected


async def test_topics_are_created_once_and_never_with_another_partition_count(bus: Bus, topic: str) -> None:
    await bus.create_topics({topic: PARTITIONS})
    with pytest.raises(ValueError, match=topic):
        await bus.create_topics({topic: PARTITIONS + 1})


async def test_members_share_partitions_disjointly_and_alike_in_all_topics(bus: Bus, group: str) -> None:
    topics = await _topics(bus, 2)
    async with Reader(bus, group, topics) as one, Reader(bus, group, topics) as two:
        await drive(one, two, until=lambda: _shared(topics, one, two))
        assert not one.held & two.held
        for reader in (one, two):
            numbers = [{tp.partition for tp in reader.held if tp.topic == topic} for topic in topics]
            assert numbers[0] == numbers[1]
            assert len(numbers[0]) in {PARTITIONS // 2, PARTITIONS // 2 + 1}
        published = await _publish(bus, topics, keys=40)
        await drive(one, two, until=lambda: len(one.received) + len(two.received) >= len(published))

    assert sorted(one.values + two.values) == sorted(published)


async def test_a_partition_is_taken_only_after_its_owner_let_it_go(bus: Bus, topic: str, group: str) -> None:
    journal: list[str] = []
    async with Reader(bus, group, [topic], journal=journal, name="one") as one:
        await drive(one, until=lambda: one.held == _all([topic]))
        async with Reader(bus, group, [topic], journal=journal, name="two") as two:
            # Two cannot have any while one does not poll: one may be in the middle of a batch.
            await two.poll(wait=1)
            assert not two.held
            await drive(one, two, until=lambda: _shared([topic], one, two))
            for partition in two.held:
                name = f"{partition.topic}[{partition.partition}]"
                assert journal.index(f"one leaves {name}") < journal.index(f"two takes {name}")


async def test_a_topic_may_come_into_being_later(bus: Bus, group: str) -> None:
    late = f"topic-{uuid4().hex}"
    async with Reader(bus, group, [late]) as reader:
        await reader.poll(wait=0.2)
        await bus.create_topics({late: PARTITIONS})
        await drive(reader, until=lambda: reader.held == _all([late]))


async def test_when_a_member_leaves_the_others_take_over(bus: Bus, topic: str, group: str) -> None:
    async with Reader(bus, group, [topic]) as one:
        async with Reader(bus, group, [topic]) as two:
            await drive(one, two, until=lambda: _shared([topic], one, two))
        assert not two.held, "leaving in order reports what was held"
        await drive(one, until=lambda: one.held == _all([topic]))


async def test_when_a_member_dies_silently_the_others_take_over(
    adapter: Adapter, bus: Bus, topic: str, group: str
) -> None:
    member = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("member.py")),
        adapter.name,
        adapter.url,
        str(SESSION),
        group,
        topic,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert member.stdout is not None
        async with asyncio.timeout(PATIENCE):
            assert await member.stdout.readline() == b"%d\n" % PARTITIONS
    finally:
        member.kill()
        await member.communicate()

    async with Reader(bus, group, [topic]) as survivor:
        await drive(survivor, until=lambda: survivor.held == _all([topic]))


async def test_what_was_not_recorded_is_delivered_again_after_a_crash(bus: Bus, topic: str, group: str) -> None:
    published = await _publish(bus, [topic], keys=20)

    async def crash() -> None:
        async with Reader(bus, group, [topic]) as crashed:
            await drive(crashed, until=lambda: len(crashed.received) == 20)
            raise RuntimeError("crash")

    with pytest.raises(RuntimeError, match="crash"):
        await crash()

    async with Reader(bus, group, [topic]) as restarted:
        await drive(restarted, until=lambda: len(restarted.received) == 20)
    assert sorted(restarted.values) == sorted(published)


async def test_reading_starts_at_the_offsets_that_the_callback_returns(bus: Bus, topic: str, group: str) -> None:
    await _publish(bus, [topic], keys=40, each=5)
    async with bus.producer() as producer:
        ends = await producer.end_offsets(topic)
    # The broker's own idea of the group's progress is a hint and must not matter.
    async with Reader(bus, group, [topic]) as before:
        await drive(before, until=lambda: len(before.received) == 200)
        await before.consumer.commit(before.next_offsets)

    starts = {TopicPartition(topic, number): ends[number] - 3 for number in range(PARTITIONS - 1)}
    async with Reader(bus, group, [topic], starts=starts) as reader:
        await drive(reader, until=lambda: len(reader.received) >= 9 + ends[-1])

    for partition, start in starts.items():
        offsets = [message.offset for message in reader.received if message.partition == partition.partition]
        assert offsets == [start, start + 1, start + 2]
    left_out = [message.offset for message in reader.received if message.partition == PARTITIONS - 1]
    assert left_out == list(range(ends[-1])), "a partition left out starts at the oldest message"


async def test_groups_do_not_see_each_other(bus: Bus, topic: str, group: str) -> None:
    async with Reader(bus, group, [topic]) as one, Reader(bus, f"{group}-other", [topic]) as other:
        await _publish(bus, [topic], keys=10)
        await drive(one, other, until=lambda: len(one.received) == len(other.received) == 10)
        assert one.held == other.held == _all([topic])


async def test_a_lost_offset_halts_the_reader(adapter: Adapter, bus: Bus, topic: str, group: str) -> None:
    await _publish(bus, [topic], keys=20)
    await _forget_everything(adapter, bus, topic)

    async with Reader(bus, group, [topic], starts=dict.fromkeys(_all([topic]), 0)) as reader:
        for _ in range(2):  # and goes on halting it
            with pytest.raises(OffsetLost):
                await drive(reader, until=lambda: bool(reader.received))
        assert not reader.received


async def test_an_offset_beyond_the_end_is_lost_too(bus: Bus, topic: str, group: str) -> None:
    await _publish(bus, [topic], keys=20)
    async with Reader(bus, group, [topic], starts=dict.fromkeys(_all([topic]), 1000)) as reader:
        with pytest.raises(OffsetLost):
            await drive(reader, until=lambda: bool(reader.received))


async def test_a_new_group_starts_at_the_oldest_message_left(
    adapter: Adapter, bus: Bus, topic: str, group: str
) -> None:
    await _publish(bus, [topic], keys=20)
    await _forget_everything(adapter, bus, topic)
    published = await _publish(bus, [topic], keys=20, prefix="late ")
    async with Reader(bus, group, [topic]) as reader:
        await drive(reader, until=lambda: len(reader.received) == 20)
    assert sorted(reader.values) == sorted(published)


async def test_a_failing_assignment_is_tried_again(bus: Bus, topic: str, group: str) -> None:
    published = await _publish(bus, [topic], keys=20)
    failures = iter([RuntimeError("no database"), RuntimeError("still none")])
    received: list[bytes] = []

    async def assigned(_: frozenset[TopicPartition]) -> Mapping[TopicPartition, int]:
        for failure in failures:
            raise failure
        return {}

    async def revoked(_: frozenset[TopicPartition]) -> None:
        return None

    async with (
        asyncio.timeout(PATIENCE),
        bus.consumer(group=group, topics=[topic], on_assigned=assigned, on_revoked=revoked) as consumer,
    ):

        async def poll() -> None:
            while len(received) < 20:
                received.extend(message.value for message in await consumer.poll(max_messages=100, wait=0.1))

        for message in ("no database", "still none"):
            with pytest.raises(RuntimeError, match=message):
                await poll()
        assert not received
        await poll()
    assert sorted(received) == sorted(published)


async def test_a_poll_takes_no_more_than_requested(bus: Bus, topic: str, group: str) -> None:
    await _publish(bus, [topic], keys=20, each=5)
    async with Reader(bus, group, [topic]) as reader:
        await drive(reader, until=lambda: len(reader.received) > 0)
        reader.received.clear()
        assert not await reader.poll(max_messages=0, wait=0)
    async with Reader(bus, f"{group}-slow", [topic]) as slow:
        while len(slow.received) < 100:
            assert len(await slow.poll(max_messages=7)) <= 7
    assert len(set(slow.values)) == 100


async def test_partitions_change_hands_while_a_member_polls_for_nothing(bus: Bus, topic: str, group: str) -> None:
    async with Reader(bus, group, [topic]) as busy, Reader(bus, group, [topic]) as other:
        async with asyncio.timeout(PATIENCE):
            while not _shared([topic], busy, other):
                await asyncio.gather(busy.poll(max_messages=0), other.poll(max_messages=0))


async def test_lag_counts_what_was_not_polled_yet(bus: Bus, topic: str, group: str) -> None:
    await _publish(bus, [topic], keys=20, each=5)
    async with Reader(bus, group, [topic]) as reader:
        async with asyncio.timeout(PATIENCE):
            while not await reader.poll(max_messages=10):
                pass
        await drive(reader, until=lambda: len(reader.received) == 100)
        await reader.poll()
        assert sum(reader.consumer.lag().values()) == 0
        assert reader.consumer.lag().keys() == _all([topic])


async def _history(bus: Bus, topic: str, since: datetime) -> list[Incoming]:
    return [message async for portion in bus.history(topic, since) for message in portion]


async def test_history_is_what_was_published_since_in_order(bus: Bus, topic: str) -> None:
    before = datetime.now(UTC) - timedelta(hours=1)
    assert await _history(bus, topic, before) == []
    first = await _publish(bus, [topic], keys=7, each=900)
    between = datetime.now(UTC)
    then = await _publish(bus, [topic], keys=7, each=3, prefix="then ")

    found = await _history(bus, topic, before)
    for key in range(7):
        of_key = [message.value for message in found if message.key == b"key %d" % key]
        assert of_key == [each for each in (*first, *then) if each.split()[-2] == b"%d" % key]
    assert {each.partition for each in found} == {partition_of(b"key %d" % key, PARTITIONS) for key in range(7)}
    assert {*then} <= {message.value for message in await _history(bus, topic, between)}
    assert await _history(bus, topic, datetime.now(UTC) + timedelta(hours=1)) == []


async def test_history_of_no_topic(bus: Bus) -> None:
    with pytest.raises(NoTopic):
        await _history(bus, f"topic-{uuid4().hex}", datetime.now(UTC))


async def _forget_everything(adapter: Adapter, bus: Bus, topic: str) -> None:
    """As retention does, only sooner."""
    if isinstance(bus, EmbeddedBus):
        assert await bus.prune(timedelta(0)) > 0
        return
    from aiokafka import TopicPartition as KafkaPartition
    from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

    async with bus.producer() as producer:
        ends = await producer.end_offsets(topic)
    admin = AIOKafkaAdminClient(bootstrap_servers=adapter.url)
    await admin.start()
    try:
        await admin.delete_records(
            {KafkaPartition(topic, number): RecordsToDelete(before_offset=end) for number, end in enumerate(ends)}
        )
    finally:
        await admin.close()
