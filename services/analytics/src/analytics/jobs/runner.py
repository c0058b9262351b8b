"""Jobs: what takes minutes to find out of everybody's health; each a row that says how far it is and what came of it.

A job is done by the process that takes it, under a lease that is renewed while it runs. If its process dies, the lease
runs out and another begins it again. What a job finds is a report: it changes nothing, so it may be begun as often as
it takes.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import and_, delete, func, insert, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from analytics.jobs.tables import health_jobs
from kith.error_codes import ErrorCode
from kith.errors import Conflict, DomainError, NotFound
from kith.ids import new_id
from kith.runtime.telemetry import log

OPEN_PER_TENANT = 3
TRIES = 3
"""So often one is begun: what ends its process each time is not begun for ever."""
LEASE = timedelta(seconds=60)
KEPT = timedelta(days=90)

Progress = Callable[[int, int], Awaitable[None]]
"""`await progress(done, total)`: how far it is, in units of the job's own."""
Run = Callable[[AsyncEngine, str, Mapping[str, Any], Progress], Awaitable[Any]]
"""`await run(engine, tenant, params, progress)` returns the report: a dataclass, or anything else msgspec makes JSON
of. The engine is a worker's, so its statements name the tenant. A DomainError that it raises is the reason why the job
failed, in words for people; any other error is a fault. It may be cancelled at any await, and begun again."""


class JobState(StrEnum):
    REQUESTED = "requested"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    """The reason says why."""
    CANCELLED = "cancelled"


class TooManyJobs(Conflict):
    code = ErrorCode.TOO_MANY_JOBS


_OPEN = (JobState.REQUESTED, JobState.RUNNING)
_J = health_jobs.c


async def request(connection: AsyncConnection, tenant: str, kind: str, params: Mapping[str, Any], *, by: str) -> UUID:
    """Requests one; `params` is what `run` gets, as JSON. Raises TooManyJobs."""
    # Requests at the same moment are counted one after the other.
    await connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"health jobs {tenant}", 0))))
    open_ones = select(func.count()).where(_J.tenant_id == tenant, _J.state.in_(_OPEN))
    if (await connection.execute(open_ones)).scalar_one() >= OPEN_PER_TENANT:
        raise TooManyJobs(
            f"{OPEN_PER_TENANT} jobs are requested or running, which is as many as there may be. Wait for one, or "
            "cancel it."
        )
    id = new_id()
    await connection.execute(
        insert(health_jobs).values(
            tenant_id=tenant,
            id=id,
            kind=kind,
            params=params,
            state=JobState.REQUESTED,
            requested_at=func.clock_timestamp(),
            requested_by=by,
        )
    )
    return id


async def cancel(connection: AsyncConnection, tenant: str, id: UUID) -> None:
    """Cancels one: the process that runs it stops at its next step. Raises NotFound, and Conflict for one that has
    ended."""
    mine = (_J.tenant_id == tenant, _J.id == id)
    ended = {"state": JobState.CANCELLED, "finished_at": func.clock_timestamp(), "leased_until": None}
    cancelled = await connection.execute(update(health_jobs).where(*mine, _J.state.in_(_OPEN)).values(**ended))
    if cancelled.rowcount:
        return
    state = await connection.scalar(select(_J.state).where(*mine))
    if state is None:
        raise NotFound.of("job", id)
    raise Conflict(f"It is {state}: there is nothing to cancel.")


class _Job(NamedTuple):
    tenant_id: str
    id: UUID
    kind: str
    params: Mapping[str, Any]
    attempts: int


class _NotMine(Exception):
    """It was cancelled, or somebody else began it again: nobody waits for what this finds."""


