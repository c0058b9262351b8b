"""Scores, kept live: whoever something happened to is scored again at once, and whom silence alone will bring into
another band, at that very instant.

A fold notes whose scores may have changed (commands.note_health); with each score is kept the instant at which time
alone will change its band (`due_at`). The worker's step takes what was noted and what is due, and nobody else: there is
no sweep. Scores, the changes, the events that tell of them, and what playbooks make of them are one transaction. While
it lasts the customers' rows are locked, so a customer's changes come one after the other, whoever scores it.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
from prometheus_client import Counter
from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from analytics.commands import playbooks
from analytics.commands.health_changes import Change, tell
from analytics.domain.health.base import FAR, Ints, micros, moment
from analytics.domain.health.model import DAY, HealthModel, band_of, number_of
from analytics.domain.health.scoring import AHEAD, Bands, Scorer
from analytics.storage.health import assigned, base_of
from analytics.storage.models import models_of
from analytics.storage.tables import health_queue, health_rescorings, health_scores
from kith.consumer.faults import Fault, fault_of
from kith.events.analytics import Driver
from kith.telemetry import log

AT_A_TIME, OF_ALL = 2_000, 10_000
"""Customers of one transaction: few where somebody waits for it, many where all are scored again."""
DRIVEN_OVER = 30 * DAY
DRIVERS = 3
JUMP = 0.01
"""Points: by more nothing moves from one microsecond to the next but by what happened."""
_S, _R = health_scores.c, health_rescorings.c
_NOTED = ("tenant_id", "customer_id", "event_id", "traceparent")
LAG = DAY // 24
"""What happened so short before the last score, and came in after it, is no correction."""
AFTER_FAILURE = timedelta(hours=1)
FAILED = Counter("kith_health_failed_total", "Times that customers of a tenant could not be scored, by a fault of ours")


class Noted(NamedTuple):
    """Something came in of a customer."""

    customer_id: UUID
    event_id: UUID | None
    traceparent: str | None


_CLOCK = "SELECT pg_current_xact_id()::text, clock_timestamp() AS now"
_TAKE = """
    DELETE FROM health_queue
    WHERE seq = ANY(ARRAY(SELECT seq FROM health_queue ORDER BY seq LIMIT $1 FOR UPDATE SKIP LOCKED))
    RETURNING seq, tenant_id, customer_id, event_id, traceparent
"""


async def score_noted(engine: AsyncEngine) -> bool:
    """Score those of whom something came in. Answers whether there may be more. Several processes may."""
    async with engine.begin() as connection:
        found: Any = await connection.exec_driver_sql(_TAKE, (AT_A_TIME,))
        taken = found.all()
        by_tenant: dict[str, list[Noted]] = defaultdict(list)
        for row in sorted(taken, key=lambda row: row.seq):
            by_tenant[row.tenant_id].append(Noted(row.customer_id, row.event_id, row.traceparent))
        for tenant in await _score(connection, by_tenant):
            again = [(tenant, *noted) for noted in by_tenant[tenant]]
            await connection.execute(insert(health_queue), [dict(zip(_NOTED, row, strict=True)) for row in again])
    return len(taken) == AT_A_TIME


async def _score(connection: AsyncConnection, by_tenant: Mapping[str, Sequence[Noted]]) -> list[str]:
    """Answers the tenants that could not be scored: theirs is tried again later, and the others' does not wait."""
    failed = []
    for tenant, noted in sorted(by_tenant.items()):
        try:
            async with connection.begin_nested():
                await _Scoring(connection, tenant).score(noted)
        except Exception as error:
            if fault_of(error) is not Fault.POISON:
                raise
            FAILED.inc()
            log.error("not scored", tenant=tenant, customers=len(noted), exc_info=error)
            failed.append(tenant)
    return failed


async def score_due(engine: AsyncEngine) -> bool:
    """Score those whom silence brings into another band now."""
    async with engine.begin() as connection:
        due = (
            await connection.execute(
                select(_S.tenant_id, _S.customer_id)
                .where(_S.due_at <= func.clock_timestamp())
                .order_by(_S.due_at)
                .limit(AT_A_TIME)
                .with_for_update(skip_locked=True)
            )
        ).all()
        by_tenant: dict[str, list[Noted]] = defaultdict(list)
        for tenant, customer in due:
            by_tenant[tenant].append(Noted(customer, None, None))
        for tenant in await _score(connection, by_tenant):
            failed = (_S.tenant_id == tenant, _S.customer_id.in_([each.customer_id for each in by_tenant[tenant]]))
            await connection.execute(update(health_scores).where(*failed).values(due_at=func.now() + AFTER_FAILURE))
    return len(due) == AT_A_TIME


