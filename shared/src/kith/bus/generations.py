"""Generations of topics. To add partitions to a topic would move keys, and an aggregate's events would be in two
partitions at once. So topics with more of them follow upon the former: `kith.sales`, then `kith.sales.2`.

A topic is closed once one of a later generation has had a message: from then on whoever publishes to it publishes to
that one. What consumers make of it: kith.consumer.generations.
"""

from collections.abc import Iterable

from kith.bus.port import NoTopic, Producer

_AHEAD = 5
"""Generations beyond its own that a publisher looks for."""


class WrongGeneration(Exception):
    """The setting does not follow upon what is on the bus: nothing may be published by it."""

    loggable = True


def of_generation(topic: str, generation: int) -> str:
    """Returns the topic's name in a generation, which are counted from 1."""
    return topic if generation == 1 else f"{topic}.{generation}"


async def ends_of(producer: Producer, topic: str) -> list[int] | None:
    """Returns the offsets that the next messages will get, by partition; None if there is no such topic."""
    try:
        return await producer.end_offsets(topic)
    except NoTopic:
        return None


async def is_begun(producer: Producer, topic: str, generations: Iterable[int]) -> bool:
    """Whether the topic of any of the generations has had a message."""
    for generation in generations:
        if any(await ends_of(producer, of_generation(topic, generation)) or ()):
            return True
    return False


async def check_generation(producer: Producer, topic: str, generation: int) -> None:
    """For who publishes, before the first message. Raises WrongGeneration if a later generation is begun, or one has
    been left out."""
    if await is_begun(producer, topic, range(generation + 1, generation + 1 + _AHEAD)):
        raise WrongGeneration(
            f"KITH_TOPIC_GENERATION is {generation}, and events of {topic} are published in a later one already."
        )
    former = range(1, generation)
    if (
        not await is_begun(producer, topic, [generation])
        and await is_begun(producer, topic, former)
        and not await is_begun(producer, topic, former[-1:])
    ):
        raise WrongGeneration(f"KITH_TOPIC_GENERATION is {generation}, and {topic} has no generation {generation - 1}.")
