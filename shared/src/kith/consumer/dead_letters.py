"""Dead letters: kept, counted, and copied to their topic. What becomes of them: kith.consumer.replay."""

from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Row, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kith.bus.port import Bus, Headers, MessageRefused, Outgoing, Producer
from kith.consumer import metrics
from kith.consumer.delivery import Line
from kith.consumer.isolation import DeadLetter, share_of
from kith.consumer.subscription import Subscription, TooManyDeadLetters
from kith.consumer.tables import TABLES
from kith.runtime.telemetry import log

_LETTERS = TABLES.dead_letters
_COLUMNS = _LETTERS.c
UNRESOLVED = _COLUMNS.replayed_at.is_(None) & _COLUMNS.discarded_at.is_(None)
REASON_LENGTH = 2000
_PUBLISH_ROWS = 500
_INSERT_ROWS = 500
"""A statement takes 32767 parameters."""


class Count(NamedTuple):
    """Counts of unresolved dead letters: how many failed, and how many wait behind them."""

    failed: int
    parked: int

    def __str__(self) -> str:
        return f"dead letters: {self.failed} failed, {self.parked} wait behind them"


_counted: set[str] = set()
"""Groups that have had dead letters."""


async def count_dead_letters(connection: AsyncConnection) -> Mapping[str, Count]:
    """By group; zero for one that has none any more."""
    parked = func.count().filter(_COLUMNS.parked)
    rows = await connection.execute(
        select(_COLUMNS.group_name, func.count() - parked, parked).where(UNRESOLVED).group_by(_COLUMNS.group_name)
    )
    found = {group: Count(failed, waiting) for group, failed, waiting in rows}
    _counted.update(found)
    counts = {group: found.get(group, Count(0, 0)) for group in sorted(_counted)}
    for group, count in counts.items():
        for kind, number in zip(Count._fields, count, strict=True):
            metrics.UNRESOLVED.labels(group, kind).set(number)
    return counts


_FAILED = (
    select(_COLUMNS.tenant_id, func.count()).where(UNRESOLVED, _COLUMNS.parked.is_(False)).group_by(_COLUMNS.tenant_id)
)


async def failed_of_tenants(connection: AsyncConnection, group: str) -> Counter[str]:
    """How many of each tenant's messages have failed and are unresolved."""
    rows = await connection.execute(_FAILED.where(_COLUMNS.group_name == group))
    return Counter({tenant: count for tenant, count in rows if tenant is not None})


async def blocked_lines(connection: AsyncConnection, group: str) -> dict[Line, str]:
    """Returns the aggregates that have dead letters, each with the name of the one at its head."""
    rows = await connection.execute(
        select(
            _COLUMNS.tenant_id, _COLUMNS.subject, _COLUMNS.event_id, _COLUMNS.topic, _COLUMNS.partition, _COLUMNS.offset
        )
        .where(_COLUMNS.group_name == group, UNRESOLVED, _COLUMNS.subject.is_not(None), _COLUMNS.tenant_id.is_not(None))
        .order_by(_COLUMNS.id.desc())  # the last one written into the dict is the first
    )
    return {Line(row.tenant_id, row.subject): name_of(row) for row in rows}


async def write_dead_letters(
    connection: AsyncConnection, group: str, dead_letters: Sequence[DeadLetter], *, limit: int
) -> None:
    """Raises TooManyDeadLetters if with these more than `limit` messages of the group have failed and are unresolved;
    one tenant counts for no more than its share. Messages parked behind them do not count: one failed aggregate that
    goes on happening is still one failure."""
    if not dead_letters:
        return
    rows = [_row(group, dead_letter) for dead_letter in dead_letters]
    for start in range(0, len(rows), _INSERT_ROWS):
        part = rows[start : start + _INSERT_ROWS]
        await connection.execute(insert(_LETTERS).values(part).on_conflict_do_nothing())
    rows_of = await connection.execute(_FAILED.where(_COLUMNS.group_name == group))
    failed = sum(count if tenant is None else min(count, share_of(limit)) for tenant, count in rows_of)
    if failed > limit:
        last = dead_letters[-1]
        raise TooManyDeadLetters(
            f"more than {limit} messages failed and are unresolved; the last is {last.delivery.name}: {last.reason}"
        )


