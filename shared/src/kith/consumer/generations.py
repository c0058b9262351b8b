"""A subscription through the generations of its topics (see kith.bus.generations): each is read to its end before the
next is begun, so that events of an aggregate come in order, and none is left behind.

A former generation is at its end once every one of its topics is closed and the group's offsets, as the database has
them, are the topics' ends. All members of the group go by that, so while one reads what is left of a generation none
has begun the next.
"""

import asyncio
from collections.abc import Collection, Mapping
from contextlib import suppress

from sqlalchemy.ext.asyncio import AsyncEngine

from kith.bus.generations import ends_of, is_begun, of_generation
from kith.bus.port import Bus, BusError, TopicPartition
from kith.consumer.offsets import read_offsets
from kith.consumer.run import run
from kith.consumer.subscription import Subscription
from kith.runtime.telemetry import log
from kith.runtime.waiting import pause

_LOOK_SECONDS = 1.0


async def follow(
    subscription: Subscription,
    bus: Bus,
    engine: AsyncEngine,
    *,
    stop: asyncio.Event,
    generation: int,
    dead_letter_limit: int = 100,
) -> None:
    """Applies the events of the generations up to this one, until `stop` is set. The topics of the subscription are
    named without a generation. Raises as kith.consumer.run does."""
    for former in range(1, generation):
        await _read_to_the_end(subscription, bus, engine, stop, former, generation, dead_letter_limit)
    if not stop.is_set():
        await run(subscription.of_generation(generation), bus, engine, stop=stop, dead_letter_limit=dead_letter_limit)


async def _read_to_the_end(
    subscription: Subscription,
    bus: Bus,
    engine: AsyncEngine,
    stop: asyncio.Event,
    former: int,
    generation: int,
    dead_letter_limit: int,
) -> None:
    while not stop.is_set():
        try:
            left = await unread(subscription, bus, engine, former=former, generation=generation)
        except BusError as error:
            log.warning("bus not reached", group=subscription.group, error=error)
            left = None
        if left is not None and not any(number is None or number for number in left.values()):
            return
        if left is None:
            await pause(stop, _LOOK_SECONDS)
            continue
        log.info("a former generation is read to its end", group=subscription.group, generation=former, left=str(left))
        enough = asyncio.Event()
        reading = subscription.of_generation(former, among=left)
        consuming = asyncio.create_task(run(reading, bus, engine, stop=enough, dead_letter_limit=dead_letter_limit))
        watching = asyncio.create_task(_watch(subscription, bus, engine, former, generation, left.keys()))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({consuming, watching, stopping}, return_when=asyncio.FIRST_COMPLETED)
            enough.set()
            await consuming
        finally:
            for task in (consuming, watching, stopping):
                task.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await task


async def _watch(
    subscription: Subscription, bus: Bus, engine: AsyncEngine, former: int, generation: int, topics: Collection[str]
) -> None:
    """Returns when nothing is left to be read, or a topic has come or gone."""
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        with suppress(BusError):
            left = await unread(subscription, bus, engine, former=former, generation=generation)
            if left is None or left.keys() != topics or not any(number is None or number for number in left.values()):
                return


async def unread(
    subscription: Subscription, bus: Bus, engine: AsyncEngine, *, former: int, generation: int
) -> Mapping[str, int | None] | None:
    """Returns, by the topics of a former generation that exist, how many messages the group has not read yet; None if
    it has read all there are, and more may come. Returns None if there is nothing on the bus by which to tell: neither
    those topics, nor a message in later ones. Raises BusError."""
    left: dict[str, int | None] = {}
    begun = False
    async with bus.producer() as producer:
        for topic in subscription.topics:
            closed = await is_begun(producer, topic, range(former + 1, generation + 1))
            begun = begun or closed
            name = of_generation(topic, former)
            ends = await ends_of(producer, name)  # after it was closed: these are the last
            if ends is None:
                continue
            partitions = {TopicPartition(name, number): end for number, end in enumerate(ends)}
            async with engine.connect() as connection:
                offsets = await read_offsets(connection, subscription.group, partitions.keys())
            number = sum(max(0, end - offsets.get(each, 0)) for each, end in partitions.items())
            left[name] = number if number or closed else None
    return left if left or begun else None
