"""Scores, kept live: whoever something happened to is scored again at once, and whom silence alone will bring into
another band, at that very instant.

A fold notes whose scores may have changed (health.scores.queue); with each score is kept the instant at which time
alone will change its band (`due_at`), when it is noted, too. Whoever is noted is scored, and nobody else: there is no
sweep. Scores, the changes, the events that tell of them, and what playbooks make of them are one transaction.

It stops nobody. Facts are read in a snapshot, scores are computed in another process with no transaction open, and
written if nobody else has scored the customer meanwhile; of whom something came in meanwhile is noted, and scored
again. Pieces are bounded by customers and by facts, and each commits. Tenants take turns, those of whom little is noted
first. A piece that fails is halved until the customer is found that cannot be scored: it is set aside with the reason
until something more happens to it or the models change, and everybody else is scored.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from prometheus_client import Counter
from sqlalchemy import ARRAY, BigInteger, any_, cast, delete, func, insert, select, text, union, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from analytics.health.engine.base import micros
from analytics.health.engine.facts import HealthFacts, Needed, UnreadFacts
from analytics.health.engine.reads import CUSTOMERS, assignments_of, pieces_of, unread_of
from analytics.health.model.definition import HealthModel
from analytics.health.scores.changes import tell
from analytics.health.scores.kept import Rescored, Row, Since, Stored, looked_at, rescored
from analytics.health.scores.queue import enqueue_customers
from analytics.health.scores.tables import health_queue, health_rescorings, health_scores, health_set_aside
from analytics.playbooks import runs as playbooks
from analytics.projections.snapshot import snapshot
from kith.consumer.faults import Fault, fault_of
from kith.db.sqlstates import sqlstate
from kith.db.tables import Moment
from kith.runtime.offload import BACKGROUND, LIVE, Lane, offload
from kith.runtime.telemetry import log

AT_ONCE = 2_000
"""Noted at most in one piece: somebody waits for it."""
FEW = 100
"""Who has noted fewer customers does not wait for those who have more."""
REASON_LENGTH = 300
_QUERY_CANCELED = "57014"
_Q, _S, _R, _A = health_queue.c, health_scores.c, health_rescorings.c, health_set_aside.c
FAILED = Counter("kith_health_failed_total", "Customers that could not be scored, and were set aside with the reason")


class Noted(NamedTuple):
    """Something came in of a customer."""

    customer_id: UUID
    event_id: UUID | None = None
    traceparent: str | None = None
    seq: int | None = None
    """Its index in the queue; none, if all of the tenant are scored again."""


class _Read(NamedTuple):
    """What the scores of some customers are computed from."""

    now: datetime
    stored: list[Stored]
    since: Since
    unread: UnreadFacts


class Superseded(Exception):
    """The models have changed again: everybody is scored from the beginning."""


Also = Callable[[AsyncConnection, Sequence[Noted], AbstractSet[UUID]], Awaitable[None]]
"""What else the transaction does that writes the scores of a piece, or sets it aside: it is handed the piece, and the
customers that nobody else has scored meanwhile."""

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
    """Score those of whom something came in: of each tenant the next few, or of one that has many the next piece.
    Answers whether there may be more. Several processes may, each of another tenant."""
    more, errors = False, list[Exception]()
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        waiting = [(row.tenant_id, row.number) for row in await connection.exec_driver_sql(_WAITING)]
        many = [tenant for tenant, number in waiting if number > FEW]
        tenants = [tenant for tenant, number in waiting if number <= FEW]
        if many:
            tenants.append(random.choice(many))  # noqa: S311 - whose turn it is, not a secret
        for tenant in tenants:
            async with alone(connection, f"health {tenant}") as mine:
                if not mine:
                    continue
                try:
                    taken = await _taken(connection, tenant)
                    for piece in await _pieces(connection, tenant, taken):
                        await _score(engine, tenant, piece, LIVE, _forget)
                except Exception as error:  # noqa: BLE001 - raised below: another tenant's is not to wait for it
                    log.warning("not scored", tenant=tenant, error=error)
                    errors.append(error)
                else:
                    more |= len(taken) == AT_ONCE or len(many) > 1
    if errors:
        raise errors[0]
    return more


async def note_due(engine: AsyncEngine) -> int:
    """Note those whom silence brings into another band now. Answers how many."""
    async with engine.begin() as connection:
        due = (
            select(_S.tenant_id, _S.customer_id)
            .where(_S.due_at <= func.clock_timestamp())
            .order_by(_S.due_at)
            .limit(AT_ONCE)
            .with_for_update(skip_locked=True)
            .cte("due")
        )
        # Until it is scored nothing is due: what cannot be scored is not tried for ever.
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
    """Score those whom silence brings into another band now. Answers whether there may be more."""
    noted = await note_due(engine)
    while noted and await process_score_queue(engine):
        pass
    return noted == AT_ONCE


async def score_everybody(engine: AsyncEngine) -> bool:
    """Score the next customers of a tenant that has a new model."""
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        wanted = select(_R.tenant_id).where(_R.finished_at.is_(None)).order_by(func.random())
        for tenant in (await connection.scalars(wanted)).all():
            async with alone(connection, f"health rescoring {tenant}") as mine:
                if mine:
                    await _score_next(engine, connection, tenant)
                    return True
    return False


async def _score_next(engine: AsyncEngine, connection: AsyncConnection, tenant: str) -> None:
    mine = _R.tenant_id == tenant
    asked = (await connection.execute(select(health_rescorings).where(mine))).one()
    if asked.finished_at is not None:
        return
    everybody = union(
        select(_S.customer_id).where(_S.tenant_id == tenant), select(_A.customer_id).where(_A.tenant_id == tenant)
    ).subquery("everybody")
    if asked.total is None:
        total = select(func.count()).select_from(everybody).scalar_subquery()
        still = (mine, _R.requested_at == asked.requested_at)
        await connection.execute(update(health_rescorings).where(*still).values(total=total))
    some = select(everybody.c.customer_id).order_by(everybody.c.customer_id).limit(CUSTOMERS)
    if asked.done_to is not None:
        some = some.where(everybody.c.customer_id > asked.done_to)
    customers = list(await connection.scalars(some))
    noted = [Noted(customer, traceparent=asked.traceparent) for customer in customers]
    go_on = _going_on(tenant, asked.requested_at)
    try:
        for piece in await _pieces(connection, tenant, noted):
            await _score(engine, tenant, piece, BACKGROUND, go_on)
        if len(customers) < CUSTOMERS:
            still = (mine, _R.requested_at == asked.requested_at)
            await connection.execute(update(health_rescorings).where(*still).values(finished_at=func.clock_timestamp()))
    except Superseded:
        log.info("rescoring begins again", tenant=tenant)


async def _forget(connection: AsyncConnection, piece: Sequence[Noted], kept: AbstractSet[UUID]) -> None:
    """Take them from the queue."""
    done = [each.seq for each in piece if each.customer_id in kept]
    await connection.execute(delete(health_queue).where(_Q.seq == any_(cast(done, ARRAY(BigInteger)))))


def _going_on(tenant: str, requested_at: datetime) -> Also:
    """Tells how far it is, and notes whom somebody else has scored meanwhile: maybe by the models of before."""

    async def go_on(connection: AsyncConnection, piece: Sequence[Noted], kept: AbstractSet[UUID]) -> None:
        done = {"done": _R.done + len(piece), "done_to": piece[-1].customer_id}
        still = (_R.tenant_id == tenant, _R.requested_at == requested_at)
        if not (await connection.execute(update(health_rescorings).where(*still).values(done))).rowcount:
            raise Superseded
        if again := [each.customer_id for each in piece if each.customer_id not in kept]:
            await enqueue_customers(connection, tenant, again)

    return go_on


@asynccontextmanager
async def alone(connection: AsyncConnection, what: str) -> AsyncIterator[bool]:
    """Whether nobody else does this. It is given back when the connection closes: a process that dies leaves nothing
    behind that others wait for."""
    key = {"key": what}
    mine = bool(await connection.scalar(text("SELECT pg_try_advisory_lock(hashtextextended(:key, 0))"), key))
    try:
        yield mine
    finally:
        if mine and not connection.invalidated:  # else it went with the session
            await connection.execute(text("SELECT pg_advisory_unlock(hashtextextended(:key, 0))"), key)


async def _taken(connection: AsyncConnection, tenant: str) -> list[Noted]:
    columns = select(_Q.customer_id, _Q.event_id, _Q.traceparent, _Q.seq)
    rows = await connection.execute(columns.where(_Q.tenant_id == tenant).order_by(_Q.seq).limit(AT_ONCE))
    return [Noted(*row) for row in rows]


async def _pieces(connection: AsyncConnection, tenant: str, noted: Sequence[Noted]) -> list[list[Noted]]:
    """In the order of the customers."""
    found = await pieces_of(connection, tenant, {each.customer_id for each in noted})
    place_of = {customer: index for index, piece in enumerate(found) for customer in piece}
    pieces: list[list[Noted]] = [[] for _ in found]
    for each in sorted(noted, key=lambda each: each.customer_id):
        pieces[place_of[each.customer_id]].append(each)
    return pieces


async def _score(engine: AsyncEngine, tenant: str, piece: Sequence[Noted], lane: Lane, also: Also) -> None:
    """Those that cannot be scored are set aside. Raises what concerns everybody: no database, too many at once."""
    customers = list(dict.fromkeys(each.customer_id for each in piece))
    try:
        await _score_whole(engine, tenant, piece, lane, also)
    except _Broken as broken:
        # Whoever is not scored by such a model is scored all the same.
        theirs = [each for each in piece if each.customer_id in broken.customers]
        await _set_aside(engine, tenant, theirs, broken.reason, broken.model, also)
        if others := [each for each in piece if each.customer_id not in broken.customers]:
            await _score(engine, tenant, others, lane, also)
    except Superseded:
        raise
    except Exception as error:
        if not _is_its_own(error):
            raise
        if len(customers) == 1:
            log.error("not scored", tenant=tenant, customer=str(customers[0]), exc_info=error)
            await _set_aside(engine, tenant, piece, _reason(error), None, also)
            return
        log.warning("not scored together", tenant=tenant, customers=len(customers), exc_info=error)
        half = set(customers[: len(customers) // 2])
        await _score(engine, tenant, [each for each in piece if each.customer_id in half], lane, also)
        await _score(engine, tenant, [each for each in piece if each.customer_id not in half], lane, also)


class _Broken(Exception):
    def __init__(self, model: HealthModel, reason: str, customers: AbstractSet[UUID]) -> None:
        super().__init__(model.id, reason)
        self.model, self.reason, self.customers = model, reason, customers


def _is_its_own(error: Exception) -> bool:
    """Whether it may be the fault of what was scored. A statement that took too long may have had too much to read."""
    return fault_of(error) is Fault.POISON or sqlstate(error) == _QUERY_CANCELED


def _reason(error: Exception) -> str:
    lines = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"[:REASON_LENGTH]


async def _score_whole(engine: AsyncEngine, tenant: str, piece: Sequence[Noted], lane: Lane, also: Also) -> None:
    customers = sorted({each.customer_id for each in piece})
    read = await _read(engine, tenant, customers)
    found = await offload(rescored, read.unread, read.stored, read.since, read.now, lane=lane)
    async with engine.begin() as connection:
        await _write(connection, tenant, piece, read, found, also)


async def _read(engine: AsyncEngine, tenant: str, customers: Sequence[UUID]) -> _Read:
    async with snapshot(engine) as connection:
        now = (await connection.execute(select(cast(func.clock_timestamp(), Moment)))).scalar_one()
        found = await assignments_of(connection, tenant, customers)
        stored = await _stored(connection, tenant, found.customers)
        since, needed = await asyncio.to_thread(_needed, found, stored, now)
        for model in needed.models:
            if model.fault is not None:
                raise _Broken(model, model.fault, found.scored_by(model, since.looked_at, micros(now)))
        unread = await unread_of(connection, tenant, needed.models, found.customers, needed.customers)
    return _Read(now, stored, since, UnreadFacts(found, needed.models, unread))


def _needed(found: HealthFacts, stored: Sequence[Stored], now: datetime) -> tuple[Since, Needed]:
    since = looked_at(found, stored, micros(now))
    return since, found.needed(since.looked_at, micros(now))


_STORED = """
    SELECT customer_id, version, model, model_version, band, nullif(scored_at, '-infinity'),
           nullif(band_since, '-infinity')
    FROM health_scores WHERE tenant_id = $1 AND customer_id = ANY($2::uuid[])
