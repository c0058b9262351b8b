"""Buses that go wrong on purpose, and one that gives every partition to everyone."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Self

from kith.bus.port import Bus, Consumer, Incoming, Offsets, OnAssigned, Outgoing, Producer, TopicPartition


class Crash(Exception):
    """The process dies here."""


class FaultyConsumer:
    """Asks `fault(what)` before each call; it may raise."""

    def __init__(self, inner: Consumer, fault: Callable[[str], None]) -> None:
        self._inner = inner
        self._fault = fault

    async def __aenter__(self) -> Self:
        await self._inner.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._inner.__aexit__(*error)

    async def poll(self, *, max_messages: int, wait: float) -> list[Incoming]:
        self._fault("poll")
        return await self._inner.poll(max_messages=max_messages, wait=wait)

    async def commit(self, offsets: Offsets) -> None:
        self._fault("commit")
        await self._inner.commit(offsets)

    def lag(self) -> Mapping[TopicPartition, int]:
        return self._inner.lag()


class FaultyBus:
    def __init__(self, inner: Bus, fault: Callable[[str], None]) -> None:
        self._inner = inner
        self._fault = fault

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def create_topics(self, topics: Mapping[str, int]) -> None:
        self._fault("create_topics")
        await self._inner.create_topics(topics)

    async def prune(self, age: timedelta) -> int:
        return await self._inner.prune(age)

    def history(self, topic: str, since: datetime) -> AsyncIterator[Sequence[Incoming]]:
        return self._inner.history(topic, since)

    def producer(self) -> Producer:
        return self._inner.producer()

    def consumer(self, **arguments: Any) -> Consumer:
        return FaultyConsumer(self._inner.consumer(**arguments), self._fault)


class EverybodysBus:
    """Gives all partitions to every consumer, as if none of them knew that it had been replaced."""

    def __init__(self, topic: str, messages: Sequence[Outgoing]) -> None:
        self._partition = TopicPartition(topic, 0)
        self._log = [Incoming(topic, 0, offset, m.key, m.value, m.headers) for offset, m in enumerate(messages)]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def create_topics(self, _topics: Mapping[str, int]) -> None:
        return None

    async def prune(self, _age: timedelta) -> int:
        return 0

    def history(self, topic: str, since: datetime) -> AsyncIterator[Sequence[Incoming]]:
        raise AssertionError(f"nobody reads {topic} here since {since}")

    def producer(self) -> Producer:
        raise AssertionError("nobody publishes here: the log is given")

    def consumer(self, *, on_assigned: OnAssigned, **_: object) -> Consumer:
        return _EverybodysConsumer(self._partition, self._log, on_assigned)


class _EverybodysConsumer:
    def __init__(self, partition: TopicPartition, log: list[Incoming], on_assigned: OnAssigned) -> None:
        self._partition = partition
        self._log = log
        self._on_assigned = on_assigned
        self._position: int | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def poll(self, *, max_messages: int, wait: float) -> list[Incoming]:
        if self._position is None:
            self._position = (await self._on_assigned(frozenset({self._partition}))).get(self._partition, 0)
        messages = self._log[self._position : self._position + max_messages]
        self._position += len(messages)
        await asyncio.sleep(0 if messages else wait)
        return messages

    async def commit(self, _offsets: Offsets) -> None:
        return None

    def lag(self) -> Mapping[TopicPartition, int]:
        return {}
