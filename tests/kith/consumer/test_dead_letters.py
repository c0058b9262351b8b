"""A message that cannot be handled has a destination, and does not take its neighbours with it."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from tests.kith.consumer.faulty import FaultyBus
from tests.kith.consumer.world import LETTERS, PATIENCE, World, eventually

from kith.bus.embedded import EmbeddedBus
from kith.bus.port import BusError, Incoming, TopicPartition
from kith.consumer import TooManyDeadLetters, discard_dead_letters, replay_dead_letters
from kith.consumer.dead_letters import headers_of, stored
from kith.events.envelope import Envelope


async def _run_until_letters(world: World, bus: EmbeddedBus, count: int, *, applied: int) -> None:
    async def there() -> bool:
        return len(await world.dead_letters()) >= count and len(await world.effects()) >= applied

    await world.run_until(bus, there)


async def test_a_poison_message_is_found_and_the_rest_takes_effect(embedded_bus: EmbeddedBus, world: World) -> None:
    events = world.events(subjects=100)
    poison = {events[13].id, events[14].id, events[77].id}
    world.broken = set(poison)
    await world.publish(embedded_bus, events)
    await _run_until_letters(world, embedded_bus, 3, applied=97)

    dead_letters = await world.dead_letters()
    assert {event for event, _, _ in dead_letters} == poison
    assert all(reason == f"Broken: cannot handle {event}" and not parked for event, reason, parked in dead_letters)
    assert sorted(await world.effects()) == sorted(event.id for event in events if event.id not in poison)
    assert len(world.calls) < 60, "it is searched for by halves"


async def test_later_events_of_the_same_aggregate_wait_behind_it(embedded_bus: EmbeddedBus, world: World) -> None:
    events = world.events(subjects=3, each=4)
    poison = events[3]  # the second event of the first aggregate
    waiting = [event.id for event in events if event.subject == poison.subject][2:]
    world.broken = {poison.id}
    await world.publish(embedded_bus, events)
    await _run_until_letters(world, embedded_bus, 3, applied=9)
    # And in later batches, and after a restart.
    late = world.event(poison.subject)
    await world.publish(embedded_bus, [late, *world.events(subjects=1)])
    await _run_until_letters(world, embedded_bus, 4, applied=10)

    dead_letters = await world.dead_letters()
    assert dead_letters[0] == (poison.id, f"Broken: cannot handle {poison.id}", False)
    assert dead_letters[1:] == [(event, f"parked behind {poison.id}", True) for event in [*waiting, late.id]]


async def test_replay_after_mending_equals_what_would_have_been(embedded_bus: EmbeddedBus, world: World) -> None:
    events = world.events(subjects=5, each=6)
    world.broken = {events[2].id, events[8].id, events[12].id}
    await world.publish(embedded_bus, events)
    expected_letters = sum(event.subject in {events[2].subject, events[3].subject} for event in events[5:]) + 1
    assert expected_letters > 3
    await _run_until_letters(world, embedded_bus, 6, applied=1)

    async def all_seen() -> bool:
        return len(await world.dead_letters()) + len(await world.effects()) == len(events)

    await world.run_until(embedded_bus, all_seen)

    world.broken = set()
    left = len(await world.dead_letters())
    assert await replay_dead_letters(world.subscription, world.engine) == (left, 0)

    assert await world.dead_letters() == []
    effects = await world.effects()
    assert sorted(effects) == sorted(event.id for event in events)
    for subject in {event.subject for event in events}:
        in_order = [event.id for event in events if event.subject == subject]
        assert [effect for effect in effects if effect in set(in_order)] == in_order
    after = world.event(events[2].subject)
    await world.publish(embedded_bus, [after])
    await world.run_until_applied(embedded_bus, len(events) + 1)


async def test_replay_stops_where_an_aggregate_still_fails(embedded_bus: EmbeddedBus, world: World) -> None:
    events = world.events(subjects=1, each=5)
    world.broken = {events[1].id, events[3].id}
    await world.publish(embedded_bus, events)
    await _run_until_letters(world, embedded_bus, 4, applied=1)

    world.broken = {events[3].id}
    assert await replay_dead_letters(world.subscription, world.engine) == (2, 2)
    assert await world.effects() == [event.id for event in events[:3]]
    assert await world.dead_letters() == [
        (events[3].id, f"Broken: cannot handle {events[3].id}", False),
        (events[4].id, f"parked behind {events[3].id}", True),
    ]


async def test_replay_takes_a_letter_only_with_its_aggregate(embedded_bus: EmbeddedBus, world: World) -> None:
    events = world.events(subjects=2, each=2)
    world.broken = {events[0].id, events[1].id}
    await world.publish(embedded_bus, events)
    await _run_until_letters(world, embedded_bus, 4, applied=0)
    world.broken = set()
    dead_letters = [event for event, _, _ in await world.dead_letters()]
    parked = (await world.letter_ids())[dead_letters.index(events[2].id)]

    assert await replay_dead_letters(world.subscription, world.engine, ids=[parked]) == (2, 0)
    assert await world.effects() == [events[0].id, events[2].id]


async def test_consumers_wait_while_their_partition_is_replayed(embedded_bus: EmbeddedBus, world: World) -> None:
    events = world.events(subjects=1, each=2)
    world.broken = {events[0].id}
    await world.publish(embedded_bus, events)
    await _run_until_letters(world, embedded_bus, 2, applied=0)
    world.broken = set()
    replaying, go_on = asyncio.Event(), asyncio.Event()

    async def hold(_: AsyncConnection, envelopes: Sequence[Envelope]) -> None:
        if envelopes[0].id == events[0].id:
            replaying.set()
            await go_on.wait()

    world.before = hold
    replay = asyncio.create_task(replay_dead_letters(world.subscription, world.engine))
    await replaying.wait()
    later = world.event(events[0].subject)
    async with world.running(embedded_bus):
        await world.publish(embedded_bus, [later])
        await asyncio.sleep(0.3)
        assert await world.dead_letters() != [], "still unresolved, and the later event may not pass or park"
        assert len(await world.dead_letters()) == 2
        go_on.set()
        assert await replay == (2, 0)

        async def applied() -> bool:
            return len(await world.effects()) == 3

        await eventually(applied)
    assert await world.effects() == [events[0].id, events[1].id, later.id]


async def test_discarding_lets_what_waits_behind_be_replayed(embedded_bus: EmbeddedBus, world: World) -> None:
    events = world.events(subjects=1, each=3)
    world.broken = {events[0].id}
    await world.publish(embedded_bus, events)
    await _run_until_letters(world, embedded_bus, 3, applied=0)

    assert await discard_dead_letters(world.group, world.engine, (await world.letter_ids())[:1]) == 1
    assert await replay_dead_letters(world.subscription, world.engine) == (2, 0)
    assert await world.effects() == [events[1].id, events[2].id]


async def test_what_is_not_an_event_is_a_letter_too(embedded_bus: EmbeddedBus, world: World) -> None:
    first, broken, behind, other = (world.event(subject) for subject in [uuid4()] * 3 + [uuid4()])
    malformed = world.message(broken)
    malformed = malformed._replace(
        headers=tuple((name, b"yesterday\x00" if name == "ce_time" else value) for name, value in malformed.headers)
    )
    garbage = malformed._replace(headers=(("nul\x00", b"\xff"),), value=b"\x00\xff")
    messages = [world.message(first), malformed, garbage, world.message(behind), world.message(other)]
    await world.publish_messages(embedded_bus, messages)
    await _run_until_letters(world, embedded_bus, 3, applied=2)

    assert sorted(await world.effects()) == sorted([first.id, other.id])
    dead_letters = await world.dead_letters()
    assert [event for event, _, _ in dead_letters] == [None, None, behind.id]
    assert dead_letters[0][1].startswith("not an event: malformed header")
    assert dead_letters[1][1].startswith("not an event: header")
    assert dead_letters[2][1].startswith(f"parked behind {world.topic}[")
    assert await replay_dead_letters(world.subscription, world.engine) == (0, 3), "it still cannot be read"


def test_a_header_without_a_value_is_kept_without_one() -> None:
    headers = (("ce_id", None), ("ce_type", b"x"))  # as Kafka may have them
    assert headers_of(stored(headers)) == (("ce_id", b""), ("ce_type", b"x"))  # type: ignore[arg-type]


async def test_too_many_failures_stop_the_line(embedded_bus: EmbeddedBus, world: World) -> None:
    events = world.events(subjects=30, tenants=10)
    world.broken = {event.id for event in events[10:]}
    await world.publish(embedded_bus, events)

    with pytest.raises(TooManyDeadLetters):
        await world.run_until_it_raises(embedded_bus, dead_letter_limit=5, max_messages=4)
    assert sum(not parked for _, _, parked in await world.dead_letters()) <= 5
    with pytest.raises(TooManyDeadLetters):  # and a restart mends nothing
        await world.run_until_it_raises(embedded_bus, dead_letter_limit=5, max_messages=4)

    world.broken = set()
    await replay_dead_letters(world.subscription, world.engine)
    await world.run_until_applied(embedded_bus, 30, dead_letter_limit=5)
    assert sorted(await world.effects()) == sorted(event.id for event in events)


async def test_too_many_failures_of_one_tenant_stop_that_tenant_and_nobody_else(
    embedded_bus: EmbeddedBus, world: World
) -> None:
    bad = [world.event(uuid4(), "bad") for _ in range(300)]
    good = [world.event(uuid4(), "good") for _ in range(300)]
    world.broken = {event.id for event in bad[:200]}
    both = [event for pair in zip(bad, good, strict=True) for event in pair]
    await world.publish(embedded_bus, both)
    limit = 40

    async def all_dealt_with() -> bool:
        return len(await world.effects()) + len(await world.dead_letters()) == len(both)

    await world.run_until(embedded_bus, all_dealt_with, dead_letter_limit=limit, max_messages=50)
    assert {event.id for event in good} <= set(await world.effects())
    dead_letters = await world.dead_letters()
    assert sum(not parked for _, _, parked in dead_letters) <= limit // 4
    assert {reason for _, reason, parked in dead_letters if parked} == {"parked: too many of its tenant's failed"}
    assert len(world.calls) < 300, "what is the tenant's is not tried any more"

    # Of the same tenant more comes, after a restart; and once all is mended it takes effect, in order.
    again = [world.event(event.subject, "bad") for event in bad[:20]]
    others = [world.event(uuid4(), "good") for _ in range(20)]
    both += [*again, *others]
    await world.publish(embedded_bus, [*again, *others])
    await world.run_until(embedded_bus, all_dealt_with, dead_letter_limit=limit)
    world.broken = set()
    done = await replay_dead_letters(world.subscription, world.engine)
    assert done.left == 0
    effects = await world.effects()
    assert sorted(effects) == sorted(event.id for event in both)
    for before, after in zip(bad, again, strict=False):
        assert effects.index(before.id) < effects.index(after.id)


async def test_the_limit_ends_the_search_in_one_big_batch(embedded_bus: EmbeddedBus, world: World) -> None:
    events = world.events(subjects=500, tenants=100)
    world.broken = {event.id for event in events}
    await world.publish(embedded_bus, events)
    with pytest.raises(TooManyDeadLetters):
        await world.run_until_it_raises(embedded_bus, dead_letter_limit=5)
    assert len(world.calls) < 60


async def test_parked_events_do_not_count_against_the_limit(embedded_bus: EmbeddedBus, world: World) -> None:
    events = world.events(subjects=1, each=40)
    world.broken = {events[0].id}
    await world.publish(embedded_bus, events)

    async def all_parked() -> bool:
        return len(await world.dead_letters()) == 40

    await world.run_until(embedded_bus, all_parked, dead_letter_limit=5)


async def test_a_deadlock_is_tried_again_and_not_for_ever(embedded_bus: EmbeddedBus, world: World) -> None:
    class Deadlock(Exception):
        sqlstate = "40P01"

    events = world.events(subjects=6)
    always: UUID = events[2].id
    await world.publish(embedded_bus, events)

    async def deadlock(_: AsyncConnection, envelopes: Sequence[Envelope]) -> None:
        if len(world.calls) <= 2 or any(envelope.id == always for envelope in envelopes):
            raise DBAPIError("UPDATE", {}, Deadlock("deadlock detected"))

    world.before = deadlock
    await _run_until_letters(world, embedded_bus, 1, applied=5)
    (dead_letter,) = await world.dead_letters()
    assert dead_letter[0] == always
    again = REGISTRY.get_sample_value("kith_consumer_redeliveries_total", {"group": world.group})
    assert again == 5, "not condemned before it was tried some times"
    assert sorted(await world.effects()) == sorted(event.id for event in events if event.id != always)


async def test_dead_letters_are_copied_to_their_topic(embedded_bus: EmbeddedBus, world: World) -> None:
    events = world.events(subjects=3)
    world.broken = {events[1].id}
    await world.publish(embedded_bus, events)
    failing = True

    def fail(what: str) -> None:
        if what == "create_topics" and failing:
            raise BusError("away")

    async def there() -> bool:
        return bool(await world.dead_letters())

    await world.run_until(FaultyBus(embedded_bus, fail), there)
    failing = False

    async with world.running(embedded_bus):
        copies = await _read(embedded_bus, world.subscription.dead_letter_topic, 1)
    (copy,) = copies
    assert copy.value == events[1].data
    headers = dict(copy.headers)
    assert headers["ce_id"] == str(events[1].id).encode()
    assert headers["kith-dead-reason"] == f"Broken: cannot handle {events[1].id}".encode()


@pytest.mark.parametrize("headers", [[["ce_id"]], [["ce_id", "abc"]], "x", {"ce_id": 1}])
async def test_a_letter_that_cannot_be_copied_keeps_nobody_from_consuming(
    embedded_bus: EmbeddedBus, world: World, headers: Any
) -> None:
    events = world.events(subjects=3)
    world.broken = {events[1].id}
    by_hand = {"group_name": world.group, "topic": world.topic, "partition": 0, "offset": -1, "message_key": b""}
    by_hand |= {"value": b"", "headers": headers, "reason": "written by hand", "parked": False, "attempts": 1}
    async with world.engine.begin() as connection:
        await connection.execute(insert(LETTERS).values(by_hand))
    await world.publish(embedded_bus, events)
    async with world.running(embedded_bus):
        (copy,) = await _read(embedded_bus, world.subscription.dead_letter_topic, 1)
        assert copy.value == events[1].data
        later = world.events(subjects=1)
        await world.publish(embedded_bus, later)

        async def is_applied() -> bool:
            return later[0].id in await world.effects()

        await eventually(is_applied)


async def _read(bus: EmbeddedBus, topic: str, count: int) -> list[Incoming]:
    async def assigned(_: frozenset[TopicPartition]) -> Mapping[TopicPartition, int]:
        return {}

    async def revoked(_: frozenset[TopicPartition]) -> None:
        return None

    messages: list[Incoming] = []
    async with (
        asyncio.timeout(PATIENCE),
        bus.consumer(group=f"read-{uuid4()}", topics=[topic], on_assigned=assigned, on_revoked=revoked) as consumer,
    ):
        while len(messages) < count:
            messages.extend(await consumer.poll(max_messages=100, wait=0.2))
    return messages
