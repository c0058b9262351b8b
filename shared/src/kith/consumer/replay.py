"""Dead letters handled again, or resolved without effect: by operators, who may act for all tenants, and by the worker
for tenants, who leave a request (see kith.consumer.requests).

All that becomes of dead letters is done here, in a transaction that holds the offsets of their partitions, so that no
consumer adds to a line meanwhile. It holds the effect and the dead letters' new states: a kill leaves both or neither.
"""

import asyncio
import random
from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, Select, exists, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kith.bus.partitioner import partition_of
from kith.bus.port import Incoming, TopicPartition
from kith.consumer.dead_letters import REASON_LENGTH, UNRESOLVED, headers_of, name_of, without_nul
from kith.consumer.delivery import Line, read
from kith.consumer.isolation import FailureIsolation
from kith.consumer.offsets import hold
from kith.consumer.subscription import Subscription
from kith.consumer.tables import TABLES
from kith.runtime.telemetry import log
from kith.runtime.waiting import pause

_LETTERS = TABLES.dead_letters
_COLUMNS = _LETTERS.c
_CHUNK = 200
"""Dead letters of a line per transaction: as long the consumers of its partition wait."""

ATTEND_SECONDS = 0.5
"""How soon a worker sees a request. Looking costs a probe of an index that is mostly empty."""


class Wish(StrEnum):
    """What can be requested for an unresolved dead letter."""

    REPLAY = "replay"
    DISCARD = "discard"


class Replay(NamedTuple):
    """How many dead letters took effect in a replay, and how many are still unresolved."""

    handled: int
    left: int


async def replay_dead_letters(
    subscription: Subscription, engine: AsyncEngine, *, ids: Collection[int] | None = None
) -> Replay:
    """Handles unresolved dead letters again, in the order of each aggregate, stopping where one of an aggregate still
    fails.

    With `ids`, only the aggregates of those dead letters: none is taken out of its aggregate's order. Safe while
    the group's consumers run: they wait while an aggregate of their partition is replayed.
    Raises what the handler raises if no dead letter is to blame (fault_of), such as DBAPIError for a lost connection.
    """
    wanted = UNRESOLVED if ids is None else UNRESOLVED & _COLUMNS.id.in_(ids)
    handled = left = 0
    for line in await _lines(engine, subscription.group, wanted):
        more = True
        while more:
            async with engine.begin() as connection:
                done, more = await _go_on(connection, subscription, line, forced=True, give_up=False)
            handled += done
        async with engine.connect() as connection:
            remaining = select(func.count()).where(_of(subscription.group, line))
            left += await connection.scalar(remaining) or 0
    return Replay(handled, left)


async def discard_dead_letters(
    group: str, engine: AsyncEngine, ids: Collection[int], *, by: str = "operator", note: str | None = None
) -> int:
    """Resolves dead letters without their effect. What waited behind them can then be replayed. Returns how many."""
    discarded = 0
    for line in await _lines(engine, group, UNRESOLVED & _COLUMNS.id.in_(ids)):
        async with engine.begin() as connection:
            await _hold(connection, group, line)
            now = await connection.scalar(select(func.now()))
            assert now is not None
            entry = {"at": now.isoformat(), "by": by, "action": Wish.DISCARD.value, "note": note}
            result = await connection.execute(
                update(_LETTERS)
                .where(_of(group, line), _COLUMNS.id.in_(ids))
                .values(
                    discarded_at=func.now(),
                    requested=None,
                    requested_at=None,
                    history=_COLUMNS.history.op("||")(literal([entry], JSONB)),
                )
            )
            discarded += result.rowcount
    return discarded