async def score_everybody(engine: AsyncEngine) -> bool:
    """Score the next customers of a tenant that has a new model."""
    async with engine.begin() as connection:
        wanted = (
            await connection.execute(
                select(_R.tenant_id, _R.traceparent, _R.total, _R.done_to)
                .where(_R.finished_at.is_(None))
                .order_by(func.random())
                .limit(1)
                .with_for_update(skip_locked=True)
            )
        ).one_or_none()
        if wanted is None:
            return False
        mine = _R.tenant_id == wanted.tenant_id
        if wanted.total is None:
            total = select(func.count()).where(_S.tenant_id == wanted.tenant_id).scalar_subquery()
            await connection.execute(update(health_rescorings).where(mine).values(total=total))
            return True
        some = select(_S.customer_id).where(_S.tenant_id == wanted.tenant_id).order_by(_S.customer_id).limit(OF_ALL)
        if wanted.done_to is not None:
            some = some.where(_S.customer_id > wanted.done_to)
        customers = list(await connection.scalars(some))
        noted = [Noted(customer, None, wanted.traceparent) for customer in customers]
        await _Scoring(connection, wanted.tenant_id).score(noted)
        done: dict[str, Any] = {"done": _R.done + len(customers)}
        if len(customers) < OF_ALL:
            done["finished_at"] = func.clock_timestamp()
        else:
            done["done_to"] = customers[-1]
        await connection.execute(update(health_rescorings).where(mine).values(done))
    return True


_LOCK = """
    SELECT customer_id, version, model, model_version, band, nullif(scored_at, '-infinity'),
           nullif(band_since, '-infinity')
    FROM health_scores WHERE tenant_id = $1 AND customer_id = ANY($2::uuid[]) ORDER BY customer_id FOR UPDATE
"""
_INSERT = """
    INSERT INTO health_scores (tenant_id, customer_id, version, coverage, scored_at, band_since)
    SELECT $1, id, 0, 0, '-infinity', '-infinity' FROM unnest($2::uuid[]) AS t(id) ON CONFLICT DO NOTHING
"""


class _Stored(NamedTuple):
    customer_id: UUID
    version: int
    model: str | None
    model_version: int | None
    band: str | None
    scored_at: datetime | None
    band_since: datetime | None


