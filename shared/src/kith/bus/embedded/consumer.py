"""Reading the embedded bus as a member of a group."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import Self

from kith.bus.embedded.database import Database
from kith.bus.embedded.group import Membership
from kith.bus.embedded.log import Log
from kith.bus.embedded.notifier import Notifier
from kith.bus.port import BusError, Incoming, OffsetLost, Offsets, OnAssigned, OnRevoked, TopicPartition

_LOOK = 0.5
"""Seconds after which a consumer looks by itself: a notification may have been lost."""
_MAX_POLL_GAP = 300.0
"""Seconds without a poll after which a member counts as stuck and its session is let run out."""


class EmbeddedConsumer:
    def __init__(
        self,
        database: Database,
        log: Log,
        notifier: Notifier,
        *,
        group: str,
        topics: Sequence[str],
        session: float,
        on_assigned: OnAssigned,
        on_revoked: OnRevoked,
    ) -> None:
        self._log = log
        self._notifier = notifier
        self._group = group
        self._topics = list(topics)
        self._session = session
        self._membership = Membership(database, log, group=group, topics=topics, session=session)
        self._on_assigned = on_assigned
        self._on_revoked = on_revoked
        self._held: frozenset[TopicPartition] = frozenset()
        self._positions: dict[TopicPartition, int] = {}
        self._ends: dict[TopicPartition, int] = {}
        self._ready: list[Incoming] = []
        self._wake = asyncio.Event()
        self._members_changed = asyncio.Event()
        self._sync_due = True
        self._awaiting = False
        self._last_poll = monotonic()
        self._last_sign = 0.0
        self._pulse_task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._notifier.listen(self._wake, self._topics)
        self._notifier.listen(self._members_changed, [_group_channel(self._group)])
        self._pulse_task = asyncio.create_task(self._pulse(), name=f"bus-pulse {self._group}")
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._pulse_task is not None
        self._pulse_task.cancel()
        with suppress(asyncio.CancelledError):
            await self._pulse_task
        self._notifier.unlisten(self._wake)
        self._notifier.unlisten(self._members_changed)
        try:
            if error[0] is None:
                await self._let_go(self._held)
        finally:
            with suppress(BusError):  # then the session runs out instead
                await self._membership.leave()
                self._notifier.notify([_group_channel(self._group)])

    async def poll(self, *, max_messages: int, wait: float) -> list[Incoming]:
        self._last_poll = monotonic()
        deadline = self._last_poll + wait
        while True:
            self._wake.clear()
            await self._rebalance()
            if max_messages and (messages := await self._take(max_messages)):
                return messages
            remaining = deadline - monotonic()
            if remaining <= 0:
                return []
            await _heard(self._wake, min(remaining, _LOOK))

    async def commit(self, offsets: Offsets) -> None:
        if offsets:
            await self._log.commit(self._group, offsets)

    def lag(self) -> Mapping[TopicPartition, int]:
        ready: dict[TopicPartition, int] = {}
        for message in self._ready:
            partition = TopicPartition(message.topic, message.partition)
            ready[partition] = ready.get(partition, 0) + 1
        return {
            partition: max(0, self._ends.get(partition, position) - position) + ready.get(partition, 0)
            for partition, position in self._positions.items()
        }

    async def _take(self, max_messages: int) -> list[Incoming]:
        if not self._ready and self._positions:
            self._ready = await self._fetch(max_messages)
        taken, self._ready = self._ready[:max_messages], self._ready[max_messages:]
        return taken

    async def _fetch(self, max_messages: int) -> list[Incoming]:
        self._ends = await self._log.ends(self._topics)
        quotas = _quotas(self._positions, self._ends, max_messages)
        if not quotas:
            return []
        messages = await self._log.read(quotas)
        for message in messages:
            self._positions[TopicPartition(message.topic, message.partition)] = message.offset + 1
        return messages

    async def _rebalance(self) -> None:
        if monotonic() - self._last_sign > self._session:
            self._sync_due = True  # perhaps put out meanwhile: ask before reading on
        if self._sync_due:
            self._sync_due = False
            try:
                await self._follow()
            except BaseException:
                self._sync_due = True
                raise
        fresh = self._held - self._positions.keys()
        if fresh:
            await self._place(fresh)

    async def _follow(self) -> None:
        standing = await self._membership.sync()
        self._last_sign = monotonic()
        self._awaiting = standing.missing or bool(standing.awaited)
        if standing.changed:
            self._notifier.notify([_group_channel(self._group)])
        await self._let_go(self._held - (standing.kept - standing.excess))
        self._held = (standing.kept | standing.taken) - standing.excess
        if standing.excess:
            await self._membership.release(standing.excess)
            self._notifier.notify([_group_channel(self._group)])

    async def _let_go(self, partitions: Iterable[TopicPartition]) -> None:
        revoked = frozenset(partition for partition in partitions if partition in self._positions)
        if not revoked:
            return
        try:
            await self._on_revoked(revoked)
        finally:
            for partition in revoked:
                del self._positions[partition]
                self._ends.pop(partition, None)
            self._ready = [message for message in self._ready if TopicPartition(*message[:2]) not in revoked]
            self._held -= revoked

    async def _place(self, fresh: frozenset[TopicPartition]) -> None:
        starts = await self._on_assigned(fresh)
        unknown = sorted(fresh - starts.keys())
        positions = {partition: offset for partition, offset in starts.items() if partition in fresh}
        if unknown:
            positions |= await self._log.beginnings(unknown)
        self._positions |= positions

    async def _pulse(self) -> None:
        """Signs of life go on while the caller works on a batch; what they find out, the next poll acts on."""
        while True:
            interval = min(_LOOK, self._session / 4) if self._awaiting else self._session / 4
            await _heard(self._members_changed, interval)
            self._members_changed.clear()
            if monotonic() - self._last_poll > _MAX_POLL_GAP or self._sync_due:
                continue
            with suppress(BusError):
                if await self._membership.beat():
                    self._sync_due = True
                    self._wake.set()
                self._last_sign = monotonic()


async def _heard(event: asyncio.Event, seconds: float) -> None:
    # Not asyncio.wait_for: Python 3.11's loses a cancellation that comes with the event.
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def _group_channel(group: str) -> str:
    return f"group {group}"


def _quotas(positions: Offsets, ends: Offsets, max_messages: int) -> dict[TopicPartition, tuple[int, int]]:
    """Share max_messages among the partitions that have any, the shortest first, so that none is starved.
    Raises OffsetLost for a position beyond the end."""
    waiting: list[tuple[int, TopicPartition]] = []
    for partition, position in positions.items():
        available = ends.get(partition, position) - position
        if available < 0:
            raise OffsetLost(f"{partition.topic}[{partition.partition}] ends before offset {position}")
        if available:
            waiting.append((available, partition))
    waiting.sort()
    quotas: dict[TopicPartition, tuple[int, int]] = {}
    left = max_messages
    for index, (available, partition) in enumerate(waiting):
        share = min(available, max(1, left // (len(waiting) - index)))
        quotas[partition] = (positions[partition], share)
        left = max(0, left - share)
    return quotas
