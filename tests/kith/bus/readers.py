"""Group members for tests: they read, remember what they read and held, and can be driven until something is true."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Self

from kith.bus.port import Bus, Consumer, Incoming, TopicPartition

PATIENCE = 30.0
"""Seconds until a test gives up waiting; never a measure of how long something takes."""


class Reader:
    def __init__(
        self,
        bus: Bus,
        group: str,
        topics: Sequence[str],
        *,
        starts: Mapping[TopicPartition, int] | None = None,
        journal: list[str] | None = None,
        name: str = "",
    ) -> None:
        self.name = name
        self.held: set[TopicPartition] = set()
        self.ever_held: set[TopicPartition] = set()
        self.received: list[Incoming] = []
        self.next_offsets: dict[TopicPartition, int] = dict(starts or {})
        self.journal = journal if journal is not None else []
        self.consumer: Consumer = bus.consumer(
            group=group, topics=topics, on_assigned=self._assigned, on_revoked=self._revoked
        )

    async def _assigned(self, partitions: frozenset[TopicPartition]) -> Mapping[TopicPartition, int]:
        assert not partitions & self.held, "given twice"
        self.held |= partitions
        self.ever_held |= partitions
        self.journal.extend(f"{self.name} takes {tp.topic}[{tp.partition}]" for tp in sorted(partitions))
        return {tp: self.next_offsets[tp] for tp in partitions if tp in self.next_offsets}

    async def _revoked(self, partitions: frozenset[TopicPartition]) -> None:
        assert partitions <= self.held, "taken away though never given"
        self.held -= partitions
        self.journal.extend(f"{self.name} leaves {tp.topic}[{tp.partition}]" for tp in sorted(partitions))

    async def __aenter__(self) -> Self:
        await self.consumer.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.consumer.__aexit__(*error)

    async def poll(self, *, max_messages: int = 1000, wait: float = 0.05) -> list[Incoming]:
        messages = await self.consumer.poll(max_messages=max_messages, wait=wait)
        for message in messages:
            partition = TopicPartition(message.topic, message.partition)
            assert partition in self.held, "a message of a partition not held"
            self.next_offsets[partition] = message.offset + 1
        self.received.extend(messages)
        return messages

    @property
    def values(self) -> list[bytes]:
        return [message.value for message in self.received]


async def drive(*readers: Reader, until: Callable[[], bool]) -> None:
    """Poll all of them, side by side, until it is true."""
    deadline = monotonic() + PATIENCE
    while not until():
        assert monotonic() < deadline, f"waited in vain: {[(reader.held, len(reader.received)) for reader in readers]}"
        await asyncio.gather(*(reader.poll() for reader in readers))
