"""What a service subscribes to, and what it does with it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

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

    @property
    def dead_letter_topic(self) -> str:
        return f"{self.group}.dead-letters"


class TooManyDeadLetters(RuntimeError):
    """More messages of a group failed than is bad luck: stop, mend, replay or discard them, start again."""

    loggable = True
