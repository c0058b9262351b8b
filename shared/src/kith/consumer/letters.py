"""Dead letters: kept, counted, copied to their topic, replayed, discarded."""

from base64 import b64decode, b64encode
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Row, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kith.bus.port import Bus, Headers, Incoming, Outgoing, TopicPartition
from kith.consumer.delivery import Line, read
from kith.consumer.offsets import hold
from kith.consumer.sift import Letter, Sieve
from kith.consumer.subscription import Subscription, TooManyDeadLetters
from kith.consumer.tables import TABLES

_LETTERS = TABLES.dead_letters
_COLUMNS = _LETTERS.c
_UNRESOLVED = _COLUMNS.replayed_at.is_(None) & _COLUMNS.discarded_at.is_(None)
_REASON_LENGTH = 2000
_PUBLISH_ROWS = 500
_INSERT_ROWS = 500
"""A statement takes 32767 parameters."""


class Replay(NamedTuple):
    """How many letters a replay has seen take effect, and how many are still unresolved."""

    handled: int
    left: int


async def blocked_lines(connection: AsyncConnection, group: str) -> dict[Line, str]:
    """The aggregates that have letters, each with the name of the one at its head."""
    rows = await connection.execute(
        select(
            _COLUMNS.tenant_id, _COLUMNS.subject, _COLUMNS.event_id, _COLUMNS.topic, _COLUMNS.partition, _COLUMNS.offset
        )
        .where(
            _COLUMNS.group_name == group, _UNRESOLVED, _COLUMNS.subject.is_not(None), _COLUMNS.tenant_id.is_not(None)
        )
        .order_by(_COLUMNS.id.desc())  # the last one written into the dict is the first
    )
    return {Line(row.tenant_id, row.subject): _name(row) for row in rows}


async def write_letters(connection: AsyncConnection, group: str, letters: Sequence[Letter], *, limit: int) -> None:
    """Raises TooManyDeadLetters if with these more than `limit` messages of the group have failed and are unresolved.
    Those parked behind them do not count: one failed aggregate that goes on happening is still one failure."""
    if not letters:
        return
    rows = [_row(group, letter) for letter in letters]
    for start in range(0, len(rows), _INSERT_ROWS):
        part = rows[start : start + _INSERT_ROWS]
        await connection.execute(insert(_LETTERS).values(part).on_conflict_do_nothing())
    failed = await connection.scalar(
        select(func.count()).where(_COLUMNS.group_name == group, _UNRESOLVED, _COLUMNS.parked.is_(False))
    )
    if failed is not None and failed > limit:
        last = letters[-1]
        raise TooManyDeadLetters(
            f"more than {limit} messages failed and are unresolved; the last is {last.delivery.name}: {last.reason}"
        )


async def publish_letters(subscription: Subscription, bus: Bus, engine: AsyncEngine) -> None:
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
                await producer.publish([_outgoing(subscription, row) for row in rows])
            await connection.execute(
                update(_LETTERS).where(_COLUMNS.id.in_([row.id for row in rows])).values(published_at=func.now())
            )


async def replay_dead_letters(
    subscription: Subscription, engine: AsyncEngine, *, ids: Collection[int] | None = None
) -> Replay:
    """Handle unresolved letters again, in the order of each aggregate, stopping where one of an aggregate still fails.

    With `ids`, only the aggregates of those letters: a letter is never taken out of its aggregate's order. Safe while
    the group's consumers run: they wait while an aggregate of their partition is replayed.
    Raises what the handler raises if no letter is to blame (fault_of), such as DBAPIError for a lost connection.
    """
    async with engine.connect() as connection:
        wanted = select(_COLUMNS.id, _COLUMNS.tenant_id, _COLUMNS.subject).where(
            _COLUMNS.group_name == subscription.group, _UNRESOLVED
        )
        if ids is not None:
            wanted = wanted.where(_COLUMNS.id.in_(ids))
        rows = (await connection.execute(wanted.order_by(_COLUMNS.id))).all()
    lines: dict[Line | int, None] = {}
    for row in rows:
        whole = row.subject is not None and row.tenant_id is not None
        lines[Line(row.tenant_id, row.subject) if whole else row.id] = None
    handled = left = 0
    for line in lines:
        async with engine.begin() as connection:
            replayed = await _replay_line(connection, subscription, line)
            handled += replayed.handled
            left += replayed.left
    return Replay(handled, left)


