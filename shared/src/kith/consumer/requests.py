"""What a tenant may request for its dead letters. A request runs as a role that can neither apply an
event nor say what became of one: it writes down who wants what, and a worker does it (see kith.consumer.replay)."""

import asyncio
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, BigInteger, Row, any_, case, cast, exists, func, literal, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kith.consumer.amendment import amend
from kith.consumer.dead_letters import UNRESOLVED, headers_of, stored
from kith.consumer.reads import STATE, State, visible_to
from kith.consumer.replay import ATTEND_SECONDS, Replay, Wish
from kith.consumer.tables import TABLES
from kith.db.connections import Transaction, is_tenant
from kith.errors import Conflict, Invalid, NotFound

MAX_LETTERS = 1000
"""So many are requested in one call."""
MAX_HISTORY = 100
"""Wishes to replay are not remembered beyond these, and no more amendments are taken."""

_LETTERS = TABLES.dead_letters
_COLUMNS = _LETTERS.c


@dataclass(slots=True)
class Progress:
    """`handled`: dead letters that took effect since, with what waited behind them. `pending`: still to be tried
    or discarded. `left`: all that are unresolved, the pending ones among them."""

    requested: int
    handled: int
    pending: int
    left: int


async def ask(transaction: Transaction, id: int, wish: Wish, *, by: str, note: str | None = None) -> None:
    """Requests that one be replayed, with the dead letters of its aggregate before and behind it, or discarded. The
    last wish counts. Raises NotFound, or Conflict if it is resolved."""
    row = await _unresolved(transaction, id)
    if row.requested == wish:
        return
    await transaction.connection.execute(
        update(_LETTERS)
        .where(visible_to(transaction.tenant), _COLUMNS.id == id)
        .values(**_wish(wish, transaction.now), **_remembered(row, transaction.now, by, wish, note))
    )


async def ask_replay(transaction: Transaction, ids: Collection[int] | None, *, by: str) -> int:
    """Requests that these be replayed, or the oldest aggregates that have dead letters: at most MAX_LETTERS in one
    call. What is resolved, or requested already, is left as it is. Returns how many were requested. Raises NotFound."""
    connection, tenant, now = transaction
    wanted = visible_to(tenant)
    if ids is not None:
        if len(ids) > MAX_LETTERS:
            raise Invalid(f"At most {MAX_LETTERS} at once.", field="ids")
        wanted &= _COLUMNS.id == any_(cast(list(ids), ARRAY(BigInteger)))
        found = set((await connection.scalars(select(_COLUMNS.id).where(wanted))).all())
        if missing := sorted(set(ids) - found):
            raise NotFound.of("dead letter", ", ".join(map(str, missing[:10])), field="ids")
    else:
        before = TABLES.dead_letters.alias("before")
        wanted &= ~exists().where(
            before.c.tenant_id == _COLUMNS.tenant_id,
            before.c.subject == _COLUMNS.subject,
            before.c.group_name == _COLUMNS.group_name,
            before.c.id < _COLUMNS.id,
            before.c.replayed_at.is_(None),
            before.c.discarded_at.is_(None),
        )
    # Locked in one order, so that two who ask for the same do not deadlock.
    due = (
        select(_COLUMNS.id)
        .where(wanted, UNRESOLVED, _COLUMNS.requested.is_(None))
        .order_by(_COLUMNS.id)
        .limit(MAX_LETTERS)
        .with_for_update()
    )
    chosen = (await connection.scalars(due)).all()
    if chosen:
        entry = [{"at": now.isoformat(), "by": by, "action": Wish.REPLAY.value}]
        await connection.execute(
            update(_LETTERS)
            .where(visible_to(tenant), _COLUMNS.id == any_(cast(list(chosen), ARRAY(BigInteger))))
            .values(
                **_wish(Wish.REPLAY, now),
                history=case(
                    (func.jsonb_array_length(_COLUMNS.history) >= MAX_HISTORY, _COLUMNS.history),
                    else_=_COLUMNS.history.op("||")(literal(entry, JSONB)),
                ),
            )
        )
    return len(chosen)


async def amend_letter(
    transaction: Transaction,
    id: int,
    *,
    body: bytes | None,
    headers: dict[str, str | None],
    by: str,
    note: str | None,
) -> None:
    """Amends the message; what it was stays in its history. It is not replayed by that.
    Raises NotFound, Conflict if it is resolved, Invalid if it would still not be an event, NothingAmended."""
    row = await _unresolved(transaction, id)
    if len(row.history) >= MAX_HISTORY:
        raise Conflict(f"Dead letter {id} was tried {MAX_HISTORY} times: discard it.")
    mended, envelope = amend(headers_of(row.headers), row.value, tenant=transaction.tenant, body=body, changes=headers)
    before = {"headers": row.headers, "value": stored((("", row.value),))[0][1]}
    await transaction.connection.execute(
        update(_LETTERS)
        .where(visible_to(transaction.tenant), _COLUMNS.id == id)
        .values(
            headers=stored(mended.headers),
            value=mended.value,
            event_id=envelope.id,
            type=envelope.type,
            subject=envelope.subject,
            **_remembered(row, transaction.now, by, "amend", note, before),
        )
    )


