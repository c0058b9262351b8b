"""Events of a tenant that was removed have no effect, wherever they come from; those of others do."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.kith.consumer.world import OFFSETS, REMOVED, World

from kith.bus.port import Bus


@pytest.fixture(autouse=True)
async def _readmit(engine: AsyncEngine) -> AsyncIterator[None]:
    """Others' tests have events of the same tenants."""
    yield
    async with engine.begin() as connection:
        await connection.execute(delete(REMOVED))


async def remove(engine: AsyncEngine, tenant: str) -> None:
    async with engine.begin() as connection:
        await connection.execute(delete(REMOVED))
        await connection.execute(insert(REMOVED).values(tenant_id=tenant, removed_at=func.now()))


async def test_they_are_passed_over_and_leave_no_dead_letter(bus: Bus, world: World, engine: AsyncEngine) -> None:
    events = world.events(subjects=30, each=3, tenants=3)
    broken = next(event for event in events if event.tenant_id == "acme1")
    world.broken = {broken.id}
    await remove(engine, "acme1")
    await world.publish(bus, events)
    kept = [event.id for event in events if event.tenant_id != "acme1"]
    await world.run_until_applied(bus, len(kept), max_messages=20)
    assert sorted(await world.effects()) == sorted(kept)
    assert await world.dead_letters() == []


async def test_a_batch_of_none_but_theirs_is_read(bus: Bus, world: World, engine: AsyncEngine) -> None:
    events = world.events(subjects=10)
    await remove(engine, events[0].tenant_id)
    await world.publish(bus, events)

    async def read() -> bool:
        async with engine.connect() as connection:
            reached = select(func.sum(OFFSETS.c.next_offset)).where(OFFSETS.c.group_name == world.group)
            return bool(await connection.scalar(reached) == len(events))

    await world.run_until(bus, read)
    assert await world.effects() == []
    assert world.calls == []


async def test_once_it_is_readmitted_what_was_recorded_since_takes_effect(
    bus: Bus, world: World, engine: AsyncEngine
) -> None:
    before = world.events(subjects=5)
    await remove(engine, before[0].tenant_id)
    async with engine.begin() as connection:
        await connection.execute(update(REMOVED).values(readmitted_at=func.clock_timestamp()))
    since = world.events(subjects=5)
    unreadable = world.message(world.event(uuid4()))
    headers = tuple((name, b"yesterday" if name == "ce_time" else value) for name, value in unreadable.headers)
    await world.publish(bus, [*before, *since])
    await world.publish_messages(bus, [unreadable._replace(headers=headers)])

    async def there() -> bool:
        return len(await world.effects()) >= len(since) and len(await world.dead_letters()) == 1

    await world.run_until(bus, there)
    assert sorted(await world.effects()) == sorted(event.id for event in since)
