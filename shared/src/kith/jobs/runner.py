"""Does the jobs that are requested, each a row that says how far it is and what came of it.

A job is done by the process that takes it, under a lease that is renewed while it runs. If its process dies, the lease
runs out and another takes it: it begins anew, or goes on from its checkpoint. A checkpoint is written in the
transaction of what it stands for, which only who holds the job can commit, so that nothing is lost and nothing done
twice.

Tenants take turns: the next job is one of the tenant that was served longest ago. A job that has checkpoints gives up
its turn after a few seconds.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
from prometheus_client import Counter
from sqlalchemy import Table, case, delete, func, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kith.errors import Conflict, DomainError
from kith.jobs.table import DUE, JobState
from kith.runtime.telemetry import log

FAULTS = Counter(
    "kith_jobs_failed_total", "Jobs that failed by a fault of ours, not for what they were asked", ["kind"]
)
_UNKNOWN = "unknown"
"""The kind of a job that a newer version has requested."""
TRIES = 3
"""So often in a row one is begun: what ends its process each time is not begun for ever."""
LEASE = timedelta(seconds=60)
KEPT = timedelta(days=90)
TURN_SECONDS = 2.0
TRIED_AGAIN = timedelta(seconds=5)
"""After an error on the way."""

Progress = Callable[[int, int], Awaitable[None]]
"""`await progress(done, total)`: how far it is, in units of the job's own."""

AGAIN: Final = object()
"""What a job returns that has given up its turn: it goes on from its checkpoint."""


class GivenUp(Conflict):
    """What ends the process that does it is not begun for ever."""


class NotMine(Exception):
    """The job was paused or cancelled, or somebody else began it again: nobody waits for what this finds."""


@dataclass(frozen=True)
class Work:
    """A job in hand. The engine is a worker's, so its statements name the tenant."""

    engine: AsyncEngine
    jobs: Table
    lease: timedelta
    tenant: str
    id: UUID
    kind: str
    params: Mapping[str, Any]
    requested_by: str
    attempts: int
    served_at: datetime
    done: int
    total: int | None
    checkpoint: Any
    began: float = field(default_factory=time.monotonic)

    @property
    def turn_is_over(self) -> bool:
        return time.monotonic() - self.began > TURN_SECONDS

    async def progress(self, done: int, total: int) -> None:
        async with self.engine.begin() as connection:
            await self.renew(connection, done=done, total=total)

    async def renew(self, connection: AsyncConnection, **values: object) -> None:
        """Says in this transaction how far it is, its `checkpoint` say, and that it is still in hand. Raises
        NotMine."""
        await self.keep(connection, leased_until=func.clock_timestamp() + self.lease, **values)

    async def keep(self, connection: AsyncConnection, **values: object) -> None:
        """Raises NotMine."""
        j = self.jobs.c
        mine = (j.tenant_id == self.tenant, j.id == self.id, j.state == JobState.RUNNING)
        taken = (j.attempts == self.attempts, j.served_at == self.served_at)
        if not (await connection.execute(update(self.jobs).where(*mine, *taken).values(**values))).rowcount:
            raise NotMine


Run = Callable[[Work], Awaitable[Any]]
"""`await run(work)` returns the report: a dataclass, or anything else msgspec makes JSON of; or AGAIN. A DomainError
that it raises is the reason why the job failed, in words for people; any other error is a fault. It may be cancelled at
any await, and begun again."""


