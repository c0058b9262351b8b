"""Reading Kafka as a member of a group.

aiokafka rebalances in a task of its own. Here the callbacks run in the caller's, inside poll: the task waits, within
the rebalance timeout, until the next poll has let the partitions go. So a batch is never worked on while its
partitions are given away, unless it takes longer than that.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor

from kith.bus.kafka.connection import Connection
from kith.bus.kafka.errors import as_bus_errors
from kith.bus.port import BusError, Incoming, Offsets, OnAssigned, OnRevoked, TopicPartition

_REBALANCE_SECONDS = 60.0
_COMMIT_SECONDS = 5.0
_METADATA_MS = 5_000
"""How soon a topic that comes into being later is noticed."""


class KafkaConsumer:
    def __init__(
        self,
        connection: Connection,
        *,
        group: str,
        topics: Sequence[str],
        session: float,
        on_assigned: OnAssigned,
        on_revoked: OnRevoked,
    ) -> None:
        self._connection = connection
        self._group = group
        self._topics = list(topics)
        self._session = session
        self._on_assigned = on_assigned
        self._on_revoked = on_revoked
        self._rebalance = _Rebalance()
        self._assigned: frozenset[TopicPartition] = frozenset()
        """What the caller was assigned and has not let go since."""
        self._positions: dict[TopicPartition, int] = {}
        self._kafka: AIOKafkaConsumer | None = None
        self._stamp: object = None

    async def __aenter__(self) -> Self:
        with as_bus_errors():
            self._stamp, options = self._connection.stamp(), self._connection.options()
        kafka = AIOKafkaConsumer(
            **options,
            group_id=self._group,
            enable_auto_commit=False,
            # Never jump over events: an offset that is not there is raised as OffsetLost.
            auto_offset_reset="none",
            partition_assignment_strategy=(RangePartitionAssignor,),
            session_timeout_ms=int(self._session * 1000),
            heartbeat_interval_ms=int(min(1.0, self._session / 4) * 1000),
            rebalance_timeout_ms=int(_REBALANCE_SECONDS * 1000),
            metadata_max_age_ms=_METADATA_MS,
        )
        with as_bus_errors():
            try:
                await kafka.start()
            except BaseException:
                await kafka.stop()
                raise
            # Only now: a start with topics would wait for partitions, which others may have to let go first.
            kafka.subscribe(topics=self._topics, listener=self._rebalance)
        self._kafka = kafka
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._kafka is not None
        try:
            if error[0] is None and self._assigned:
                await self._let_go()
        finally:
            self._rebalance.close()
            with suppress(BusError), as_bus_errors():  # then the session runs out instead
                await self._kafka.stop()

    async def poll(self, *, max_messages: int, wait: float) -> list[Incoming]:
        assert self._kafka is not None, "the consumer is entered with `async with` first"
        deadline = monotonic() + wait
        with as_bus_errors():
            if self._connection.stamp() != self._stamp:
                raise BusError("the credentials for Kafka were replaced: another consumer connects with the new ones")
        while True:
            self._rebalance.news.clear()
            with as_bus_errors():
                self._kafka._coordinator.check_errors()  # noqa: SLF001 - getmany would, but must not be called always
            await self._settle()
            remaining = max(0.0, deadline - monotonic())
            if self._rebalance.settled and max_messages:
                with as_bus_errors():
                    messages = await self._fetch(max_messages, remaining)
                if messages:
                    return messages
            elif remaining:
                with suppress(TimeoutError):
                    async with asyncio.timeout(remaining):
                        await self._rebalance.news.wait()
            if monotonic() >= deadline:
                return []

    async def commit(self, offsets: Offsets) -> None:
        assert self._kafka is not None
        if offsets:
            with as_bus_errors():
                async with asyncio.timeout(_COMMIT_SECONDS):
                    await self._kafka.commit({KafkaPartition(*each): offset for each, offset in offsets.items()})

    def lag(self) -> Mapping[TopicPartition, int]:
        if self._kafka is None or not self._rebalance.settled:
            return {}
        ends = {each: self._kafka.highwater(KafkaPartition(*each)) for each in self._positions}
        return {
            each: max(0, (ends[each] if ends[each] is not None else position) - position)
            for each, position in self._positions.items()
        }

    async def _settle(self) -> None:
        """Acts on what the rebalancing task has reported, until nothing is new."""
        rebalance = self._rebalance
        while rebalance.letting_go is not None or rebalance.assigned is not None:
            if rebalance.letting_go is not None:
                try:
                    if self._assigned:
                        await self._let_go()
                finally:
                    rebalance.let_go()
            elif rebalance.assigned is not None:
                await self._take(rebalance.assigned)

    async def _let_go(self) -> None:
        revoked, self._assigned = self._assigned, frozenset()
        self._positions.clear()
        await self._on_revoked(revoked)

    async def _take(self, partitions: frozenset[TopicPartition]) -> None:
        rebalance = self._rebalance
        if not partitions:
            rebalance.accept(partitions)
            return
        starts = await self._on_assigned(partitions)
        self._assigned = partitions
        with as_bus_errors():
            positions = {each: offset for each, offset in starts.items() if each in partitions}
            positions |= await self._beginnings(partitions - positions.keys())
        if not rebalance.accept(partitions):
            return  # another rebalance began meanwhile and takes them away again
        assert self._kafka is not None
        for partition, offset in positions.items():
            self._kafka.seek(KafkaPartition(*partition), offset)
        self._positions = positions

    async def _beginnings(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        assert self._kafka is not None
        wanted = [KafkaPartition(*each) for each in partitions]
        found = await self._kafka.beginning_offsets(wanted) if wanted else {}
        return {TopicPartition(*each): offset for each, offset in found.items()}

    async def _fetch(self, max_messages: int, wait: float) -> list[Incoming]:
        """Raises aiokafka's errors."""
        assert self._kafka is not None
        fetched = await self._kafka.getmany(timeout_ms=0, max_records=max_messages)
        if not fetched and wait:
            fetched = await self._fetch_or_news(max_messages, wait)
        messages: list[Incoming] = []
        for (topic, number), records in fetched.items():
            messages += [
                Incoming(topic, number, record.offset, record.key or b"", record.value or b"", record.headers)
                for record in records
            ]
            self._positions[TopicPartition(topic, number)] = records[-1].offset + 1
        return messages

    async def _fetch_or_news(self, max_messages: int, wait: float) -> Mapping[KafkaPartition, Sequence[Any]]:
        assert self._kafka is not None
        getting = asyncio.ensure_future(
            self._kafka.getmany(timeout_ms=max(1, int(wait * 1000)), max_records=max_messages)
        )
        news = asyncio.ensure_future(self._rebalance.news.wait())
        try:
            await asyncio.wait((getting, news), return_when=asyncio.FIRST_COMPLETED)
        finally:
            news.cancel()
            if not getting.done():
                getting.cancel()  # it waits and has taken nothing yet
            await asyncio.wait((getting, news))
        fetched: Mapping[KafkaPartition, Sequence[Any]] = {} if getting.cancelled() else getting.result()
        return fetched


