"""Scores a piece of the customers in the queue, in one transaction with the changes, their events and the runs of
playbooks.

Facts are read in a snapshot, scores are computed in another process with no transaction open, and written if no other
transaction has scored the customer meanwhile. A piece that fails is halved until the customer is found that cannot be
scored: it is set aside with the reason until another event of it arrives or the models change, and all others are
scored.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from prometheus_client import Counter
from sqlalchemy import cast, delete, func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from analytics.health.engine.base import micros
from analytics.health.engine.facts import HealthFacts, Needed, UnreadFacts
from analytics.health.engine.reads import assignments_of, unread_of
from analytics.health.model.definition import HealthModel
from analytics.health.scores.changes import publish
from analytics.health.scores.kept import Rescored, Row, Since, Stored, rescored, search_from
from analytics.health.scores.tables import health_set_aside
from analytics.playbooks import runs as playbooks
from analytics.projections.snapshot import snapshot
from kith.consumer.faults import Fault, fault_of
from kith.db.sqlstates import sqlstate
from kith.db.tables import Moment
from kith.runtime.offload import Lane, offload
from kith.runtime.telemetry import log

REASON_LENGTH = 300
_QUERY_CANCELED = "57014"
_A = health_set_aside.c
FAILED = Counter("kith_health_failed_total", "Customers that could not be scored, and were set aside with the reason")


class Noted(NamedTuple):
    """A customer to be scored again, and the event that enqueued it."""

    customer_id: UUID
    event_id: UUID | None = None
    traceparent: str | None = None
    seq: int | None = None
    """Its number in the queue; None, if all customers of the tenant are scored again."""


class _Read(NamedTuple):
    """What the scores of some customers are computed from."""

    now: datetime
    stored: list[Stored]
    since: Since
    unread: UnreadFacts


class Superseded(Exception):
    """The models have changed again: all customers are scored from the beginning."""


Also = Callable[[AsyncConnection, Sequence[Noted], AbstractSet[UUID]], Awaitable[None]]
"""The rest of the transaction that writes the scores of a piece, or sets it aside: its arguments are the piece, and the
customers that no other transaction has scored meanwhile."""


async def score_piece(engine: AsyncEngine, tenant: str, piece: Sequence[Noted], lane: Lane, also: Also) -> None:
    """Scores the customers of a piece, and sets aside those that cannot be scored. Raises failures that concern all
    customers: no database, too many connections."""
    customers = list(dict.fromkeys(each.customer_id for each in piece))
    try:
        await _score_whole(engine, tenant, piece, lane, also)
    except _Broken as broken:
        # Customers that another model scores are scored all the same.
        theirs = [each for each in piece if each.customer_id in broken.customers]
        await _set_aside(engine, tenant, theirs, broken.reason, broken.model, also)
        if others := [each for each in piece if each.customer_id not in broken.customers]:
            await score_piece(engine, tenant, others, lane, also)
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
        await score_piece(engine, tenant, [each for each in piece if each.customer_id in half], lane, also)
        await score_piece(engine, tenant, [each for each in piece if each.customer_id not in half], lane, also)


class _Broken(Exception):
    def __init__(self, model: HealthModel, reason: str, customers: AbstractSet[UUID]) -> None:
        super().__init__(model.id, reason)
        self.model, self.reason, self.customers = model, reason, customers


def _is_its_own(error: Exception) -> bool:
    """Whether the customer or the model may be at fault. A statement that timed out may have had too much to read."""
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
                raise _Broken(model, model.fault, found.scored_by(model, since.facts_from, micros(now)))
        unread = await unread_of(connection, tenant, needed.models, found.customers, needed.customers)
    return _Read(now, stored, since, UnreadFacts(found, needed.models, unread))


def _needed(found: HealthFacts, stored: Sequence[Stored], now: datetime) -> tuple[Since, Needed]:
    since = search_from(found, stored, micros(now))
    return since, found.needed(since.facts_from, micros(now))


_STORED = """
    SELECT customer_id, version, model, model_version, band, nullif(scored_at, '-infinity'),
           nullif(band_since, '-infinity')
    FROM health_scores WHERE tenant_id = $1 AND customer_id = ANY($2::uuid[])
"""
_INSERT = """
    INSERT INTO health_scores (tenant_id, customer_id, version, coverage, scored_at, band_since)
    SELECT $1, id, 0, 0, '-infinity', '-infinity' FROM unnest($2::uuid[]) AS t(id) ON CONFLICT DO NOTHING
"""
# In order, so that no two transactions deadlock.
_LOCK = f"{_STORED} ORDER BY customer_id FOR UPDATE"


async def _stored(connection: AsyncConnection, tenant: str, customers: Sequence[UUID]) -> list[Stored]:
    rows: Any = await connection.exec_driver_sql(_STORED, (tenant, list(customers)))
    found = {row[0]: Stored._make(row) for row in rows}
    return [found.get(customer) or Stored(customer, 0, None, None, None, None, None) for customer in customers]


async def _write(
    connection: AsyncConnection, tenant: str, piece: Sequence[Noted], read: _Read, found: Rescored, also: Also
) -> None:
    # The transaction takes its id before its time: see kith.outbox.relay on events that are not visible yet.
    begun: Any = await connection.exec_driver_sql("SELECT pg_current_xact_id()::text, clock_timestamp() AS now")
    now: datetime = begun.one().now
    kept = await _unchanged(connection, tenant, read.stored)
    await _keep(connection, tenant, read.now, [row for row in found.rows if row.customer_id in kept])
    traceparents = {each.customer_id: each.traceparent for each in piece}
    changes = [change for change in found.changes if change.customer_id in kept]
    published = await publish(connection, tenant, now, changes, traceparents)
    events = [(each.event_id, each.traceparent) for each in piece if each.event_id and each.customer_id in kept]
    await playbooks.fire(connection, tenant, [each.trigger_event for each in published], events)
    await connection.execute(delete(health_set_aside).where(_A.tenant_id == tenant, _A.customer_id.in_(kept)))
    await also(connection, piece, kept)


async def _unchanged(connection: AsyncConnection, tenant: str, stored: Sequence[Stored]) -> set[UUID]:
    """Locks the scores. Returns the customers that no other transaction has scored since they were read."""
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
