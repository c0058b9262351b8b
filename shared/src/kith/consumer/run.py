"""The loop that keeps a subscription going."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncEngine

from kith.bus.port import Bus, BusError, Consumer, Incoming, OffsetLost, Offsets, TopicPartition
from kith.consumer import metrics
from kith.consumer.dead_letters import blocked_lines, failed_of_tenants, publish_dead_letters, write_dead_letters
from kith.consumer.delivery import Delivery, read_all
from kith.consumer.faults import Fault, fault_of
from kith.consumer.isolation import DeadLetter, FailureIsolation, share_of
from kith.consumer.lag import Lag
from kith.consumer.offsets import Replaced, advance, read_offsets
from kith.consumer.removed import without_removed
from kith.consumer.subscription import Subscription
from kith.consumer.tracing import batch_span
from kith.runtime.telemetry import log
from kith.runtime.waiting import pause

_CONTENTION_ATTEMPTS = 5
"""So often a batch is tried again when others were in the way; then the message that cannot get through is sought."""
_WAIT_MIN, _WAIT_MAX = 0.1, 10.0
_POLL = 0.25
"""Seconds: how soon an idle consumer notices a stop."""
_REPORT = 1.0
"""Seconds between reports to the broker, and to Prometheus, of how far we are."""


async def run(
    subscription: Subscription,
    bus: Bus,
    engine: AsyncEngine,
    *,
    stop: asyncio.Event,
    max_messages: int = 5000,
    dead_letter_limit: int = 100,
) -> None:
    """Apply the subscription's events until `stop` is set; then the batch in hand is finished and the group left.

    `engine` connects as a role that may write all tenants' rows and this package's tables. Several processes may run
    the same subscription: they share its partitions. Transient faults are waited out.

    Raises TooManyDeadLetters or kith.bus.port.OffsetLost when going on would do harm, and whatever the database raises
    for an internal error, such as a missing table.
    """
    failures = 0
    while not stop.is_set():
        member = _Member(subscription, bus, engine, stop, max_messages, dead_letter_limit)
        try:
            await member.follow()
        except OffsetLost:
            raise
        except Replaced as news:
            metrics.REPLACED.labels(subscription.group).inc()
            log.warning("replaced: rejoining", group=subscription.group, reason=news)
            failures = 1
        except Exception as error:
            if fault_of(error) is Fault.POISON:
                raise
            failures = 1 if member.progressed else failures + 1
            log.warning("interrupted: rejoining", group=subscription.group, error=error, failures=failures)
        if not stop.is_set():
            await pause(stop, _jitter(failures))


@dataclass
class _Member:
    """One membership of the group, from joining to leaving."""

    subscription: Subscription
    bus: Bus
    engine: AsyncEngine
    stop: asyncio.Event
    max_messages: int
    dead_letter_limit: int
    progressed: bool = False
    held: set[TopicPartition] = field(default_factory=set)
    reached: dict[TopicPartition, int] = field(default_factory=dict)
    """Next offsets as the database has them; a partition never read is held, but not here."""
    hinted: dict[TopicPartition, int] = field(default_factory=dict)
    """Next offsets as committed to the broker."""
    dropped: set[TopicPartition] = field(default_factory=set)
    """Partitions that went away since the batch in hand was polled."""
    dead_letters: bool = False
    """Whether there may be unresolved dead letters for what is held: only this consumer adds any, so it need not
    query."""
    unpublished: bool = False
    last_report: float = 0.0
    consumer: Consumer | None = None
    lag: Lag = field(default_factory=lambda: Lag(time.time()))

    @property
    def group(self) -> str:
        return self.subscription.group

    async def follow(self) -> None:
        async with self.bus.consumer(
            group=self.group,
            topics=self.subscription.topics,
            on_assigned=self._assigned,
            on_revoked=self._revoked,
        ) as consumer:
            self.consumer = consumer
            # When it is scraped: a batch that is tried for hours must not leave the figure of before.
            metrics.LAG_SECONDS.labels(self.group).set_function(lambda: self.lag.seconds(consumer.lag(), time.time()))
            while not self.stop.is_set():
                messages = await consumer.poll(max_messages=self.max_messages, wait=_POLL)
                if messages:
                    await self._deliver(consumer, messages)
                if self.unpublished:
                    await self._publish_dead_letters()
                if time.monotonic() - self.last_report > _REPORT:
                    await self._report(consumer)

    async def _assigned(self, partitions: frozenset[TopicPartition]) -> Offsets:
        async with self.engine.connect() as connection:
            offsets = await read_offsets(connection, self.group, partitions)
            # After the offsets: a letter written in between has moved an offset, and then we do not get through.
            self.dead_letters = bool(
                await blocked_lines(connection, self.group) or await failed_of_tenants(connection, self.group)
            )
        self.held |= partitions
        self.reached |= offsets
        self.unpublished = True
        return offsets

    async def _revoked(self, partitions: frozenset[TopicPartition]) -> None:
        # No batch is in hand while the bus is polled, so all there is of it is committed.
        assert self.consumer is not None
        await self._hint(self.consumer)
        self.held -= partitions
        self.dropped |= partitions
        self.lag.lose(partitions)
        for partition in partitions:
            self.reached.pop(partition, None)
            self.hinted.pop(partition, None)

    async def _deliver(self, consumer: Consumer, messages: Sequence[Incoming]) -> None:
        self.dropped.clear()
        attempt = contended = 0
        while messages and not self.stop.is_set():
            try:
                await self._apply(messages, give_up_on_contention=contended >= _CONTENTION_ATTEMPTS)
            except Exception as error:
                fault = fault_of(error)
                if isinstance(error, Replaced) or fault is Fault.POISON:
                    raise
                attempt += 1
                contended += fault is Fault.CONTENTION
                metrics.REDELIVERED.labels(self.group).inc()
                log.warning("batch failed: again", group=self.group, error=error, attempt=attempt)
                await self._wait(consumer, _jitter(attempt))
                messages = [m for m in messages if TopicPartition(m.topic, m.partition) not in self.dropped]
            else:
                self.progressed = True
                return

    async def _wait(self, consumer: Consumer, seconds: float) -> None:
        """Meanwhile partitions may change hands: others must not wait for what we wait for."""
        deadline = time.monotonic() + seconds
        while not self.stop.is_set() and (left := deadline - time.monotonic()) > 0:
            await consumer.poll(max_messages=0, wait=min(left, _POLL))

    async def _apply(self, messages: Sequence[Incoming], *, give_up_on_contention: bool) -> None:
        started = time.perf_counter()
        deliveries = read_all(messages)
        self.lag.take(deliveries)
        with batch_span(self.group, deliveries):
            try:
                dead_letters = await self._transact(messages, deliveries, give_up=give_up_on_contention)
            except _HandlerFailed as failed:
                if fault_of(failed.error) is not Fault.POISON:
                    raise failed.error from None
                dead_letters = await self._transact(messages, deliveries, careful=True, give_up=give_up_on_contention)
        self._account(deliveries, dead_letters, time.perf_counter() - started)

    async def _transact(
        self,
        messages: Sequence[Incoming],
        deliveries: Sequence[Delivery],
        *,
        careful: bool = False,
        give_up: bool,
    ) -> Sequence[DeadLetter]:
        """Apply and commit. Carefully, in savepoints, once something in the batch is known to be amiss."""
        last = {(message.topic, message.partition): message.offset for message in messages}
        next_offsets = {TopicPartition(*partition): offset + 1 for partition, offset in last.items()}
        dead_letters: Sequence[DeadLetter] = ()
        async with self.engine.begin() as connection:
            await advance(connection, self.group, self.reached, next_offsets)
            deliveries = await without_removed(connection, self.group, deliveries)
            blocked = await blocked_lines(connection, self.group) if self.dead_letters else {}
            failed = await failed_of_tenants(connection, self.group) if self.dead_letters else Counter()
            careful = careful or give_up or any(each.fault is not None for each in deliveries)
            waiting = {tenant for tenant, count in failed.items() if count >= share_of(self.dead_letter_limit)}
            if careful or any(each.line in blocked or each.tenant_id in waiting for each in deliveries):
                isolation = FailureIsolation(
                    connection, self.subscription.handle, blocked, self.dead_letter_limit, give_up, failed
                )
                await isolation.isolate_failures(deliveries)
                dead_letters = isolation.dead_letters
                await write_dead_letters(connection, self.group, dead_letters, limit=self.dead_letter_limit)
            elif deliveries:
                try:
                    await self.subscription.handle(connection, [each.envelope for each in deliveries if each.envelope])
                except Exception as error:
                    raise _HandlerFailed(error) from error
        self.dead_letters = bool(blocked or failed or dead_letters)
        self.unpublished = self.unpublished or bool(dead_letters)
        self.reached |= next_offsets
        return dead_letters

    def _account(self, deliveries: Sequence[Delivery], dead_letters: Sequence[DeadLetter], seconds: float) -> None:
        self.lag.apply(deliveries)
        metrics.BATCH.labels(self.group).observe(len(deliveries))
        metrics.SECONDS.labels(self.group).observe(seconds)
        metrics.HANDLED.labels(self.group).inc(len(deliveries) - len(dead_letters))
        for dead_letter in dead_letters:
            metrics.DEAD.labels(self.group, "parked" if dead_letter.parked else "failed").inc()
            log.error("dead letter", group=self.group, message=dead_letter.delivery.name)
        if deliveries and (last := deliveries[-1].envelope) is not None:
            metrics.AGE.labels(self.group).set(time.time() - last.recorded_at.timestamp())

    async def _report(self, consumer: Consumer) -> None:
        self.last_report = time.monotonic()
        left = consumer.lag()
        self.lag.note(left, time.time())
        metrics.LAG.labels(self.group).set(sum(left.values()))
        await self._hint(consumer)

    async def _hint(self, consumer: Consumer) -> None:
        news = {partition: offset for partition, offset in self.reached.items() if self.hinted.get(partition) != offset}
        if not news:
            return
        try:
            await consumer.commit(news)
        except BusError as error:
            log.info("offsets not committed to the broker", group=self.group, error=error)
        else:
            self.hinted |= news

    async def _publish_dead_letters(self) -> None:
        try:
            await publish_dead_letters(self.subscription, self.bus, self.engine)
        except Exception as error:
            if fault_of(error) is Fault.POISON:
                raise
            # The rows are safe; the copy is made with the next letter, or when partitions next come to someone.
            log.warning("dead letters not published", group=self.group, error=error)
        self.unpublished = False


class _HandlerFailed(Exception):
    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def _jitter(attempt: int) -> float:
    """Full jitter: many that failed together must not come back together."""
    return random.uniform(0, min(_WAIT_MAX, _WAIT_MIN * 2 ** min(attempt, 16)))  # noqa: S311 - no secret