@dataclass
class _Scoring:
    """Of customers of one tenant, in one transaction."""

    connection: AsyncConnection
    tenant: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    changes: list[tuple[Change, HealthModel | None]] = field(default_factory=list)

    async def score(self, noted: Sequence[Noted]) -> None:
        if not noted:
            return
        self.stored = await self._lock({each.customer_id for each in noted})
        # Of whatever is committed by now: the facts are read after the clock.
        clock: Any = await self.connection.exec_driver_sql(
            "SELECT pg_current_xact_id()::text, clock_timestamp() AS now"
        )
        now: datetime = clock.one().now
        self.now, self.at = now, micros(now)
        customers, left = list(self.stored), set(self.stored)
        models = await models_of(self.connection, self.tenant)
        for model, those in await assigned(self.connection, self.tenant, models, self.at, customers):
            left -= set(those)
            self._score_by(Scorer(model, await base_of(self.connection, self.tenant, model, those)))
        for customer in sorted(left):
            self._unscored(self.stored[customer])
        await self._keep()
        traceparents = {each.customer_id: each.traceparent for each in noted}
        told = await tell(self.connection, self.tenant, self.now, self._versioned(), traceparents)
        events = [(each.event_id, each.traceparent) for each in noted if each.event_id is not None]
        await playbooks.fire(self.connection, self.tenant, [each.happening for each in told], events)

    async def _lock(self, customers: set[UUID]) -> dict[UUID, _Stored]:
        """In order, so that no two wait for each other in a ring."""
        ordered = sorted(customers)
        found: Any = await self.connection.exec_driver_sql(_LOCK, (self.tenant, ordered))
        rows = found.all()
        if len(rows) < len(ordered):
            await self.connection.exec_driver_sql(_INSERT, (self.tenant, ordered))
            found = await self.connection.exec_driver_sql(_LOCK, (self.tenant, ordered))
            rows = found.all()
        return {row[0]: _Stored._make(row) for row in rows}

    def _score_by(self, scorer: Scorer) -> None:
        model, customers = scorer.model, scorer.base.customers
        stored = [self.stored[customer] for customer in customers]
        scored = scorer.score(self.at)
        bands = scorer.bands(self.at, score=scored.score)
        due = scorer.next_change(self.at, bands, self.at + AHEAD)
        will = np.flatnonzero(due < FAR)
        due_bands = dict(zip(will.tolist(), scorer.moved(due[will], bands[will], will).tolist(), strict=True))
        changed = self._changed(scorer, stored, bands) | self._since_when(scorer, stored)
        for place, before in enumerate(stored):
            known = not np.isnan(scored.score[place])
            last = changed.get(place)
            self.rows.append(
                {
                    "customer_id": before.customer_id,
                    "version": before.version,
                    "model": model.id,
                    "model_version": model.version,
                    "score": float(scored.score[place]) if known else None,
                    "band": band_of(int(bands[place])),
                    "coverage": float(scored.coverage[place]),
                    "band_since": last or before.band_since or self.now,
                    "due_at": moment(min(int(due[place]), self.at + AHEAD)) if known or place in due_bands else None,
                    "due_band": band_of(due_bands[place]) if place in due_bands else None,
                }
            )

    def _since_when(self, scorer: Scorer, stored: Sequence[_Stored]) -> dict[int, datetime]:
        """Of those who are scored for the first time: they may have been in their band for long."""
        new = np.array([place for place, each in enumerate(stored) if each.scored_at is None], np.int64)
        past = scorer.changes(self.at - AHEAD, self.at, new)
        return {int(place): moment(at) for place, at in zip(past.customer, past.at, strict=True)}

    def _changed(self, scorer: Scorer, stored: Sequence[_Stored], bands: Bands) -> dict[int, datetime]:
        """Note the changes since each was last scored. Answers when the last one of each was."""
        model, found = scorer.model, dict[int, datetime]()
        before = np.array([number_of(each.band) for each in stored], np.int8)
        same = [
            place
            for place, each in enumerate(stored)
            if each.scored_at is not None and (each.model, each.model_version) == (model.id, model.version)
        ]
        some: Ints = np.array(same, np.int64)
        since = np.array([micros(stored[place].scored_at or self.now) for place in same], np.int64)
        # What came late may have changed the past: then what was told does not lead to what is now.
        led = scorer.bands(since, some) == before[some]
        walked = scorer.changes(since[led], self.at, some[led])
        told = [
            (int(p), int(at), int(a), int(b), "silence" if s else "event")
            for p, at, a, b, s in zip(*walked, strict=True)
        ]
        # With the usual delay it is told like all else, at its own instant. Else the score was wrong for a while:
        # that is corrected.
        lagged = scorer.changes(since[~led] - LAG, self.at, some[~led])
        recent = {int(place): int(at) for place, at in zip(lagged.customer, lagged.at, strict=True)}
        for place in sorted(set(range(len(stored))) - set(some[led].tolist())):
            if before[place] == bands[place]:
                continue
            cause = "event"
            if place not in recent and stored[place].scored_at is not None:
                cause = "correction" if place in same else "model"
            told.append((place, recent.get(place, self.at), int(before[place]), int(bands[place]), cause))
        if not told:
            return found
        places, instants = np.array([each[0] for each in told]), np.array([each[1] for each in told])
        then = scorer.score(instants, places)
        # What made it jump at that instant; if nothing did, what has been moving it.
        moves = then.contribution - scorer.score(instants - 1, places).contribution
        slow = np.abs(moves).max(axis=0) < JUMP
        moves[:, slow] = (then.contribution - scorer.score(instants - DRIVEN_OVER, places).contribution)[:, slow]
        for number, (place, at, from_band, band, cause) in enumerate(told):
            change = Change(
                stored[place].customer_id,
                moment(at),
                cause,
                band_of(from_band),
                band_of(band),
                None if np.isnan(then.score[number]) else float(then.score[number]),
                float(then.coverage[number]),
                _drivers(model, moves[:, number]),
            )
            self.changes.append((change, model))
            found[place] = change.at
        return found

    def _versioned(self) -> Iterator[tuple[Change, HealthModel | None, int]]:
        counts: dict[UUID, int] = defaultdict(int)
        for change, model in self.changes:
            counts[change.customer_id] += 1
            yield change, model, self.stored[change.customer_id].version + counts[change.customer_id]

    def _unscored(self, before: _Stored) -> None:
        """No model is for it, or not any more."""
        if before.band is not None:
            self.changes.append((Change(before.customer_id, self.now, "model", before.band, None, None, 0.0, []), None))
        nothing = dict.fromkeys(("model", "model_version", "score", "band", "due_at", "due_band"))
        since = self.now if before.band is not None else before.band_since or self.now
        self.rows.append(
            {
                "customer_id": before.customer_id,
                "version": before.version,
                "coverage": 0.0,
                "band_since": since,
                **nothing,
            }
        )

    async def _keep(self) -> None:
        by_customer: dict[UUID, int] = defaultdict(int)
        for change, _ in self.changes:
            by_customer[change.customer_id] += 1
        for row in self.rows:
            row["version"] += by_customer[row["customer_id"]]
        columns = [list(column) for column in zip(*(row.values() for row in map(_in_order, self.rows)), strict=True)]
        await self.connection.exec_driver_sql(_UPDATE, (self.tenant, self.now, *columns))


def _drivers(model: HealthModel, moves: Any) -> list[Driver]:
    """The measures whose parts moved, most first."""
    order = sorted(range(len(model.measures)), key=lambda number: -abs(moves[number]))
    found = [Driver(model.measures[number].id, round(float(moves[number]), 4)) for number in order[:DRIVERS]]
    return [each for each in found if each.change]


_COLUMNS = {
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
_UPDATE = f"""
    UPDATE health_scores s
    SET scored_at = $2, {", ".join(f"{name} = t.{name}" for name in _COLUMNS if name != "customer_id")}
    FROM unnest({", ".join(f"${n}::{kind}" for n, kind in enumerate(_COLUMNS.values(), 3))}) AS t({", ".join(_COLUMNS)})
    WHERE s.tenant_id = $1 AND s.customer_id = t.customer_id
"""  # noqa: S608 - made here


def _in_order(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in _COLUMNS}