async def publish_dead_letters(subscription: Subscription, bus: Bus, engine: AsyncEngine) -> None:
    """Copy rows not yet copied to the dead-letter topic: at least once. Raises BusError; the rows stay due."""
    while True:
        async with engine.begin() as connection:
            rows = (
                await connection.execute(
                    select(_LETTERS)
                    .where(_COLUMNS.group_name == subscription.group, _COLUMNS.published_at.is_(None))
                    .order_by(_COLUMNS.id)
                    .limit(_PUBLISH_ROWS)
                    .with_for_update(skip_locked=True)
                )
            ).all()
            if not rows:
                return
            await bus.create_topics({subscription.dead_letter_topic: 1})
            async with bus.producer() as producer:
                await _copy(producer, list(_copies(subscription, rows)))
            await connection.execute(
                update(_LETTERS).where(_COLUMNS.id.in_([row.id for row in rows])).values(published_at=func.now())
            )


def _copies(subscription: Subscription, rows: Iterable[Row[Any]]) -> Iterator[Outgoing]:
    for row in rows:
        try:
            yield _outgoing(subscription, row)
        except (TypeError, ValueError) as error:
            # Somebody has written the row by hand: it stays where it is, and consuming must not end by it.
            log.warning("dead letter not copied", topic=subscription.dead_letter_topic, dead_letter=row.id, error=error)


async def _copy(producer: Producer, messages: Sequence[Outgoing]) -> None:
    try:
        await producer.publish(messages)
    except MessageRefused as refused:
        if len(messages) == 1:
            # With its reason it may be too large for the bus. The row is what counts; the copy is for others' tools.
            log.warning("dead letter not copied", topic=messages[0].topic, reason=refused)
            return
        middle = len(messages) // 2
        await _copy(producer, messages[:middle])
        await _copy(producer, messages[middle:])


def _row(group: str, dead_letter: DeadLetter) -> dict[str, Any]:
    delivery, message = dead_letter.delivery, dead_letter.delivery.message
    envelope, line, type = delivery.envelope, delivery.line, delivery.type
    return {
        "group_name": group,
        "topic": message.topic,
        "partition": message.partition,
        "offset": message.offset,
        "message_key": message.key,
        "value": message.value,
        "headers": stored(message.headers),
        "event_id": envelope.id if envelope is not None else None,
        "tenant_id": delivery.tenant_id,
        "type": without_nul(type) if type is not None else None,
        "subject": line.subject if line is not None else None,
        "reason": without_nul(dead_letter.reason)[:REASON_LENGTH],
        "parked": dead_letter.parked,
        "attempts": 0 if dead_letter.parked else 1,
    }


def without_nul(value: str) -> str:
    return value.replace("\0", "")  # PostgreSQL has no NUL in text, and a letter must not be refused


def stored(headers: Headers) -> list[list[str]]:
    """As the column has them."""
    # Kafka has headers without a value, whatever their type says.
    return [[without_nul(name), b64encode(value or b"").decode()] for name, value in headers]


def headers_of(stored: Iterable[Sequence[str]]) -> Headers:
    return tuple((name, b64decode(value)) for name, value in stored)


def _outgoing(subscription: Subscription, row: Row[Any]) -> Outgoing:
    annotations = {
        "kith-dead-letter": str(row.id),
        "kith-dead-from": f"{row.topic}[{row.partition}]@{row.offset}",
        "kith-dead-reason": row.reason,
    }
    added = tuple((name, value.encode()) for name, value in annotations.items())
    return Outgoing(subscription.dead_letter_topic, row.message_key, row.value, headers_of(row.headers) + added)


def name_of(row: Any) -> str:
    return str(row.event_id) if row.event_id is not None else f"{row.topic}[{row.partition}]@{row.offset}"
