"""Keeps scores live: a customer is scored again as soon as an event of it arrives, and at the very instant at which
silence alone brings it into another band.

A fold enqueues the customers whose scores may have changed (health.scores.queue). With each score is stored the instant
at which time alone will change its band (`due_at`), when it is enqueued, too. Only enqueued customers are scored: there
is no sweep. Scores, the changes, the events that publish them, and the runs of playbooks are one transaction.

It blocks no fold. Facts are read in a snapshot, scores are computed in another process with no transaction open, and
written if no other transaction has scored the customer meanwhile; a customer whose facts changed meanwhile is in the
queue again. Pieces are bounded by customers and by facts, and each commits. Tenants take turns, those with short queues
first. A piece that fails is halved until the customer is found that cannot be scored: it is set aside with the reason
until another event of it arrives or the models change, and all others are scored.
"""

import random
from collections.abc import AsyncIterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, any_, cast, delete, exists, func, insert, select, text, union, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from analytics.health.engine.reads import CUSTOMERS, pieces_of
from analytics.health.scores.piece import Also, Noted, Superseded, score_piece
from analytics.health.scores.queue import enqueue_customers
from analytics.health.scores.tables import health_queue, health_rescorings, health_scores, health_set_aside
from analytics.tables import removed_tenants
from kith.runtime.offload import BACKGROUND, LIVE
from kith.runtime.telemetry import log

AT_ONCE = 2_000
"""The most rows of the queue in one piece: it bounds the wait of the others."""
FEW = 100
"""Tenants with fewer customers in the queue do not wait for those with more."""
_Q, _S, _R, _A = health_queue.c, health_scores.c, health_rescorings.c, health_set_aside.c
_REMOVED = exists().where(removed_tenants.c.tenant_id == _S.tenant_id, removed_tenants.c.readmitted_at.is_(None))

# One index probe per tenant, not one per row.
_WAITING = f"""
    WITH RECURSIVE tenants AS (
        (SELECT tenant_id FROM health_queue ORDER BY tenant_id LIMIT 1)
        UNION ALL
        SELECT (SELECT tenant_id FROM health_queue WHERE tenant_id > t.tenant_id ORDER BY tenant_id LIMIT 1)
        FROM tenants t WHERE t.tenant_id IS NOT NULL
    )
    SELECT tenant_id, number FROM tenants CROSS JOIN LATERAL (
        SELECT count(*) AS number FROM (
            SELECT FROM health_queue q WHERE q.tenant_id = tenants.tenant_id LIMIT {FEW + 1}
        ) AS few
    ) counted WHERE tenant_id IS NOT NULL
"""  # noqa: S608 - made here


async def process_score_queue(engine: AsyncEngine) -> bool:
    """Scores the customers in the queue: for each tenant the next few, or for one that has many the next piece. Returns
    whether there may be more. Several processes may run it, each for another tenant."""
    more, errors = False, list[Exception]()
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        waiting = [(row.tenant_id, row.number) for row in await connection.exec_driver_sql(_WAITING)]
        many = [tenant for tenant, number in waiting if number > FEW]
        tenants = [tenant for tenant, number in waiting if number <= FEW]
        if many:
            tenants.append(random.choice(many))  # noqa: S311 - whose turn it is, not a secret
        for tenant in tenants:
            async with try_lock(connection, f"health {tenant}") as mine:
                if not mine:
                    continue
                try:
                    taken = await _taken(connection, tenant)
                    for piece in await _pieces(connection, tenant, taken):
                        await score_piece(engine, tenant, piece, LIVE, _forget)
                except Exception as error:  # noqa: BLE001 - raised below: another tenant's is not to wait for it
                    log.warning("not scored", tenant=tenant, error=error)
                    errors.append(error)
                else:
                    more |= len(taken) == AT_ONCE or len(many) > 1
    if errors:
        raise errors[0]
    return more


async def note_due(engine: AsyncEngine) -> int:
    """Enqueues the customers whose band changes now by time alone. Returns how many."""
    async with engine.begin() as connection:
        due = (
            select(_S.tenant_id, _S.customer_id)
            # One of a removed tenant would be refused, and all others with it.
            .where(_S.due_at <= func.clock_timestamp(), ~_REMOVED)
            .order_by(_S.due_at)
            .limit(AT_ONCE)
            .with_for_update(skip_locked=True)
            .cte("due")
        )
        # Until it is scored nothing is due: a customer that cannot be scored is not retried for ever.
        noted = (
            update(health_scores)
            .where(_S.tenant_id == due.c.tenant_id, _S.customer_id == due.c.customer_id)
            .values(due_at=None)
            .returning(_S.tenant_id, _S.customer_id)
            .cte("noted")
        )
        put = await connection.execute(insert(health_queue).from_select(["tenant_id", "customer_id"], select(noted)))
    return put.rowcount