@dataclass(frozen=True)
class Jobs:
    """Runs the requested jobs of a table, one after the other, each by its kind."""

    jobs: Table
    kinds: Mapping[str, Run]
    lease: timedelta = LEASE

    async def step(self, engine: AsyncEngine) -> bool:
        """Does the next one, if any, or its next turn. Returns whether there was one. Several processes may, each takes
        another."""
        for kind in (*self.kinds, _UNKNOWN):
            FAULTS.labels(kind)  # from the start: else the first would not be an increase
        async with engine.begin() as connection:
            work = await self._claim(engine, connection)
        if work is None:
            return False
        try:
            report = await self._run(work)
            if report is AGAIN:
                async with engine.begin() as connection:
                    await work.keep(connection, leased_until=None, attempts=0)
                return True
        except NotMine:
            log.info("job given up", tenant=work.tenant, kind=work.kind)
        except asyncio.CancelledError:
            # The process ends, and the job is not to blame.
            with suppress(NotMine):
                async with engine.begin() as connection:
                    back = {"state": JobState.REQUESTED, "leased_until": None, "attempts": work.attempts - 1}
                    await work.keep(connection, **back)
            raise
        except Exception as error:  # noqa: BLE001 - whatever it was, it is recorded where it is looked for
            await self._failed(work, error)
        else:
            await self._finish(work, JobState.DONE, report=msgspec.to_builtins(report))
        return True

    async def _claim(self, engine: AsyncEngine, connection: AsyncConnection) -> Work | None:
        jobs, j = self.jobs, self.jobs.c
        is_due = or_(j.state == JobState.REQUESTED, j.leased_until.is_(None), j.leased_until < func.clock_timestamp())
        others = jobs.alias("others")
        served = select(func.max(others.c.served_at)).where(others.c.tenant_id == j.tenant_id).scalar_subquery()
        due = select(j.tenant_id, j.id).where(j.state.in_(DUE), is_due)
        due = due.order_by(served.nulls_first(), j.served_at.nulls_first(), j.requested_at).limit(1)
        taken = (await connection.execute(due.with_for_update(skip_locked=True, of=jobs))).one_or_none()
        if taken is None:
            return None
        anew, now = j.checkpoint.is_(None), func.clock_timestamp()
        begun = {
            "state": JobState.RUNNING,
            "attempts": j.attempts + 1,
            "done": case((anew, 0), else_=j.done),
            "total": case((anew, None), else_=j.total),
            "reason": None,
            "started_at": func.coalesce(j.started_at, now),
            "served_at": now,
            "leased_until": now + self.lease,
        }
        changed = update(jobs).where(tuple_(j.tenant_id, j.id) == tuple_(*taken)).values(**begun)
        read = (j.tenant_id, j.id, j.kind, j.params, j.requested_by, j.attempts, j.served_at, j.done, j.total)
        row = (await connection.execute(changed.returning(*read, j.checkpoint))).one()
        return Work(engine, jobs, self.lease, *row)

    async def _run(self, work: Work) -> Any:
        if work.attempts > TRIES:
            raise GivenUp(f"It was begun {TRIES} times and each time its process ended.")
        running = asyncio.ensure_future(self.kinds[work.kind](work))
        async with _kept_alive(work, running):
            return await running

    async def _failed(self, work: Work, error: Exception) -> None:
        is_refusal = isinstance(error, DomainError)
        reason = error.detail if isinstance(error, DomainError) else f"An internal error: {type(error).__name__}."
        raised = None if is_refusal else error
        log.warning("job failed", tenant=work.tenant, kind=work.kind, error=error, exc_info=raised)
        if is_refusal or work.checkpoint is None or work.attempts >= TRIES:
            is_fault = not is_refusal or isinstance(error, GivenUp)
            await self._finish(work, JobState.FAILED, is_fault=is_fault, reason=reason)
            return
        with suppress(NotMine):
            async with work.engine.begin() as connection:
                await work.keep(connection, leased_until=func.clock_timestamp() + TRIED_AGAIN)

    async def _finish(self, work: Work, state: JobState, *, is_fault: bool = False, **values: object) -> None:
        ended = {"state": state, "finished_at": func.clock_timestamp(), "leased_until": None}
        j = self.jobs.c
        try:
            async with work.engine.begin() as connection:
                await work.keep(connection, **ended, **values)
                old = delete(self.jobs).where(j.tenant_id == work.tenant, j.requested_at < func.now() - KEPT)
                await connection.execute(old)
        except NotMine:
            log.info("job given up", tenant=work.tenant, kind=work.kind)
            return
        if is_fault:
            FAULTS.labels(work.kind if work.kind in self.kinds else _UNKNOWN).inc()
        log.info("job ended", tenant=work.tenant, kind=work.kind, state=state)


@asynccontextmanager
async def _kept_alive(work: Work, running: "asyncio.Future[Any]") -> AsyncIterator[None]:
    """Renews the lease while the block lasts; where that is refused, what runs is stopped."""
    lost = False

    async def renew() -> None:
        nonlocal lost
        while True:
            await asyncio.sleep(work.lease.total_seconds() / 4)
            try:
                async with work.engine.begin() as connection:
                    await work.renew(connection)
            except NotMine:
                lost = True
                running.cancel()
                return
            except Exception as error:  # noqa: BLE001 - the next renewal may come through; if none does, it is lost
                log.warning("lease not renewed", tenant=work.tenant, kind=work.kind, error=error)

    renewing = asyncio.ensure_future(renew())
    try:
        yield
    except asyncio.CancelledError:
        if lost:
            raise NotMine from None
        raise
    finally:
        renewing.cancel()
        running.cancel()
        with suppress(asyncio.CancelledError):
            await renewing