async def attend_dead_letters(subscription: Subscription, engine: AsyncEngine, *, stop: asyncio.Event) -> None:
    """Does what is requested for the group's dead letters, until `stop` is set. Any number of processes may: one line
    is held by one at a time, and what was done is not requested any more. A fault is waited out: requests stay."""
    while not stop.is_set():
        try:
            busy = await attend_once(subscription, engine)
        except Exception as error:  # noqa: BLE001 - it is logged, and what was requested stays requested
            log.warning("dead letters not attended to", group=subscription.group, error=error)
            busy = False
        if not busy:
            await pause(stop, ATTEND_SECONDS * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret


async def is_requested(connection: AsyncConnection, group: str) -> bool:
    """Whether there is anything to attend to."""
    found = select(exists().where(_COLUMNS.group_name == group, _COLUMNS.requested.is_not(None)))
    return bool(await connection.scalar(found))


async def attend_once(subscription: Subscription, engine: AsyncEngine, *, lines: int | None = None) -> bool:
    """Does one step for each line, or for so many, for which something is requested. Returns whether there is more to
    do at once."""
    due = await _lines(engine, subscription.group, _COLUMNS.requested.is_not(None))
    again = lines is not None and len(due) > lines
    for line in due[:lines]:
        try:
            async with engine.begin() as connection:
                _, more = await _go_on(connection, subscription, line, forced=False, give_up=True)
        except Exception as error:  # noqa: BLE001 - the same
            # One line that cannot be tried now must not keep the others waiting.
            log.warning("dead letters not replayed", group=subscription.group, line=str(line), error=error)
        else:
            again = again or more
    return again


async def _go_on(
    connection: AsyncConnection, subscription: Subscription, line: "Line | int", *, forced: bool, give_up: bool
) -> tuple[int, bool]:
    """Discards what is to be discarded of the line, then replays its first dead letters if that is `forced` or
    requested, or nothing that failed is ahead of them any more. Returns how many took effect, and whether there is more
    to do."""
    group = subscription.group
    if not await _hold(connection, group, line, subscription):
        return 0, False
    await connection.execute(
        update(_LETTERS)
        .where(_of(group, line), _COLUMNS.requested == Wish.DISCARD)
        .values(discarded_at=func.now(), requested=None, requested_at=None)
    )
    # Locked: who amends one waits until we have seen what becomes of it, and then sees that too.
    rows = (await connection.execute(_first_of(group, line).limit(_CHUNK).with_for_update())).all()
    if not rows:
        return 0, False
    requested = select(exists().where(_of(group, line), _COLUMNS.requested == Wish.REPLAY))
    if not (forced or rows[0].parked or await connection.scalar(requested)):
        return 0, False
    reason = await _try(connection, subscription, rows, give_up=give_up)
    handled = [row.id for row in rows if row.id not in reason]
    if handled:
        await connection.execute(
            update(_LETTERS)
            .where(_COLUMNS.id.in_(handled))
            .values(replayed_at=func.now(), requested=None, requested_at=None)
        )
    if reason:
        head = next(row for row in rows if row.id in reason)
        await _note_failure(connection, group, line, head, reason[head.id])
        return len(handled), False
    following = await connection.scalar(_first_of(group, line).with_only_columns(_COLUMNS.id).limit(1))
    if following is None:
        return len(handled), False
    # Should we be killed now, somebody goes on with the line.
    await connection.execute(
        update(_LETTERS)
        .where(_COLUMNS.id == following, _COLUMNS.requested.is_(None))
        .values(requested=Wish.REPLAY, requested_at=func.now())
    )
    return len(handled), True


async def _try(
    connection: AsyncConnection, subscription: Subscription, rows: Iterable[Row[Any]], *, give_up: bool
) -> dict[int, str]:
    """Handles the dead letters of a line. Returns the reasons of those that did not take effect, the first of which
    failed."""
    messages = {
        (row.topic, row.partition, row.offset): (row.id, read(_message(row)))
        for row in rows  # by where they stood: that is unique
    }
    isolation = FailureIsolation(connection, subscription.handle, blocked={}, limit=1, give_up_on_contention=give_up)
    await isolation.isolate_failures([delivery for _, delivery in messages.values()])
    found = [dead_letter.delivery.message for dead_letter in isolation.dead_letters]
    return {
        messages[message.topic, message.partition, message.offset][0]: dead_letter.reason
        for message, dead_letter in zip(found, isolation.dead_letters, strict=True)
    }


def _message(row: Row[Any]) -> Incoming:
    headers = headers_of(row.headers)
    if row.tenant_id is not None:
        # The column says whose it is: a request can write the headers, and cannot write that.
        own = row.tenant_id.encode()
        headers = tuple((name, own if name == "ce_tenantid" else value) for name, value in headers)
    return Incoming(row.topic, row.partition, row.offset, row.message_key, row.value, headers)


async def _note_failure(
    connection: AsyncConnection, group: str, line: "Line | int", head: Row[Any], reason: str
) -> None:
    """Records why the head failed, and what the others wait behind; nothing is requested for them any more."""
    done = {"requested": None, "requested_at": None}
    await connection.execute(
        update(_LETTERS)
        .where(_COLUMNS.id == head.id)
        .values(attempts=_COLUMNS.attempts + 1, reason=without_nul(reason)[:REASON_LENGTH], parked=False, **done)
    )
    waiting = f"parked behind {name_of(head)}"
    await connection.execute(
        update(_LETTERS)
        .where(
            _of(group, line), _COLUMNS.id > head.id, or_(_COLUMNS.requested.is_not(None), _COLUMNS.reason != waiting)
        )
        .values(parked=True, reason=waiting, **done)
    )


async def _lines(engine: AsyncEngine, group: str, condition: ColumnElement[bool]) -> "list[Line | int]":
    """Returns the lines of the dead letters that meet the condition, in their order; one of no line is its own."""
    async with engine.connect() as connection:
        rows = await connection.execute(
            select(_COLUMNS.id, _COLUMNS.tenant_id, _COLUMNS.subject)
            .where(_COLUMNS.group_name == group, condition)
            .order_by(_COLUMNS.id)
        )
        found: dict[Line | int, None] = {}
        for row in rows:
            whole = row.subject is not None and row.tenant_id is not None
            found[Line(row.tenant_id, row.subject) if whole else row.id] = None
    return list(found)


async def _hold(
    connection: AsyncConnection, group: str, line: "Line | int", subscription: Subscription | None = None
) -> bool:
    """Keeps the consumers of its partitions from adding to the line. Returns whether it has unresolved dead letters."""
    where = select(_COLUMNS.topic, _COLUMNS.partition, _COLUMNS.message_key).where(_of(group, line)).distinct()
    found = (await connection.execute(where)).all()
    partitions = {TopicPartition(row.topic, row.partition) for row in found}
    if subscription is not None and subscription.partitions is not None:
        # Dead letters may be of a former generation of the topic, and what follows them in another partition.
        numbers = {partition_of(row.message_key, subscription.partitions) for row in found}
        partitions |= {TopicPartition(topic, number) for topic in subscription.topics for number in numbers}
    if partitions:
        await hold(connection, group, partitions)
    return bool(found)


def _of(group: str, line: "Line | int") -> ColumnElement[bool]:
    """The condition that selects the unresolved dead letters of a line."""
    which = (
        (_COLUMNS.tenant_id == line.tenant_id) & (_COLUMNS.subject == line.subject)
        if isinstance(line, Line)
        else _COLUMNS.id == line
    )
    return (_COLUMNS.group_name == group) & UNRESOLVED & which


def _first_of(group: str, line: "Line | int") -> Select[Any]:
    return select(_LETTERS).where(_of(group, line)).order_by(_COLUMNS.id)
