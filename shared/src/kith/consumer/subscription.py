"""What a service subscribes to, and what it does with it."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncConnection

from kith.bus.generations import of_generation
from kith.events.envelope import Envelope

Handler = Callable[[AsyncConnection, Sequence[Envelope]], Awaitable[None]]
"""Applies the effect of some events, through the connection only and in its open transaction: it may be called again
with the same events, or with some of them, after what it did was rolled back. Events of an aggregate come in order.
Types it does not know it passes over. An event it cannot handle: it raises, whatever it likes."""


@dataclass(frozen=True, slots=True)
class Subscription:
    group: str
    topics: Sequence[str]
    handle: Handler
    partitions: int | None = None
    """Of each of its topics, where dead letters may be of another number of them."""

    @property
    def dead_letter_topic(self) -> str:
        return f"{self.group}.dead-letters"

    def current(self, *, generation: int, partitions: int) -> "Subscription":
        """The same for the topics that are published to, by the settings."""
        return replace(self.of_generation(generation), partitions=partitions)

    def of_generation(self, generation: int, *, among: Collection[str] | None = None) -> "Subscription":
        """The same for the topics of a generation, or for those of them that are among these."""
        topics = [of_generation(topic, generation) for topic in self.topics]
        return replace(self, topics=tuple(topic for topic in topics if among is None or topic in among))


class TooManyDeadLetters(RuntimeError):
    """More messages of a group failed than is bad luck: stop, mend, replay or discard them, start again."""

    loggable = True