async def amend_as_operator(
    connection: AsyncConnection,
    id: int,
    *,
    body: bytes | None,
    headers: dict[str, str | None],
    tenant: str | None,
    note: str | None,
) -> None:
    """The same for operators, who may act for all tenants, and say whose it is where that cannot be read."""
    row = (await connection.execute(select(_COLUMNS.tenant_id).where(_COLUMNS.id == id))).one_or_none()
    if row is None:
        raise NotFound.of("dead letter", id)
    now = await connection.scalar(select(func.clock_timestamp()))
    assert now is not None
    if tenant is not None:
        if is_tenant(row.tenant_id or ""):
            raise Invalid("Whose it is can be read, and not be changed.", field="tenant")
        if not is_tenant(tenant):
            raise Invalid("It is not a tenant id.", field="tenant")
        current = (await connection.execute(select(_COLUMNS.headers).where(_COLUMNS.id == id))).scalar_one()
        amended = dict(headers_of(current)) | {"ce_tenantid": tenant.encode()}
        await connection.execute(
            update(_LETTERS).where(_COLUMNS.id == id).values(tenant_id=tenant, headers=stored(tuple(amended.items())))
        )
        if body is None and not headers:
            return
    transaction = Transaction(connection, tenant or row.tenant_id, now)
    await amend_letter(transaction, id, body=body, headers=headers, by="operator", note=note)


async def ask_worker(
    engine: AsyncEngine,
    group: str,
    wish: Wish,
    ids: Collection[int] = (),
    *,
    note: str | None = None,
    patience: float,
) -> Replay:
    """Records the wish for unresolved dead letters of the group, all if none is named, and waits for a worker to have
    done it: at most `patience` seconds. Returns how many are resolved by that, and how many still are not."""
    wanted = (_COLUMNS.group_name == group) & UNRESOLVED
    if ids:
        wanted &= _COLUMNS.id == any_(cast(list(ids), ARRAY(BigInteger)))
    async with engine.begin() as connection:
        now = await connection.scalar(select(func.clock_timestamp()))
        assert now is not None
        entry = {"at": now.isoformat(), "by": "operator", "action": wish.value, "note": note}
        entries = [{name: value for name, value in entry.items() if value is not None}]
        requested = (
            await connection.scalars(
                update(_LETTERS)
                .where(wanted)
                .values(**_wish(wish, now), history=_COLUMNS.history.op("||")(literal(entries, JSONB)))
                .returning(_COLUMNS.id)
            )
        ).all()
    if not requested:
        return Replay(0, 0)
    mine = _COLUMNS.id == any_(cast(list(requested), ARRAY(BigInteger)))
    deadline = time.monotonic() + patience
    while True:
        async with engine.connect() as connection:
            query = select(func.count().filter(UNRESOLVED), func.count().filter(_COLUMNS.requested.is_not(None)))
            left, pending = (await connection.execute(query.where(mine))).one()
        if not pending or time.monotonic() > deadline:
            return Replay(len(requested) - left, left)
        await asyncio.sleep(ATTEND_SECONDS / 2)


async def is_pending(connection: AsyncConnection, tenant: str) -> bool:
    found = await connection.scalar(
        select(exists().where(visible_to(tenant), UNRESOLVED, _COLUMNS.requested.is_not(None)))
    )
    return bool(found)


async def progress_of(connection: AsyncConnection, tenant: str, *, requested: int, since: datetime) -> Progress:
    row = (
        await connection.execute(
            select(
                func.count().filter(_COLUMNS.replayed_at >= since),
                func.count().filter(_COLUMNS.requested.is_not(None)),
                func.count().filter(UNRESOLVED),
            ).where(visible_to(tenant))
        )
    ).one()
    return Progress(requested, *row)


async def _unresolved(transaction: Transaction, id: int) -> Row[Any]:
    query = select(_LETTERS, STATE).where(visible_to(transaction.tenant), _COLUMNS.id == id).with_for_update()
    row = (await transaction.connection.execute(query)).one_or_none()
    if row is None:
        raise NotFound.of("dead letter", id)
    if row.state != State.UNRESOLVED:
        raise Conflict(f"Dead letter {id} was {row.state} already.")
    return row


def _wish(wish: Wish, now: datetime) -> dict[str, Any]:
    return {"requested": wish.value, "requested_at": now}


def _remembered(
    row: Row[Any], now: datetime, by: str, action: str, note: str | None, before: dict[str, Any] | None = None
) -> dict[str, Any]:
    entry = {"at": now.isoformat(), "by": by, "action": str(action), "note": note, "before": before}
    recorded = {name: value for name, value in entry.items() if value is not None}
    full = action == Wish.REPLAY and len(row.history) >= MAX_HISTORY
    return {"history": row.history if full else [*row.history, recorded]}
