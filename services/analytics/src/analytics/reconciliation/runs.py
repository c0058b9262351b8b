"""Reconciliations: requested, or due, one after the other, each a row that says how far it is and what came of it.

One at a time, by an advisory lock on a connection of its own. If its process dies, the lock is free, and its next
holder begins again what was begun.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from tempfile import TemporaryFile
from typing import NamedTuple, Protocol
from uuid import UUID

import msgspec
from prometheus_client import Gauge
from sqlalchemy import func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from analytics.projections.projection import swapped
from analytics.reconciliation.collections import COLLECTIONS
from analytics.reconciliation.export_files import Exported
from analytics.reconciliation.fetching import NotFetched, Services
from analytics.reconciliation.records import MARGIN
from analytics.reconciliation.report import Report
from analytics.reconciliation.tables import reconciliations
from kith.ids import new_id
from kith.runtime.telemetry import log

STEPS = len(COLLECTIONS) + 1
"""Every collection fetched, and all compared."""
TRIES = 3
"""So often one is begun: what ends its process each time is not begun for ever."""
PATIENCE_SECONDS = 300.0
"""How long analytics may take to count what the exports hold."""
AFTER_FAILURE = timedelta(hours=1)
KEPT = timedelta(days=90)

MISMATCH = Gauge(
    "kith_reconciliation_mismatch",
    "Records of a collection (`record`) or numbers of a metric (`figure`) that differ from what the services hold, "
    "summed over the last reconciliation of each tenant; every worker reports the same",
    ["kind", "metric"],
)
AGE = Gauge(
    "kith_reconciliation_age_seconds", "Since the last reconciliation of the tenant whose last one is longest ago"
)


class ReconciliationState(StrEnum):
    REQUESTED = "requested"
    RUNNING = "running"
    DONE = "done"
    """It ran to its end. Whether all agrees, its mismatches say."""
    FAILED = "failed"
    """It could not compare all; the reason says why."""


_OPEN = (ReconciliationState.REQUESTED, ReconciliationState.RUNNING)
_R = reconciliations.c


class Comparing(Protocol):
    """How exports are compared with what analytics has (see reconciliation.comparing)."""

    async def behind(self, connection: AsyncConnection, exports: Sequence[Exported]) -> list[str]: ...

    async def compare(
        self, connection: AsyncConnection, tenant: str, exports: Sequence[Exported], *, margin: timedelta
    ) -> Report: ...


async def request(connection: AsyncConnection, tenant: str, *, by: str | None) -> UUID:
    """Requests one. If one is requested or running already, returns that one."""
    # Two requests at the same moment are for the same one.
    await connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"reconcile {tenant}", 0))))
    waiting = select(_R.id).where(_R.tenant_id == tenant, _R.state.in_(_OPEN)).order_by(_R.requested_at).limit(1)
    if (found := await connection.scalar(waiting)) is not None:
        return UUID(str(found))
    id = new_id()
    await connection.execute(
        insert(reconciliations).values(
            tenant_id=tenant,
            id=id,
            state=ReconciliationState.REQUESTED,
            requested_at=func.clock_timestamp(),
            requested_by=by,
        )
    )
    return id


class _Due(NamedTuple):
    tenant_id: str
    id: UUID
    attempts: int


@dataclass(frozen=True)
class Reconciler:
    """Does what is requested and what is due. `services` says where to fetch from; it raises NotFetched if that is not
    set."""

    comparing: Comparing
    services: Callable[[], AbstractAsyncContextManager[Services]]
    every: timedelta | None
    """How often every tenant is reconciled. None: only on request."""
    margin: timedelta = MARGIN
    patience_seconds: float = PATIENCE_SECONDS

    async def step(self, engine: AsyncEngine) -> bool:
        """Does the next one, if any. Returns whether there was one."""
        async with engine.begin() as connection:
            if self.every is not None:
                await _ask_for_all(connection, self.every)
            if not await _next(connection):
                return False
        async with alone(engine) as is_mine:
            return is_mine and await self.next(engine)

    async def next(self, engine: AsyncEngine, only: UUID | None = None) -> bool:
        """The caller is alone."""
        async with engine.begin() as connection:
            due = await _next(connection, only)
            if due is None:
                return False
            if due.attempts >= TRIES:
                await _finish_failed(connection, due, f"It was begun {TRIES} times and each time its process ended.")
                return True
            begun = {"state": ReconciliationState.RUNNING, "started_at": func.clock_timestamp(), "done": 0}
            await _keep(connection, due, **begun, total=STEPS, attempts=due.attempts + 1)
        try:
            report = await self._run(engine, due)
        except Exception as error:  # noqa: BLE001 - whatever it was, it is recorded where it is looked for
            reason = (
                str(error) if isinstance(error, NotFetched | Behind) else f"An internal error: {type(error).__name__}."
            )
            raised = None if isinstance(error, NotFetched | Behind) else error
            log.warning("not reconciled", tenant=due.tenant_id, error=error, exc_info=raised)
            async with engine.begin() as connection:
                await _finish_failed(connection, due, reason)
            return True
        async with engine.begin() as connection:
            await _finish(connection, due, report)
        log.info("reconciled", tenant=due.tenant_id, mismatches=report.mismatches)
        return True

    async def _run(self, engine: AsyncEngine, due: _Due) -> Report:
        # Files without a name: a process that is killed leaves none behind.
        with ExitStack() as files:
            exports: list[Exported] = []
            async with self.services() as services:
                for collection in COLLECTIONS:
                    file = files.enter_context(TemporaryFile())
                    exports.append(await services.fetch(due.tenant_id, collection, file))
                    async with engine.begin() as connection:
                        await _keep(connection, due, done=len(exports))
            return await self._compare(engine, due.tenant_id, _timed(exports))

    async def _compare(self, engine: AsyncEngine, tenant: str, exports: Sequence[Exported]) -> Report:
        """As soon as all is counted that the exports may hold."""
        deadline = asyncio.get_running_loop().time() + self.patience_seconds
        while True:
            async with engine.connect() as connection:
                await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                # Before the snapshot is taken: one of before a rebuild's swap would find the new tables empty.
                await connection.exec_driver_sql(f"LOCK TABLE {', '.join(swapped())} IN ACCESS SHARE MODE")
                late = await self.comparing.behind(connection, exports)
                if not late:
                    return await self.comparing.compare(connection, tenant, exports, margin=self.margin)
            if asyncio.get_running_loop().time() >= deadline:
                raise Behind(f"Analytics has not counted what {', '.join(late)} had when it was exported.")
            await asyncio.sleep(1)


class Behind(Exception):
    """Analytics is too late to be compared."""

    loggable = True


def _timed(exports: Sequence[Exported]) -> list[Exported]:
    """What is one per tenant comes without a time: it was fetched shortly before the next of its service."""
    return [
        replace(each, taken_at=min(other.taken_at for other in exports if other.collection.service == service))
        if each.collection.one_per_tenant
        else each
        for each in exports
        for service in (each.collection.service,)
    ]


@asynccontextmanager
async def alone(engine: AsyncEngine) -> AsyncIterator[bool]:
    """Whether nobody else reconciles, and then nobody will while the block lasts."""
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        mine = select(func.pg_try_advisory_lock(func.hashtextextended("reconcile", 0)))
        try:
            yield bool(await connection.scalar(mine))
        finally:
            await connection.invalidate()  # the lock goes with the session, however this ends


async def publish(engine: AsyncEngine) -> None:
    """Sets the gauges to what the last reconciliation of each tenant found."""
    async with engine.connect() as connection:
        rows = (await connection.execute(_FOUND)).all()
        age = await connection.scalar(_AGE)
    for row in rows:
        MISMATCH.labels(row.kind, row.metric).set(row.number)
    if age is not None:
        AGE.set(float(age))


async def _next(connection: AsyncConnection, only: UUID | None = None) -> _Due | None:
    query = select(_R.tenant_id, _R.id, _R.attempts).where(_R.state.in_(_OPEN))
    if only is not None:
        query = query.where(_R.id == only)
    # The ones that people wait for come before the ones that are due.
    order = (_R.requested_by.is_(None), _R.requested_at)
    row = (await connection.execute(query.order_by(*order).limit(1))).one_or_none()
    return _Due(*row) if row is not None else None


async def _ask_for_all(connection: AsyncConnection, every: timedelta) -> None:
    due = await connection.execute(_DUE, {"every": every, "after_failure": min(AFTER_FAILURE, every)})
    for tenant in due.scalars():
        await request(connection, tenant, by=None)


async def _keep(connection: AsyncConnection, due: _Due, **values: object) -> None:
    await connection.execute(
        update(reconciliations).where(_R.tenant_id == due.tenant_id, _R.id == due.id).values(**values)
    )


async def _finish(connection: AsyncConnection, due: _Due, report: Report) -> None:
    await _keep(
        connection,
        due,
        state=ReconciliationState.DONE,
        finished_at=func.clock_timestamp(),
        done=STEPS,
        mismatches=report.mismatches,
        report=msgspec.to_builtins(report),
    )
    old = reconciliations.delete().where(_R.tenant_id == due.tenant_id, _R.requested_at < func.now() - KEPT)
    await connection.execute(old)


async def _finish_failed(connection: AsyncConnection, due: _Due, reason: str) -> None:
    finished = {"state": ReconciliationState.FAILED, "finished_at": func.clock_timestamp()}
    await _keep(connection, due, **finished, reason=reason)


# Tenants by a skip over the key: to look at all events for who there is would take long.
_DUE = text("""
    WITH RECURSIVE t (tenant_id) AS (
        (SELECT tenant_id FROM facts ORDER BY tenant_id LIMIT 1)
        UNION ALL
        SELECT (SELECT f.tenant_id FROM facts f WHERE f.tenant_id > t.tenant_id ORDER BY f.tenant_id LIMIT 1)
        FROM t WHERE t.tenant_id IS NOT NULL
    )
    SELECT tenant_id FROM t WHERE tenant_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM reconciliations r WHERE r.tenant_id = t.tenant_id AND (
            r.state <> 'failed' AND r.requested_at > now() - CAST(:every AS interval)
            OR r.state IN ('requested', 'running')
            OR r.state = 'failed' AND r.finished_at > now() - CAST(:after_failure AS interval)
        )
    )
""")
_LATEST = """
    WITH latest AS (
        SELECT DISTINCT ON (tenant_id) finished_at, report FROM reconciliations
        WHERE state = 'done' ORDER BY tenant_id, requested_at DESC
    )
"""
_FOUND = text(f"""
    {_LATEST}
    SELECT 'record' AS kind, c->>'collection' AS metric, sum((c->>'mismatched')::bigint) AS number
    FROM latest, jsonb_array_elements(report->'collections') AS c GROUP BY metric
    UNION ALL
    SELECT 'figure', m->>'metric', sum((m->>'different')::bigint)
    FROM latest, jsonb_array_elements(report->'metrics') AS m GROUP BY 2
""")  # noqa: S608 - a constant
_AGE = text(f"{_LATEST} SELECT extract(epoch FROM now() - min(finished_at)) FROM latest")  # noqa: S608 - a constant
