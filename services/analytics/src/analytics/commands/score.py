"""Scores, kept live: whoever something happened to is scored again at once, and whom silence alone will bring into
another band, at that very instant.

A fold notes whose scores may have changed (commands.note_health); with each score is kept the instant at which time
alone will change its band (`due_at`). The worker's step takes what was noted and what is due, and nobody else: there is
no sweep. Scores, the changes, the events that tell of them, and what playbooks make of them are one transaction. While
it lasts the customers' rows are locked, so a customer's changes come one after the other, whoever scores it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from analytics.domain.health.facts import CAUSES, HealthFacts
from analytics.domain.health.model import DAY, Cause, HealthModel, band_of, number_of
from analytics.domain.health.scoring import AHEAD, Bands, Scorer
from analytics.storage.health import assignments_of, with_bases
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


class _Since(NamedTuple):
    """An instant for each customer."""

    told: Ints
    """Up to when its changes were told."""
    looked_at: Ints
    """From when on its facts are looked at."""


class _Driven(NamedTuple):
    """A change, as the model sees it that scored the customer then."""

    model: HealthModel | None
    score: float | None
    coverage: float
    drivers: list[Driver]


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
        found = await assignments_of(self.connection, self.tenant, list(self.stored))
        since = self._since(found)
        found = await with_bases(self.connection, self.tenant, found, found.needed(since.looked_at, self.at))
        self._score(found, since)
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

    def _since(self, facts: HealthFacts) -> _Since:
        """From when on it is looked for changes. Of what was scored by a model that was not in force any more, as its
        successor came late: from when that came."""
        scored = [self.stored[customer].scored_at for customer in facts.customers]
        told = np.array([self.at if at is None else micros(at) for at in scored], np.int64)
        stored = [self.stored[customer] for customer in facts.customers]
        for model, places in facts.assigned(told):
            for place in places.tolist():
                before = stored[place]
                by = (before.model, before.model_version)
                if before.model is None or before.scored_at is None or by == _named(model):
                    continue
                past = facts.assignments(place, int(-FAR), int(told[place]))
                ends = [each.until for each in past if _named(each.model) == by]
                told[place] = max(ends, default=told[place])
        # Who is scored for the first time may have been in its band for long.
        new = np.array([at is None for at in scored], np.bool_)
        return _Since(told, np.where(new, self.at - AHEAD, told - LAG))

    def _score(self, facts: HealthFacts, since: _Since) -> None:
        stored = [self.stored[customer] for customer in facts.customers]
        bands = facts.bands(self.at)
        changed = self._changed(facts, stored, since.told, bands) | self._since_when(facts, stored)
        for model, places in facts.assigned(self.at):
            if model is None:
                for place in places.tolist():
                    self._unscored(stored[place], changed.get(place))
            else:
                self._score_by(facts.scorer(model), places, bands[places], stored, changed)

    def _score_by(
        self,
        scorer: Scorer,
        places: Ints,
        bands: Bands,
        stored: Sequence[_Stored],
        changed: Mapping[int, datetime],
    ) -> None:
        scored = scorer.score(self.at, places)
        due = scorer.next_change(self.at, bands, self.at + AHEAD, places)
        will = np.flatnonzero(due < FAR)
        moved = scorer.moved(due[will], bands[will], places[will])
        due_bands = dict(zip(will.tolist(), moved.tolist(), strict=True))
        for number, place in enumerate(places.tolist()):
            before, known = stored[place], not np.isnan(scored.score[number])
            self.rows.append(
                {
                    "customer_id": before.customer_id,
                    "version": before.version,
                    "model": scorer.model.id,
                    "model_version": scorer.model.version,
                    "score": float(scored.score[number]) if known else None,
                    "band": band_of(int(bands[number])),
                    "coverage": float(scored.coverage[number]),
                    "band_since": changed.get(place) or before.band_since or self.now,
                    "due_at": moment(min(int(due[number]), self.at + AHEAD)) if known or number in due_bands else None,
                    "due_band": band_of(due_bands[number]) if number in due_bands else None,
                }
            )

    def _since_when(self, facts: HealthFacts, stored: Sequence[_Stored]) -> dict[int, datetime]:
        """Of those who are scored for the first time: they may have been in their band for long."""
        new = np.array([place for place, each in enumerate(stored) if each.scored_at is None], np.int64)
        past = facts.changes(self.at - AHEAD, self.at, new)
        return {int(place): moment(at) for place, at in zip(past.customer, past.at, strict=True)}

    def _changed(self, facts: HealthFacts, stored: Sequence[_Stored], since: Ints, bands: Bands) -> dict[int, datetime]:
        """Note the changes since each was last scored. Answers when the last one of each was."""
        before = np.array([number_of(each.band) for each in stored], np.int8)
        # What came late may have changed the past: then what was told does not lead to what is now.
        led = facts.bands(since) == before
        some: Ints = np.flatnonzero(led)
        walked = facts.changes(since[some], self.at, some)
        told = [(int(p), int(at), int(a), int(b), CAUSES[cause]) for p, at, a, b, cause in zip(*walked, strict=True)]
        # With the usual delay it is told like all else, at its own instant. Else the score was wrong for a while:
        # that is corrected.
        some = np.flatnonzero(~led)
        lagged = facts.changes(since[some] - LAG, self.at, some)
        recent = {int(p): (int(at), CAUSES[cause]) for p, at, _, _, cause in zip(*lagged, strict=True)}
        for place in some.tolist():
            if before[place] == bands[place]:
                continue
            at, cause = self.at, Cause.EVENT
            if place in recent:
                at, cause = recent[place][0], Cause.MODEL if recent[place][1] is Cause.MODEL else Cause.EVENT
            elif stored[place].scored_at is not None:
                by = stored[place].model, stored[place].model_version
                now_by = _named(facts.assignments(place, self.at, self.at)[0].model)
                cause = Cause.CORRECTION if by == now_by else Cause.MODEL
            told.append((place, at, int(before[place]), int(bands[place]), cause))
        found = dict[int, datetime]()
        for (place, at, from_band, band, cause), (model, score, coverage, drivers) in zip(
            told, self._driven(facts, told), strict=True
        ):
            change = Change(
                stored[place].customer_id,
                moment(at),
                cause,
                band_of(from_band),
                band_of(band),
                score,
                coverage,
                drivers,
            )
            self.changes.append((change, model))
            found[place] = change.at
        return found

    @staticmethod
    def _driven(facts: HealthFacts, told: Sequence[tuple[int, int, int, int, Cause]]) -> list[_Driven]:
        """By which model each change is told, the score and the coverage then, and what moved it: the swap of models;
        what made it jump at that instant; if nothing did, what has been moving it."""
        found = [_Driven(None, None, 0.0, [])] * len(told)
        places = np.array([each[0] for each in told], np.int64)
        instants = np.array([each[1] for each in told], np.int64)
        for model, numbers in facts.assigned(instants, places):
            if model is None:
                continue
            scorer, at, some = facts.scorer(model), instants[numbers], places[numbers]
            then = scorer.score(at, some)
            moves = then.contribution - scorer.score(at - 1, some).contribution
            slow = np.abs(moves).max(axis=0) < JUMP
            moves[:, slow] = (then.contribution - scorer.score(at - DRIVEN_OVER, some).contribution)[:, slow]
            ids = [each.id for each in model.measures]
            for place, number in enumerate(numbers.tolist()):
                score = None if np.isnan(then.score[place]) else float(then.score[place])
                drivers = _drivers(zip(ids, moves[:, place].tolist(), strict=True))
                found[number] = _Driven(model, score, float(then.coverage[place]), drivers)
        swapped = np.array([n for n, each in enumerate(told) if each[4] is Cause.MODEL], np.int64)
        at, some = instants[swapped], places[swapped]
        swaps = zip(facts.parts(at, some, at - 1), facts.parts(at, some, at), strict=True)
        for number, (were, are) in zip(swapped.tolist(), swaps, strict=True):
            names = dict.fromkeys((*are, *were))
            drivers = _drivers((each, are.get(each, 0.0) - were.get(each, 0.0)) for each in names)
            found[number] = found[number]._replace(drivers=drivers)
        return found

    def _versioned(self) -> Iterator[tuple[Change, HealthModel | None, int]]:
        counts: dict[UUID, int] = defaultdict(int)
        for change, model in self.changes:
            counts[change.customer_id] += 1
            yield change, model, self.stored[change.customer_id].version + counts[change.customer_id]

    def _unscored(self, before: _Stored, changed: datetime | None) -> None:
        """No model is for it, or not any more."""
        nothing = dict.fromkeys(("model", "model_version", "score", "band", "due_at", "due_band"))
        self.rows.append(
            {
                "customer_id": before.customer_id,
                "version": before.version,
                "coverage": 0.0,
                "band_since": changed or before.band_since or self.now,
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


def _named(model: HealthModel | None) -> tuple[str | None, int | None]:
    return (None, None) if model is None else (model.id, model.version)


def _drivers(moves: Iterable[tuple[str, float]]) -> list[Driver]:
    """The measures whose parts moved, most first."""
    found = [Driver(id, round(move, 4)) for id, move in sorted(moves, key=lambda each: -abs(each[1]))[:DRIVERS]]
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