async def discard_dead_letters(group: str, engine: AsyncEngine, ids: Collection[int]) -> int:
    """Resolve letters without their effect. What was parked behind them can then be replayed. Answers how many."""
    async with engine.begin() as connection:
        result = await connection.execute(
            update(_LETTERS)
            .where(_COLUMNS.group_name == group, _COLUMNS.id.in_(ids), _UNRESOLVED)
            .values(discarded_at=func.now())
        )
    return result.rowcount


async def _replay_line(connection: AsyncConnection, subscription: Subscription, line: Line | int) -> Replay:
    group = subscription.group
    condition = (
        (_COLUMNS.tenant_id == line.tenant_id) & (_COLUMNS.subject == line.subject)
        if isinstance(line, Line)
        else _COLUMNS.id == line
    )
    of_line = select(_LETTERS).where(_COLUMNS.group_name == group, _UNRESOLVED, condition).order_by(_COLUMNS.id)
    partitions = {TopicPartition(row.topic, row.partition) for row in await connection.execute(of_line)}
    if not partitions:
        return Replay(0, 0)
    await hold(connection, group, partitions)
    rows = (await connection.execute(of_line)).all()  # again: now nobody adds to them
    handled: list[int] = []
    for row in rows:
        reason = await _try(connection, subscription, row)
        if reason is not None:
            await connection.execute(
                update(_LETTERS)
                .where(_COLUMNS.id == row.id)
                .values(attempts=_COLUMNS.attempts + 1, reason=_text(reason)[:_REASON_LENGTH], parked=False)
            )
            break
        handled.append(row.id)
    if handled:
        await connection.execute(update(_LETTERS).where(_COLUMNS.id.in_(handled)).values(replayed_at=func.now()))
    return Replay(len(handled), len(rows) - len(handled))


async def _try(connection: AsyncConnection, subscription: Subscription, row: Row[Any]) -> str | None:
    """The reason why it still fails, if it does."""
    message = Incoming(row.topic, row.partition, row.offset, row.message_key, row.value, _headers(row))
    sieve = Sieve(connection, subscription.handle, blocked={}, limit=1)
    await sieve.sift([read(message)])
    return sieve.letters[0].reason if sieve.letters else None


def _row(group: str, letter: Letter) -> dict[str, Any]:
    delivery, message = letter.delivery, letter.delivery.message
    envelope, line = delivery.envelope, delivery.line
    return {
        "group_name": group,
        "topic": message.topic,
        "partition": message.partition,
        "offset": message.offset,
        "message_key": message.key,
        "value": message.value,
        "headers": [[_text(name), b64encode(value).decode()] for name, value in message.headers],
        "event_id": envelope.id if envelope is not None else None,
        "tenant_id": _text(line.tenant_id) if line is not None else None,
        "type": _text(envelope.type) if envelope is not None else None,
        "subject": line.subject if line is not None else None,
        "reason": _text(letter.reason)[:_REASON_LENGTH],
        "parked": letter.parked,
        "attempts": 0 if letter.parked else 1,
    }


def _text(value: str) -> str:
    return value.replace("\0", "")  # PostgreSQL has no NUL in text, and a letter must not be refused


def _headers(row: Row[Any]) -> Headers:
    return tuple((name, b64decode(value)) for name, value in row.headers)


def _outgoing(subscription: Subscription, row: Row[Any]) -> Outgoing:
    told = {
        "kith-dead-letter": str(row.id),
        "kith-dead-from": f"{row.topic}[{row.partition}]@{row.offset}",
        "kith-dead-reason": row.reason,
    }
    added = tuple((name, value.encode()) for name, value in told.items())
    return Outgoing(subscription.dead_letter_topic, row.message_key, row.value, _headers(row) + added)


def _name(row: Any) -> str:
    return str(row.event_id) if row.event_id is not None else f"{row.topic}[{row.partition}]@{row.offset}"
