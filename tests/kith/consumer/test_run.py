"""Each event takes effect once, whatever goes wrong meanwhile."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import select, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection
from tests.kith.consumer.faulty import Crash, EverybodysBus, FaultyBus
from tests.kith.consumer.world import OFFSETS, World, eventually

from kith.bus.embedded import EmbeddedBus
from kith.bus.port import Bus, BusError, OffsetLost
from kith.events.envelope import Envelope


def _metric(name: str, group: str) -> float:
    return REGISTRY.get_sample_value(name, {"group": group}) or 0.0


async def test_events_take_effect_in_the_order_of_their_aggregate(bus: Bus, world: World) -> None:
    events = world.events(subjects=10, each=20)
    await world.publish(bus, events)
    await world.run_until_applied(bus, len(events))

    effects = await world.effects()
    assert len(effects) == len(events)
    for subject in {event.subject for event in events}:
        of_subject = [event.id for event in events if event.subject == subject]
        assert [effect for effect in effects if effect in set(of_subject)] == of_subject
    assert _metric("kith_consumer_events_total", world.group) == len(events)


async def test_a_crash_before_offsets_reach_the_broker_repeats_nothing(bus: Bus, world: World) -> None:
    events = world.events(subjects=50)
    await world.publish(bus, events)

    def die(what: str) -> None:
        if what == "commit":
            raise Crash

    with pytest.raises(Crash):
        await world.run_until_it_raises(FaultyBus(bus, die), max_messages=10)
    done = await world.effects()
    assert 0 < len(done) < 50, "it died in between"

    await world.run_until_applied(bus, 50)
    effects = await world.effects()
    assert sorted(effects) == sorted(event.id for event in events)
    assert effects[: len(done)] == done


async def test_a_crash_before_the_database_commits_loses_nothing(bus: Bus, world: World) -> None:
    events = world.events(subjects=50)
    await world.publish(bus, events)

    async def die(_: AsyncConnection, __: Sequence[Envelope]) -> None:
        if len(world.calls) > 2:
            raise asyncio.CancelledError  # unlike an error it cannot be taken for the message's fault

    world.before = die
    with pytest.raises(asyncio.CancelledError):
        await world.run_until_it_raises(bus, max_messages=10)
    world.before = None

    await world.run_until_applied(bus, 50)
    assert sorted(await world.effects()) == sorted(event.id for event in events)


async def test_consumers_that_both_believe_they_own_a_partition_apply_each_event_once(world: World) -> None:
    events = world.events(subjects=300)
    bus = EverybodysBus(world.topic, [world.message(event) for event in events])

    async def give_way(_: AsyncConnection, __: Sequence[Envelope]) -> None:
        await asyncio.sleep(0)

    world.before = give_way
    async with world.running(bus, max_messages=7), world.running(bus, max_messages=11):

        async def applied() -> bool:
            return len(await world.effects()) >= 300

        await eventually(applied)
    assert await world.effects() == [event.id for event in events]
    assert _metric("kith_consumer_replaced_total", world.group) > 0, "they never got in each other's way"


async def test_two_members_share_the_work(bus: Bus, world: World) -> None:
    events = world.events(subjects=100)
    async with world.running(bus), world.running(bus):
        await world.publish(bus, events)

        async def applied() -> bool:
            return len(await world.effects()) >= 100

        await eventually(applied)
    assert sorted(await world.effects()) == sorted(event.id for event in events)


async def test_a_lost_database_connection_is_waited_out(embedded_bus: EmbeddedBus, world: World) -> None:
    events = world.events(subjects=20)
    await world.publish(embedded_bus, events)

    async def hang_up(connection: AsyncConnection, _: Sequence[Envelope]) -> None:
        if len(world.calls) <= 2:
            await connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    world.before = hang_up
    await world.run_until_applied(embedded_bus, 20)
    assert sorted(await world.effects()) == sorted(event.id for event in events)
    assert await world.dead_letters() == []
    assert _metric("kith_consumer_redeliveries_total", world.group) == 2


async def test_a_bus_that_fails_is_joined_again(embedded_bus: EmbeddedBus, world: World) -> None:
    events = world.events(subjects=20)
    await world.publish(embedded_bus, events)
    polls: list[str] = []

    def fail(what: str) -> None:
        polls.append(what)
        if what == "poll" and len(polls) in {1, 3, 5}:
            raise BusError("away")

    await world.run_until_applied(FaultyBus(embedded_bus, fail), 20, max_messages=5)
    assert sorted(await world.effects()) == sorted(event.id for event in events)


async def test_while_a_batch_waits_its_partitions_may_go_to_another(embedded_bus: EmbeddedBus, world: World) -> None:
    events = world.events(subjects=40)
    await world.publish(embedded_bus, events)
    stuck, healthy = World(world.engine), world
    stuck.subscription = type(stuck.subscription)(healthy.group, healthy.subscription.topics, stuck.handle)

    async def fail(_: AsyncConnection, __: Sequence[Envelope]) -> None:
        raise ConnectionError("what it needs is away")

    stuck.before = fail
    async with stuck.running(embedded_bus):

        async def tried() -> bool:
            return bool(stuck.calls)

        await eventually(tried)
        async with healthy.running(embedded_bus):

            async def some_applied() -> bool:
                return bool(await healthy.effects())

            await eventually(some_applied)
            stuck.before = None

            async def all_applied() -> bool:
                return len(await healthy.effects()) + len(await stuck.effects()) >= 40

            await eventually(all_applied)
    assert sorted(await healthy.effects() + await stuck.effects()) == sorted(event.id for event in events)
    assert _metric("kith_consumer_replaced_total", healthy.group) == 0, "it kept what was not its own any more"


async def test_stopping_finishes_the_batch_and_leaves_the_group(bus: Bus, world: World) -> None:
    events = world.events(subjects=30)
    await world.publish(bus, events)
    async with world.running(bus) as stop:

        async def stop_now(_: AsyncConnection, __: Sequence[Envelope]) -> None:
            stop.set()

        world.before = stop_now
        await stop.wait()
    done = await world.effects()
    assert done
    async with world.engine.connect() as connection:
        reached = await connection.scalar(
            select(OFFSETS.c.next_offset).where(OFFSETS.c.group_name == world.group).limit(1)
        )
    assert reached

    world.before = None
    await world.run_until_applied(bus, 30)
    assert sorted(await world.effects()) == sorted(event.id for event in events)


async def test_a_lost_offset_stops_the_line(embedded_bus: EmbeddedBus, world: World) -> None:
    events = world.events(subjects=20)
    await world.publish(embedded_bus, events)
    await world.run_until_applied(embedded_bus, 20)
    await world.publish(embedded_bus, world.events(subjects=20))
    await embedded_bus.prune(timedelta(0))

    with pytest.raises(OffsetLost):
        await world.run_until_it_raises(embedded_bus)
    assert len(await world.effects()) == 20


async def test_an_internal_error_is_not_waited_out(embedded_bus: EmbeddedBus, world: World) -> None:
    await world.publish(embedded_bus, world.events(subjects=1))
    async with world.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE consumer_offsets RENAME TO elsewhere"))
    try:
        with pytest.raises(ProgrammingError):
            await world.run_until_it_raises(embedded_bus)
    finally:
        async with world.engine.begin() as connection:
            await connection.execute(text("ALTER TABLE elsewhere RENAME TO consumer_offsets"))
