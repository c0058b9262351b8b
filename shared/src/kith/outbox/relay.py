"""The relay: takes events from the outbox to the bus, in order, at least once.

One relay at a time owns a service's outbox, by an advisory lock on a connection of its own: two would reorder an
aggregate's events. If its process dies, PostgreSQL frees the lock and another takes over.

An event that cannot be published is set aside with its reason, and the later ones of its aggregate behind it: see
kith.outbox.dead_letters. It owns these too: what is requested for them is done between two batches.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import ClassVar, NamedTuple
from uuid import UUID

import asyncpg
import msgspec
from prometheus_client import Counter
from sqlalchemy import ARRAY, BigInteger, Table, all_, any_, bindparam, cast, delete, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kith.bus.generations import check_generation, of_generation
from kith.bus.port import Bus, Outgoing, Producer
from kith.consumer.dead_letters import blocked_lines
from kith.consumer.delivery import Line
from kith.consumer.faults import Fault, fault_of
from kith.consumer.replay import ATTEND_SECONDS, attend_once, is_requested
from kith.consumer.subscription import Handler, Subscription
from kith.db.sessions import driver_of
from kith.db.statements import Statement
from kith.events.envelope import Envelope
from kith.ids import new_id
from kith.outbox.dead_letters import DeadLetter, check, group_of, readable, set_aside
from kith.runtime.telemetry import log
from kith.runtime.waiting import pause

BATCH = 5000
_IDLE_MIN, _IDLE_MEAN, _IDLE_MAX = 0.005, 0.05, 0.25
"""Seconds between looks where nothing is found: soon the mean, the most after ten seconds. A look costs a small machine
more than a millisecond, and there is one relay for each service."""
_WATERMARK_BUSY, _WATERMARK_IDLE = 0.25, 1.0
_PRUNE_EVERY, _PRUNE_ROWS = 60.0, 10_000
_RETRY = 1.0
_TRACEPARENT = 200
_LINES = 20
"""The dead letters of so many aggregates are replayed between two batches."""

PUBLISHED = Counter("kith_outbox_published_total", "Events brought from the outbox to the bus", ["service"])
INTERRUPTED = Counter("kith_outbox_interruptions_total", "Times that relaying began again after a fault", ["service"])


class Watermark(msgspec.Struct):
    """All events that its source recorded up to the envelope's time stand on the bus before these offsets, one per
    partition. It belongs to no tenant."""

    type: ClassVar[str] = "kith.watermark.v1"
    ends: list[int]
    topic: str | None = None
    """On which the ends are; None: that of the source, of the first generation."""


def topic_of(service: str) -> str:
    return f"kith.{service}"


async def own(connection: AsyncConnection, service: str) -> bool:
    """Takes the service's outbox for as long as the session lasts. Returns whether it was free."""
    key = func.hashtextextended(f"outbox/{service}", 0)
    return bool(await connection.scalar(select(func.pg_try_advisory_lock(key))))


class _Snapshot(NamedTuple):
    """What the outbox looked like at an instant."""

    at: datetime
    oldest_running: int
    """Transactions with a smaller id have ended."""
    own_id: int
    """The id of the transaction that looked, taken after `at`: any transaction that had an id by then has a smaller
    one."""
    last_seq: int | None
    """Of the rows then unpublished."""


class _Batch(NamedTuple):
    """The oldest rows that were unpublished at an instant, by sequence."""

    rows: Sequence[asyncpg.Record]
    awaited: _Snapshot | None
    """What was awaited before that instant: these rows show whether it is reached."""


