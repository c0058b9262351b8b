"""A bus that does all that a bus may do, step by step, and consumers of it that die, come back, and do not know that
they were replaced. What they do with a batch is the real thing: kith.consumer, and analytics.consumers.handle."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from analytics.consumers import handle
from kith.bus.partitioner import partition_of
from kith.bus.port import Bus, Incoming, TopicPartition
from kith.consumer import Subscription
from kith.consumer.faults import Fault, fault_of
from kith.consumer.offsets import Replaced
from kith.consumer.replay import replay_dead_letters
from kith.consumer.run import _Member
from kith.events.envelope import Envelope

PARTITIONS = 3
SOURCES = ("contacts", "sales", "service-desk")
GROUP = "machine"
_PATIENCE = 0.004
"""Seconds that one who has the turn is waited for: it may itself wait in the database, for the other's lock."""

Subject = UUID


class Crash(BaseException):
    """The process dies here."""


class Poison(Exception):
    """This message cannot be handled now."""


class Turns:
    """Whose statement is next, where some work side by side."""

    def __init__(self, order: Iterable[int], present: Iterable[int]) -> None:
        self._present = set(present)
        self._order = [each for each in order if each in self._present]
        self._moved = asyncio.Event()

    async def wait(self, me: int) -> None:
        while self._order and self._order[0] != me:
            self._moved.clear()
            try:
                await asyncio.wait_for(self._moved.wait(), _PATIENCE)
            except TimeoutError:
                self._order = self._order[1:]

    def done(self, me: int) -> None:
        if self._order and self._order[0] == me:
            self._order.pop(0)
            self._moved.set()

    def leave(self, me: int) -> None:
        self._order = [each for each in self._order if each != me]
        self._moved.set()


class _InTurns:
    """A connection whose statements wait for their turn."""

    def __init__(self, inner: AsyncConnection, turns: Turns, me: int) -> None:
        self._inner, self._turns, self._me = inner, turns, me

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        if name not in ("execute", "exec_driver_sql", "scalar", "scalars"):
            return method

        async def in_turn(*arguments: Any, **options: Any) -> Any:
            await self._turns.wait(self._me)
            try:
                return await method(*arguments, **options)
            finally:
                self._turns.done(self._me)

        return in_turn


@dataclass
class Process:
    """A member of the group: what it holds, and how far it has read of it."""

    bus: "SimulatedBus"
    partitions: frozenset[TopicPartition]
    member: _Member
    crashes: bool = False
    turns: tuple[Turns, int] | None = None

    @classmethod
    async def join(cls, bus: "SimulatedBus", partitions: frozenset[TopicPartition]) -> "Process":
        it = cls(bus, partitions, cast(_Member, None))
        subscription = Subscription(GROUP, (), it._handle)
        it.member = _Member(subscription, cast(Bus, bus), bus.engine, asyncio.Event(), 5000, 100)
        await it.member._assigned(partitions)
        return it

    def poll(self, wanted: Iterable[tuple[TopicPartition, int]]) -> list[Incoming]:
        """Up to so many messages of each of these."""
        found: list[Incoming] = []
        for partition, count in dict(wanted).items():
            start = self.member.reached.get(partition, 0)
            found += self.bus.logs[partition][start : start + count]
        return found

    async def apply(self, messages: Sequence[Incoming]) -> bool:
        """As kith.consumer does. Returns whether it may go on, or has been replaced."""
        for _ in range(10):
            try:
                await self.member._apply(messages, give_up_on_contention=False)
            except Replaced:
                return False
            except DBAPIError as error:
                if fault_of(error) is not Fault.CONTENTION:
                    raise
            else:
                return True
        raise AssertionError("others were in the way ten times")

    async def _handle(self, connection: AsyncConnection, envelopes: Sequence[Envelope]) -> None:
        if self.turns is not None:
            turns, me = self.turns
            connection = cast(AsyncConnection, _InTurns(connection, turns, me))
        try:
            await handle(connection, envelopes)
        finally:
            if self.turns is not None:
                turns.leave(me)
        if self.crashes:
            raise Crash
        if any(each.subject in self.bus.poisoned for each in envelopes):
            raise Poison


@dataclass
class SimulatedBus:
    """The logs, and what should have taken effect of them. A run has topics of its own."""

    engine: AsyncEngine
    run: str
    logs: dict[TopicPartition, list[Incoming]] = field(default_factory=dict)
    committed: dict[TopicPartition, int] = field(default_factory=dict)
    delivered: list[Envelope] = field(default_factory=list)
    poisoned: set[Subject] = field(default_factory=set)
    dead_letters: dict[Subject, list[Envelope]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        self.logs = {
            TopicPartition(f"{self.run}.{source}", number): [] for source in SOURCES for number in range(PARTITIONS)
        }

    @property
    def partitions(self) -> list[TopicPartition]:
        return list(self.logs)

    def append(self, envelope: Envelope) -> None:
        place = TopicPartition(f"{self.run}.{envelope.source}", partition_of(envelope.key(), PARTITIONS))
        self._append(place, envelope.key(), envelope.data, envelope.headers())

    def append_again(self, place: TopicPartition, count: int) -> None:
        """The producer was in doubt and published its last messages once more."""
        for message in self.logs[place][-count:]:
            self._append(place, message.key, message.value, message.headers)

    def _append(self, place: TopicPartition, key: bytes, value: bytes, headers: Any) -> None:
        log = self.logs[place]
        log.append(Incoming(*place, len(log), key, value, headers))

    def may_commit(self, process: Process, messages: Sequence[Incoming]) -> bool:
        """Nobody has moved what it has read."""
        touched = {TopicPartition(message.topic, message.partition) for message in messages}
        return all(self.committed.get(each) == process.member.reached.get(each) for each in touched)

    def note(self, messages: Sequence[Incoming]) -> None:
        """These were committed: what cannot be handled, and what follows it, was put aside."""
        for message in messages:
            self.committed[TopicPartition(message.topic, message.partition)] = message.offset + 1
            envelope = Envelope.from_message(message.headers, message.value)
            if envelope.subject in self.poisoned or self.dead_letters.get(envelope.subject):
                self.dead_letters[envelope.subject].append(envelope)
            else:
                self.delivered.append(envelope)

    async def replay(self) -> None:
        """The handler was mended, and what was put aside is handled."""
        self.poisoned.clear()
        done = await replay_dead_letters(Subscription(GROUP, (), handle), self.engine)
        waiting = [envelope for dead_letters in self.dead_letters.values() for envelope in dead_letters]
        assert (done.handled, done.left) == (len(waiting), 0)
        self.delivered += waiting
        self.dead_letters.clear()