@dataclass(frozen=True)
class Jobs:
    """Runs the requested jobs, one after the other, each by its kind."""

    kinds: Mapping[str, Run]
    lease: timedelta = LEASE

    async def step(self, engine: AsyncEngine) -> bool:
        """Does the next one, if any. Returns whether there was one. Several processes may, each takes another."""
        async with engine.begin() as connection:
            job = await self._claim(connection)
        if job is None:
            return False
        try:
            report = await self._run(engine, job)
        except _NotMine:
            log.info("job given up", tenant=job.tenant_id, kind=job.kind)
        except asyncio.CancelledError:
            # The process ends, and the job is not to blame.
            async with engine.begin() as connection:
                await _keep(connection, job, state=JobState.REQUESTED, leased_until=None, attempts=job.attempts - 1)
            raise
        except Exception as error:  # noqa: BLE001 - whatever it was, it is recorded where it is looked for
            reason = error.detail if isinstance(error, DomainError) else f"An internal error: {type(error).__name__}."
            raised = None if isinstance(error, DomainError) else error
            log.warning("job failed", tenant=job.tenant_id, kind=job.kind, error=error, exc_info=raised)
            await _finish(engine, job, JobState.FAILED, reason=reason)
        else:
            await _finish(engine, job, JobState.DONE, report=msgspec.to_builtins(report))
        return True

    async def _claim(self, connection: AsyncConnection) -> _Job | None:
        is_due = or_(
            _J.state == JobState.REQUESTED,
            and_(_J.state == JobState.RUNNING, _J.leased_until < func.clock_timestamp()),
        )
        due = select(_J.tenant_id, _J.id).where(_J.state.in_(_OPEN), is_due).order_by(_J.requested_at).limit(1)
        taken = (await connection.execute(due.with_for_update(skip_locked=True))).one_or_none()
        if taken is None:
            return None
        begun = {"state": JobState.RUNNING, "attempts": _J.attempts + 1, "done": 0, "total": None, "reason": None}
        times = {"started_at": func.clock_timestamp(), "leased_until": func.clock_timestamp() + self.lease}
        changed = update(health_jobs).where(tuple_(_J.tenant_id, _J.id) == tuple_(*taken)).values(**begun, **times)
        row = (await connection.execute(changed.returning(*(_J[name] for name in _Job._fields)))).one()
        return _Job(*row)

    async def _run(self, engine: AsyncEngine, job: _Job) -> Any:
        if job.attempts > TRIES:
            raise Conflict(f"It was begun {TRIES} times and each time its process ended.")

        async def progress(done: int, total: int) -> None:
            async with engine.begin() as connection:
                await self._renew(connection, job, done=done, total=total)

        running = asyncio.ensure_future(self.kinds[job.kind](engine, job.tenant_id, job.params, progress))
        async with self._kept_alive(engine, job, running):
            return await running

    @asynccontextmanager
    async def _kept_alive(self, engine: AsyncEngine, job: _Job, running: "asyncio.Future[Any]") -> AsyncIterator[None]:
        """Renews the lease while the block lasts; where that is refused, what runs is stopped."""
        lost = False

        async def renew() -> None:
            nonlocal lost
            while True:
                await asyncio.sleep(self.lease.total_seconds() / 4)
                try:
                    async with engine.begin() as connection:
                        await self._renew(connection, job)
                except _NotMine:
                    lost = True
                    running.cancel()
                    return
                except Exception as error:  # noqa: BLE001 - the next renewal may come through; if none does, it is lost
                    log.warning("lease not renewed", tenant=job.tenant_id, kind=job.kind, error=error)

        renewing = asyncio.ensure_future(renew())
        try:
            yield
        except asyncio.CancelledError:
            if lost:
                raise _NotMine from None
            raise
        finally:
            renewing.cancel()
            running.cancel()
            with suppress(asyncio.CancelledError):
                await renewing

    async def _renew(self, connection: AsyncConnection, job: _Job, **values: object) -> None:
        await _keep(connection, job, leased_until=func.clock_timestamp() + self.lease, **values)


async def _finish(engine: AsyncEngine, job: _Job, state: JobState, **values: object) -> None:
    ended = {"state": state, "finished_at": func.clock_timestamp(), "leased_until": None}
    try:
        async with engine.begin() as connection:
            await _keep(connection, job, **ended, **values)
            old = delete(health_jobs).where(_J.tenant_id == job.tenant_id, _J.requested_at < func.now() - KEPT)
            await connection.execute(old)
    except _NotMine:
        log.info("job given up", tenant=job.tenant_id, kind=job.kind)
        return
    log.info("job ended", tenant=job.tenant_id, kind=job.kind, state=state)


async def _keep(connection: AsyncConnection, job: _Job, **values: object) -> None:
    """Raises _NotMine."""
    mine = (_J.tenant_id == job.tenant_id, _J.id == job.id, _J.state == JobState.RUNNING, _J.attempts == job.attempts)
    if not (await connection.execute(update(health_jobs).where(*mine).values(**values))).rowcount:
        raise _NotMine