class Relay:
    """Of one service's outbox. `run` it in a task; it ends when `stop` is set."""

    def __init__(
        self,
        service: str,
        engine: AsyncEngine,
        outbox: Table,
        bus: Bus,
        *,
        partitions: int,
        retention_days: int,
        generation: int = 1,
    ) -> None:
        self._service = service
        self._generation = generation
        self._topic = of_generation(topic_of(service), generation)
        self._engine = engine
        self._outbox = outbox
        self._bus = bus
        self._partitions = partitions
        self._retention_days = retention_days
        self._snapshots: deque[_Snapshot] = deque(maxlen=64)
        self._awaited: _Snapshot | None = None
        self._unmarked: list[int] = []
        """Sequences of what is on the bus, and not yet marked so."""
        self._blocked: dict[Line, str] = {}
        """Aggregates that have dead letters, each with the name of the one at its head."""
        columns, sequences = outbox.c, cast(bindparam("sequences"), ARRAY(BigInteger))
        self._oldest = Statement(
            select(columns.seq, *(readable(outbox, name) for name in _ENVELOPE))
            .where(columns.published_at.is_(None), columns.seq != all_(sequences))
            .order_by(columns.seq)
            .limit(bindparam("limit"))
        )
        # One by one and not up to the last: a transaction that commits late may have a smaller sequence.
        self._marked = Statement(update(outbox).where(columns.seq == any_(sequences)).values(published_at=func.now()))

    async def run(self, stop: asyncio.Event) -> None:
        """Own the outbox, then relay; after an error begin again."""
        while not stop.is_set():
            try:
                async with self._engine.connect() as connection:
                    # Each statement is a transaction: none here needs another.
                    await connection.execution_options(isolation_level="AUTOCOMMIT")
                    try:
                        if await own(connection, self._service):
                            async with self._bus.producer() as producer:
                                await self._relay(connection, producer, stop)
                    finally:
                        # Back in the pool the session would keep the lock.
                        await connection.invalidate()
            except Exception as error:  # noqa: BLE001 - whatever it was, all that is unpublished is tried again
                INTERRUPTED.labels(self._service).inc()
                log.warning("relay interrupted", outbox=self._service, error=error)
            await pause(stop, _RETRY)

    async def _relay(self, connection: AsyncConnection, producer: Producer, stop: asyncio.Event) -> None:
        # It owns the outbox, so while it has not begun a generation nobody has.
        await check_generation(producer, topic_of(self._service), self._generation)
        await self._bus.create_topics({self._topic: self._partitions})
        # A mark lost in a crash is one more event published again: not worth waiting for the disk.
        await driver_of(connection).execute("SET synchronous_commit = off")
        self._unmarked, self._awaited = [], None
        clock = asyncio.get_running_loop().time
        idle, busy, last_watermark, last_prune, last_attended = _IDLE_MIN, False, 0.0, clock(), 0.0
        dead_letters = Subscription(group_of(self._service), (), _publishing(producer, self._message))
        self._blocked = await blocked_lines(connection, dead_letters.group)
        batch = await self._select(connection)
        while not stop.is_set():
            following = await self._publish(connection, producer, batch) if batch.rows else None
            busy = busy or following is not None
            if batch.awaited is not None and _reached(batch):
                await self._publish_watermark(producer, batch.awaited)
                self._awaited, busy, last_watermark = None, False, clock()
            if self._awaited is None and clock() - last_watermark > (_WATERMARK_BUSY if busy else _WATERMARK_IDLE):
                self._awaited = await self._snapshot(connection)
            # A portion at a time, and the next at once if it was a full one: relaying goes on between them.
            if clock() - last_prune > _PRUNE_EVERY and not await self._prune(connection):
                last_prune = clock()
            if clock() - last_attended > ATTEND_SECONDS and not await self._attend(connection, dead_letters):
                last_attended = clock()
            if following is None:
                await self._mark(connection)
                await pause(stop, idle)
                idle = min(idle * (1.5 if idle < _IDLE_MEAN else 1.02), _IDLE_MAX)
                following = await self._select(connection)
            else:
                idle = _IDLE_MIN
            batch = following
        await self._mark(connection)

    async def _attend(self, connection: AsyncConnection, dead_letters: Subscription) -> bool:
        """Does what is requested for the dead letters. Returns whether there is more to do at once."""
        if not await is_requested(connection, dead_letters.group):
            return False
        more = await attend_once(dead_letters, self._engine, lines=_LINES)
        self._blocked = await blocked_lines(connection, dead_letters.group)
        return more

    async def _publish(self, connection: AsyncConnection, producer: Producer, batch: _Batch) -> _Batch:
        """Returns the next batch: it is fetched, and the last one marked, while this one is on its way."""
        sequences = [row[0] for row in batch.rows]
        sending = asyncio.create_task(self._send(producer, batch.rows))
        try:
            await self._mark(connection)
            following = await self._select(connection, besides=sequences)
        finally:
            dead_letters = await sending
        if dead_letters:
            await set_aside(connection, self._service, self._topic, self._outbox, dead_letters)
            gone = {dead_letter.seq for dead_letter in dead_letters}
            sequences = [seq for seq in sequences if seq not in gone]
        self._unmarked = sequences
        PUBLISHED.labels(self._service).inc(len(sequences))
        return following

    async def _send(self, producer: Producer, rows: Sequence[asyncpg.Record]) -> list[DeadLetter]:
        """Publishes all that can be. Returns the rest as dead letters: what cannot, and what waits behind it."""
        dead_letters: list[DeadLetter] = []
        messages: list[Outgoing] = []
        sent: list[asyncpg.Record] = []
        for row in rows:
            line = Line(row["tenant_id"], row["subject"])
            if self._blocked and (head := self._blocked.get(line)) is not None:
                dead_letters.append(DeadLetter(row["seq"], f"parked behind {head}", parked=True))
                continue
            try:
                envelope = self._envelope(row)
                check(envelope)
                messages.append(self._message(envelope))
                sent.append(row)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with it, it is with it alone
                dead_letters.append(self._as_dead_letter(row, line, error))
        if not messages:
            return dead_letters
        try:
            await producer.publish(messages)
        except Exception as error:
            if fault_of(error) is not Fault.POISON:
                raise
            if len(sent) == 1:
                return [
                    *dead_letters,
                    self._as_dead_letter(sent[0], Line(sent[0]["tenant_id"], sent[0]["subject"]), error),
                ]
            # Halves: one that is refused among n costs about 2 log n sends, and some of the others are sent again.
            middle = len(sent) // 2
            dead_letters += await self._send(producer, sent[:middle])
            dead_letters += await self._send(producer, sent[middle:])
        return dead_letters

    def _as_dead_letter(self, row: asyncpg.Record, line: Line, error: Exception) -> DeadLetter:
        self._blocked[line] = str(row["id"])
        return DeadLetter(row["seq"], f"{type(error).__name__}: {error}", parked=False)

    async def _select(self, connection: AsyncConnection, besides: Sequence[int] = ()) -> _Batch:
        """Everything that is published must be marked by now, or be among `besides`."""
        awaited = self._awaited
        return _Batch(await self._oldest.fetch(connection, {"sequences": besides, "limit": BATCH}), awaited)

    async def _mark(self, connection: AsyncConnection) -> None:
        """What is on the bus. Should we die before, it is published again: consumers know an event by its id."""
        if self._unmarked:
            await self._marked.fetch(connection, {"sequences": self._unmarked})
            self._unmarked = []

    def _envelope(self, row: asyncpg.Record) -> Envelope:
        _, id, type_, subject, time, tenant_id, customer_id, version, recorded_at, traceparent, actor, data = row
        return Envelope(
            id=id,
            source=self._service,
            type=type_,
            subject=subject,
            time=time,
            tenant_id=tenant_id,
            customer_id=customer_id,
            aggregate_version=version,
            recorded_at=recorded_at,
            # A trace is not worth an event.
            traceparent=None if traceparent is None or len(traceparent) > _TRACEPARENT else traceparent,
            actor=actor,
            data=data,
        )

    def _message(self, envelope: Envelope) -> Outgoing:
        return Outgoing(self._topic, envelope.key(), envelope.data, envelope.headers())

    async def _snapshot(self, connection: AsyncConnection) -> _Snapshot:
        # now() is the transaction's start, so it precedes the snapshot that the same statement takes.
        snapshot = _Snapshot(*(await connection.execute(_SNAPSHOT)).one())
        self._snapshots.append(snapshot)
        return snapshot

    async def _publish_watermark(self, producer: Producer, reached: _Snapshot) -> None:
        """All that was visible at `reached` is on the bus. That is all that was recorded by an earlier instant, if the
        transactions then running had ended by `reached`."""
        known = [each.at for each in self._snapshots if each.own_id <= reached.oldest_running]
        if not known:
            return
        watermark = Envelope(
            id=new_id(),
            source=self._service,
            type=Watermark.type,
            subject=_NO_SUBJECT,
            time=max(known),
            tenant_id="",
            customer_id=None,
            aggregate_version=0,
            recorded_at=reached.at,
            traceparent=None,
            data=msgspec.json.encode(Watermark(await producer.end_offsets(self._topic), self._topic)),
        )
        await producer.publish([self._message(watermark)])

    async def _prune(self, connection: AsyncConnection) -> bool:
        """Published rows stay for a while: consumers that fell behind the topic's own retention are refilled from them.
        Returns whether there may be more to delete."""
        columns = self._outbox.c
        horizon = func.now() - func.make_interval(0, 0, 0, self._retention_days)
        old = select(columns.seq).where(columns.published_at < horizon).limit(_PRUNE_ROWS)
        return (await connection.execute(delete(self._outbox).where(columns.seq.in_(old)))).rowcount == _PRUNE_ROWS


def _publishing(producer: Producer, message: Callable[[Envelope], Outgoing]) -> Handler:
    """A handler of dead letters: what is replayed is published."""

    async def handle(_: AsyncConnection, envelopes: Sequence[Envelope]) -> None:
        for envelope in envelopes:
            check(envelope)
        await producer.publish([message(envelope) for envelope in envelopes])

    return handle


_NO_SUBJECT = UUID(int=0)

_ENVELOPE = (
    "id",
    "type",
    "subject",
    "time",
    "tenant_id",
    "customer_id",
    "aggregate_version",
    "recorded_at",
    "traceparent",
    "actor",
    "data",
)

# An id of its own, and not the snapshot's xmax: that is one past the newest transaction that has *ended*, and ones
# still running may have that id or a greater one.
_SNAPSHOT = text("""
    SELECT now(),
           pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
           pg_current_xact_id()::text::bigint,
           max(seq)
    FROM outbox WHERE published_at IS NULL
""")


def _reached(batch: _Batch) -> bool:
    """Rows leave in sequence order, so once one is published, all before it that were visible when it was selected
    are."""
    assert batch.awaited is not None
    last = batch.awaited.last_seq
    return last is None or not batch.rows or batch.rows[-1][0] >= last
