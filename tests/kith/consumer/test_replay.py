"""What is requested for dead letters, a worker does: once, in order, and whatever dies meanwhile."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection
from tests.kith.consumer.world import LETTERS, PARTITIONS, World, eventually

from kith.bus.embedded import EmbeddedBus
from kith.bus.partitioner import partition_of
from kith.consumer import attend_dead_letters, discard_dead_letters, replay, replay_dead_letters
from kith.consumer.dead_letters import stored
from kith.consumer.replay import Wish, attend_once
from kith.events.envelope import Envelope

_C = LETTERS.c
LOCKS = (
    "SELECT number, pg_try_advisory_xact_lock_shared(hashtextextended(:group, number)) AS free "
    "FROM generate_series(0, 96) number"
)


@pytest.fixture
async def dead(embedded_bus: EmbeddedBus, world: World) -> list[Envelope]:
    """Six events of one aggregate, the first of which fails: six dead letters."""
    events = world.events(subjects=1, each=6)
    world.broken = {events[0].id}
    await world.publish(embedded_bus, events)

    async def there() -> bool:
        return len(await world.dead_letters()) == 6

    await world.run_until(embedded_bus, there)
    return events


async def _ask(world: World, wish: Wish, events: Collection[Envelope]) -> None:
    async with world.engine.begin() as connection:
        await connection.execute(
            update(LETTERS)
            .where(_C.group_name == world.group, _C.event_id.in_([event.id for event in events]))
            .values(requested=wish.value, requested_at=datetime.now(UTC))
        )


async def _requested(world: World) -> int:
    async with world.engine.connect() as connection:
        rows = await connection.execute(select(_C.id).where(_C.group_name == world.group, _C.requested.is_not(None)))
        return len(rows.all())


async def _attend(world: World) -> None:
    while await attend_once(world.subscription, world.engine):
        pass


async def test_a_replay_keeps_off_those_who_read_its_key_in_a_topic_of_more_partitions(
    world: World, dead: list[Envelope]
) -> None:
    world.broken = set()
    key = dead[0].key()
    locked: list[int] = []

    async def look(_: AsyncConnection, __: Sequence[Envelope]) -> None:
        async with world.engine.connect() as other:
            rows = await other.execute(text(LOCKS), {"group": world.group})
            locked.extend(row.number for row in rows if not row.free)

    world.before = look
    await replay_dead_letters(replace(world.subscription, partitions=97), world.engine)
    assert set(locked) == {partition_of(key, PARTITIONS), partition_of(key, 97)}


async def test_a_request_for_one_replays_its_whole_aggregate(world: World, dead: list[Envelope]) -> None:
    world.broken = set()
    await _ask(world, Wish.REPLAY, [dead[3]])
    stop = asyncio.Event()
    worker = asyncio.create_task(attend_dead_letters(world.subscription, world.engine, stop=stop))

    async def done() -> bool:
        return await world.dead_letters() == []

    await eventually(done)
    stop.set()
    await worker
    assert await world.effects() == [event.id for event in dead]
    assert await _requested(world) == 0


async def test_what_fails_again_says_so_and_is_not_tried_for_ever(world: World, dead: list[Envelope]) -> None:
    world.broken = {dead[2].id}
    await _ask(world, Wish.REPLAY, dead)
    await _attend(world)
    assert await world.effects() == [event.id for event in dead[:2]]
    waiting = [(event.id, f"parked behind {dead[2].id}", True) for event in dead[3:]]
    assert await world.dead_letters() == [(dead[2].id, f"Broken: cannot handle {dead[2].id}", False), *waiting]
    assert await _requested(world) == 0
    calls = len(world.calls)
    await _attend(world)
    assert len(world.calls) == calls


async def test_a_long_line_is_replayed_in_parts_and_gone_on_with(
    world: World, dead: list[Envelope], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "_CHUNK", 2)
    world.broken = set()
    await _ask(world, Wish.REPLAY, dead[:1])
    assert await attend_once(world.subscription, world.engine), "there is more to do"
    assert await world.effects() == [event.id for event in dead[:2]]
    # The next worker goes on, without another request.
    await _attend(world)
    assert await world.effects() == [event.id for event in dead]
    assert await world.dead_letters() == []


async def test_killed_in_the_act_it_leaves_neither_effect_nor_claim(world: World, dead: list[Envelope]) -> None:
    world.broken = set()
    await _ask(world, Wish.REPLAY, dead)

    async def die(connection: AsyncConnection, envelopes: Sequence[Envelope]) -> None:
        if any(envelope.id == dead[4].id for envelope in envelopes):
            await connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    world.before = die
    await attend_once(world.subscription, world.engine)
    assert await world.effects() == []
    assert len(await world.dead_letters()) == await _requested(world) == 6

    world.before = None
    await _attend(world)
    assert await world.effects() == [event.id for event in dead]
    assert await world.dead_letters() == []


async def test_several_workers_do_it_once(world: World, dead: list[Envelope]) -> None:
    world.broken = set()
    await _ask(world, Wish.REPLAY, dead)
    await asyncio.gather(*(_attend(world) for _ in range(4)))
    assert await world.effects() == [event.id for event in dead]


async def test_discarding_the_first_lets_the_others_go_on(world: World, dead: list[Envelope]) -> None:
    await _ask(world, Wish.DISCARD, dead[:1])
    await _attend(world)
    assert await world.effects() == [event.id for event in dead[1:]]
    assert await world.dead_letters() == []


async def test_discarding_one_that_waits_tries_nothing(world: World, dead: list[Envelope]) -> None:
    calls = len(world.calls)
    await _ask(world, Wish.DISCARD, dead[2:3])
    await _attend(world)
    assert [event for event, _, _ in await world.dead_letters()] == [event.id for event in dead if event is not dead[2]]
    assert len(world.calls) == calls
    world.broken = set()
    assert await replay_dead_letters(world.subscription, world.engine) == (5, 0)
    assert dead[2].id not in await world.effects()


async def test_a_line_that_cannot_be_tried_now_does_not_keep_others_waiting(
    embedded_bus: EmbeddedBus, world: World, dead: list[Envelope]
) -> None:
    other = world.event(world.events(subjects=1)[0].subject)
    world.broken.add(other.id)
    await world.publish(embedded_bus, [other])

    async def there() -> bool:
        return len(await world.dead_letters()) == 7

    await world.run_until(embedded_bus, there)
    world.broken = set()

    async def away(_: AsyncConnection, envelopes: Sequence[Envelope]) -> None:
        if envelopes[0].subject == dead[0].subject:
            raise ConnectionError("away")

    world.before = away
    await _ask(world, Wish.REPLAY, [*dead, other])
    await attend_once(world.subscription, world.engine)
    assert await world.effects() == [other.id]
    assert await _requested(world) == 6, "requested still: none is to blame"


async def test_contention_does_not_keep_a_wish_open_for_ever(world: World, dead: list[Envelope]) -> None:
    class Deadlock(Exception):
        sqlstate = "40P01"

    async def deadlock(_: AsyncConnection, envelopes: Sequence[Envelope]) -> None:
        raise DBAPIError("UPDATE", {}, Deadlock("deadlock detected"))

    world.before = deadlock
    await _ask(world, Wish.REPLAY, dead)
    await _attend(world)
    assert await _requested(world) == 0
    assert "deadlock detected" in (await world.dead_letters())[0][1]


async def test_whose_it_is_the_column_says_and_not_a_header(world: World, dead: list[Envelope]) -> None:
    """A request can write headers: the worker, who may write every tenant's rows, must not believe them."""
    forged = [(name, b"victim" if name == "ce_tenantid" else value) for name, value in dead[0].headers()]
    async with world.engine.begin() as connection:
        await connection.execute(update(LETTERS).where(_C.event_id == dead[0].id).values(headers=stored(tuple(forged))))
    world.broken = set()
    seen: set[str] = set()

    async def look(_: AsyncConnection, envelopes: Sequence[Envelope]) -> None:
        seen.update(envelope.tenant_id for envelope in envelopes)

    world.before = look
    assert await replay_dead_letters(world.subscription, world.engine) == (6, 0)
    assert seen == {"acme"}


async def test_a_letter_has_one_state(world: World, dead: list[Envelope]) -> None:
    assert await discard_dead_letters(world.group, world.engine, (await world.letter_ids())[:1], note="a test") == 1
    with pytest.raises(IntegrityError, match="dead_letters_one_state"):
        await _ask(world, Wish.REPLAY, dead[:1])
    async with world.engine.connect() as connection:
        (entry,) = (await connection.execute(select(_C.history).where(_C.event_id == dead[0].id))).scalar_one()
    assert (entry["action"], entry["by"], entry["note"]) == ("discard", "operator", "a test")