async def score_due(engine: AsyncEngine) -> bool:
    """Scores the customers whose band changes now by time alone. Returns whether there may be more."""
    noted = await note_due(engine)
    while noted and await process_score_queue(engine):
        pass
    return noted == AT_ONCE


async def score_everybody(engine: AsyncEngine) -> bool:
    """Scores the next customers of a tenant that has a new model."""
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        wanted = select(_R.tenant_id).where(_R.finished_at.is_(None)).order_by(func.random())
        for tenant in (await connection.scalars(wanted)).all():
            async with try_lock(connection, f"health rescoring {tenant}") as mine:
                if mine:
                    await _score_next(engine, connection, tenant)
                    return True
    return False


async def _score_next(engine: AsyncEngine, connection: AsyncConnection, tenant: str) -> None:
    mine = _R.tenant_id == tenant
    rescoring = (await connection.execute(select(health_rescorings).where(mine))).one()
    if rescoring.finished_at is not None:
        return
    everybody = union(
        select(_S.customer_id).where(_S.tenant_id == tenant), select(_A.customer_id).where(_A.tenant_id == tenant)
    ).subquery("everybody")
    if rescoring.total is None:
        total = select(func.count()).select_from(everybody).scalar_subquery()
        still = (mine, _R.requested_at == rescoring.requested_at)
        await connection.execute(update(health_rescorings).where(*still).values(total=total))
    some = select(everybody.c.customer_id).order_by(everybody.c.customer_id).limit(CUSTOMERS)
    if rescoring.done_to is not None:
        some = some.where(everybody.c.customer_id > rescoring.done_to)
    customers = list(await connection.scalars(some))
    noted = [Noted(customer, traceparent=rescoring.traceparent) for customer in customers]
    go_on = _going_on(tenant, rescoring.requested_at)
    try:
        for piece in await _pieces(connection, tenant, noted):
            await score_piece(engine, tenant, piece, BACKGROUND, go_on)
        if len(customers) < CUSTOMERS:
            still = (mine, _R.requested_at == rescoring.requested_at)
            await connection.execute(update(health_rescorings).where(*still).values(finished_at=func.clock_timestamp()))
    except Superseded:
        log.info("rescoring begins again", tenant=tenant)


async def _forget(connection: AsyncConnection, piece: Sequence[Noted], kept: AbstractSet[UUID]) -> None:
    """Deletes them from the queue."""
    done = [each.seq for each in piece if each.customer_id in kept]
    await connection.execute(delete(health_queue).where(_Q.seq == any_(cast(done, ARRAY(BigInteger)))))


def _going_on(tenant: str, requested_at: datetime) -> Also:
    """Returns a function that records the progress, and enqueues customers that another transaction has scored
    meanwhile, possibly by earlier models."""

    async def go_on(connection: AsyncConnection, piece: Sequence[Noted], kept: AbstractSet[UUID]) -> None:
        done = {"done": _R.done + len(piece), "done_to": piece[-1].customer_id}
        still = (_R.tenant_id == tenant, _R.requested_at == requested_at)
        if not (await connection.execute(update(health_rescorings).where(*still).values(done))).rowcount:
            raise Superseded
        if again := [each.customer_id for each in piece if each.customer_id not in kept]:
            await enqueue_customers(connection, tenant, again)

    return go_on


@asynccontextmanager
async def try_lock(connection: AsyncConnection, what: str) -> AsyncIterator[bool]:
    """Yields whether this process holds the lock of that name, which it tries without waiting. The lock is released
    when the connection closes, so a process that dies blocks no other."""
    key = {"key": what}
    mine = bool(await connection.scalar(text("SELECT pg_try_advisory_lock(hashtextextended(:key, 0))"), key))
    try:
        yield mine
    finally:
        if mine and not connection.invalidated:  # else it was released with the session
            await connection.execute(text("SELECT pg_advisory_unlock(hashtextextended(:key, 0))"), key)


async def _taken(connection: AsyncConnection, tenant: str) -> list[Noted]:
    columns = select(_Q.customer_id, _Q.event_id, _Q.traceparent, _Q.seq)
    rows = await connection.execute(columns.where(_Q.tenant_id == tenant).order_by(_Q.seq).limit(AT_ONCE))
    return [Noted(*row) for row in rows]


async def _pieces(connection: AsyncConnection, tenant: str, noted: Sequence[Noted]) -> list[list[Noted]]:
    """Returns the pieces, in the order of the customers."""
    found = await pieces_of(connection, tenant, {each.customer_id for each in noted})
    piece_of = {customer: index for index, piece in enumerate(found) for customer in piece}
    pieces: list[list[Noted]] = [[] for _ in found]
    for each in sorted(noted, key=lambda each: each.customer_id):
        pieces[piece_of[each.customer_id]].append(each)
    return pieces