"""
_INSERT = """
    INSERT INTO health_scores (tenant_id, customer_id, version, coverage, scored_at, band_since)
    SELECT $1, id, 0, 0, '-infinity', '-infinity' FROM unnest($2::uuid[]) AS t(id) ON CONFLICT DO NOTHING
"""
# In order, so that no two wait for each other in a ring.
_LOCK = f"{_STORED} ORDER BY customer_id FOR UPDATE"


async def _stored(connection: AsyncConnection, tenant: str, customers: Sequence[UUID]) -> list[Stored]:
    rows: Any = await connection.exec_driver_sql(_STORED, (tenant, list(customers)))
    found = {row[0]: Stored._make(row) for row in rows}
    return [found.get(customer) or Stored(customer, 0, None, None, None, None, None) for customer in customers]


async def _write(
    connection: AsyncConnection, tenant: str, piece: Sequence[Noted], read: _Read, found: Rescored, also: Also
) -> None:
    # The transaction takes its id before its time: see kith.outbox.relay on what is not seen yet.
    begun: Any = await connection.exec_driver_sql("SELECT pg_current_xact_id()::text, clock_timestamp() AS now")
    now: datetime = begun.one().now
    kept = await _unchanged(connection, tenant, read.stored)
    await _keep(connection, tenant, read.now, [row for row in found.rows if row.customer_id in kept])
    traceparents = {each.customer_id: each.traceparent for each in piece}
    changes = [change for change in found.changes if change.customer_id in kept]
    told = await tell(connection, tenant, now, changes, traceparents)
    events = [(each.event_id, each.traceparent) for each in piece if each.event_id and each.customer_id in kept]
    await playbooks.fire(connection, tenant, [each.trigger_event for each in told], events)
    await connection.execute(delete(health_set_aside).where(_A.tenant_id == tenant, _A.customer_id.in_(kept)))
    await also(connection, piece, kept)


async def _unchanged(connection: AsyncConnection, tenant: str, stored: Sequence[Stored]) -> set[UUID]:
    """Locks them. Answers those that nobody else has scored since they were read."""
    ordered = sorted(each.customer_id for each in stored)
    await connection.exec_driver_sql(
        _INSERT, (tenant, sorted(each.customer_id for each in stored if each.scored_at is None))
    )
    rows: Any = await connection.exec_driver_sql(_LOCK, (tenant, ordered))
    now = {row[0]: Stored._make(row) for row in rows}
    return {
        each.customer_id
        for each in stored
        if (each.version, each.scored_at) == (now[each.customer_id].version, now[each.customer_id].scored_at)
    }


async def _keep(connection: AsyncConnection, tenant: str, now: datetime, rows: Sequence[Row]) -> None:
    if rows:
        columns = [list(column) for column in zip(*rows, strict=True)]
        await connection.exec_driver_sql(_UPDATE, (tenant, now, *columns))


async def _set_aside(
    engine: AsyncEngine, tenant: str, piece: Sequence[Noted], reason: str, model: HealthModel | None, also: Also
) -> None:
    customers = {each.customer_id for each in piece}
    FAILED.inc(len(customers))
    log.warning("set aside", tenant=tenant, customers=len(customers), model=model.id if model else None)
    rows = [
        {
            "tenant_id": tenant,
            "customer_id": customer,
            "reason": reason,
            "model": model.id if model else None,
            "model_version": model.version if model else None,
        }
        for customer in sorted(customers)
    ]
    async with engine.begin() as connection:
        put = upsert(health_set_aside)
        again = {name: put.excluded[name] for name in ("reason", "model", "model_version")}
        await connection.execute(
            put.on_conflict_do_update(index_elements=["tenant_id", "customer_id"], set_=again), rows
        )
        await also(connection, piece, customers)


_TYPES = {
    "customer_id": "uuid[]",
    "version": "int[]",
    "model": "text[]",
    "model_version": "int[]",
    "score": "float8[]",
    "band": "text[]",
    "coverage": "float8[]",
    "band_since": "timestamptz[]",
    "due_at": "timestamptz[]",
    "due_band": "text[]",
}
_GIVEN = ", ".join(f"${n}::{_TYPES[name]}" for n, name in enumerate(Row._fields, 3))
_UPDATE = f"""
    UPDATE health_scores s
    SET scored_at = $2, {", ".join(f"{name} = t.{name}" for name in Row._fields if name != "customer_id")}
    FROM unnest({_GIVEN}) AS t({", ".join(Row._fields)})
    WHERE s.tenant_id = $1 AND s.customer_id = t.customer_id
"""  # noqa: S608 - made here