class _Rebalance(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka is untyped
    """What aiokafka's task and the caller's poll pass to each other."""

    def __init__(self) -> None:
        self.news = asyncio.Event()
        self.settled = False
        """Whether what is fetched belongs to us and starts where it should."""
        self.letting_go: asyncio.Future[None] | None = None
        self.assigned: frozenset[TopicPartition] | None = None
        self._closed = False

    async def on_partitions_revoked(self, revoked: Iterable[KafkaPartition]) -> None:
        self.settled = False
        self.assigned = None
        self.news.set()
        if not revoked or self._closed:
            return
        self.letting_go = self.letting_go or asyncio.get_running_loop().create_future()
        # Should the caller not come in time, the broker goes on without us, and its offsets are guarded elsewhere.
        await asyncio.wait((self.letting_go,), timeout=_REBALANCE_SECONDS * 0.8)

    async def on_partitions_assigned(self, assigned: Iterable[KafkaPartition]) -> None:
        self.assigned = frozenset(TopicPartition(*each) for each in assigned)
        self.news.set()

    def accept(self, partitions: frozenset[TopicPartition]) -> bool:
        """Whether this is still what was assigned."""
        if self.assigned is not partitions:
            return False
        self.assigned = None
        self.settled = True
        return True

    def let_go(self) -> None:
        if self.letting_go is not None:
            if not self.letting_go.done():
                self.letting_go.set_result(None)
            self.letting_go = None

    def close(self) -> None:
        self._closed = True
        self.let_go()
