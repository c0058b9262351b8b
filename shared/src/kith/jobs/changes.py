"""What is asked of a job: that it be done, paused, resumed, cancelled."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Table, and_, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.error_codes import ErrorCode
from kith.errors import Conflict, NotFound
from kith.ids import new_id
from kith.jobs.table import DUE, OPEN, JobState

OPEN_PER_TENANT = 3


class TooManyJobs(Conflict):
    code = ErrorCode.TOO_MANY_JOBS


async def request(
    connection: AsyncConnection,
    jobs: Table,
    tenant: str,
    kind: str,
    params: Mapping[str, Any],
    *,
    by: str,
    state: JobState = JobState.REQUESTED,
    checkpoint: Any = None,
) -> UUID:
    """Requests one; `params` is what its kind gets, as JSON, and so is the checkpoint that it begins with, if it has
    one. Raises TooManyJobs."""
    id = new_id()
    await _may_be_open(connection, jobs, tenant, id)
    await connection.execute(
        insert(jobs).values(
            tenant_id=tenant,
            id=id,
            kind=kind,
            params=params,
            state=state,
            requested_at=func.clock_timestamp(),
            requested_by=by,
            checkpoint=checkpoint,
        )
    )
    return id


async def _may_be_open(connection: AsyncConnection, jobs: Table, tenant: str, id: UUID) -> None:
    """Raises TooManyJobs where as many others are open as there may be."""
    # Requests at the same moment are counted one after the other.
    await connection.execute(select(func.pg_advisory_xact_lock(_key_of(jobs, tenant))))
    others = select(func.count()).where(jobs.c.tenant_id == tenant, jobs.c.id != id, jobs.c.state.in_(OPEN))
    if (await connection.execute(others)).scalar_one() >= OPEN_PER_TENANT:
        raise TooManyJobs(
            f"{OPEN_PER_TENANT} jobs are requested or running, which is as many as there may be. Wait for one, or "
            "cancel it."
        )


async def hold_off(connection: AsyncConnection, jobs: Table, tenant: str) -> None:
    """Has no job of the tenant requested until this transaction ends; one that is being requested is waited for."""
    await connection.execute(select(func.pg_advisory_xact_lock_shared(_key_of(jobs, tenant))))


def _key_of(jobs: Table, tenant: str) -> Any:
    words = jobs.name.replace("_", " ")
    return func.hashtextextended(f"{words} {tenant}", 0)


async def cancel(connection: AsyncConnection, jobs: Table, tenant: str, id: UUID) -> None:
    """Cancels one: the process that runs it stops at its next step. Raises NotFound, and Conflict for one that has
    ended."""
    ended = {"state": JobState.CANCELLED, "finished_at": func.clock_timestamp(), "leased_until": None}
    await _change(connection, jobs, tenant, id, jobs.c.state.in_(OPEN), ended, "there is nothing to cancel")


async def pause(connection: AsyncConnection, jobs: Table, tenant: str, id: UUID) -> None:
    """Pauses one that is requested or running: it goes on from where it is once it is resumed. Raises NotFound, and
    Conflict."""
    paused = {"state": JobState.PAUSED, "leased_until": None}
    await _change(connection, jobs, tenant, id, jobs.c.state.in_(DUE), paused, "there is nothing to pause")


async def resume(connection: AsyncConnection, jobs: Table, tenant: str, id: UUID) -> None:
    """Resumes one that is paused, or has failed on its way: it goes on from where it was. Raises NotFound, and
    Conflict: TooManyJobs, if as many others are open as there may be."""
    broke_off = and_(jobs.c.state == JobState.FAILED, jobs.c.checkpoint.is_not(None))
    resumable = or_(jobs.c.state == JobState.PAUSED, broke_off)
    due = {"state": JobState.REQUESTED, "attempts": 0, "finished_at": None, "reason": None}
    await _change(connection, jobs, tenant, id, resumable, due, "there is nothing to resume")
    await _may_be_open(connection, jobs, tenant, id)


async def _change(
    connection: AsyncConnection, jobs: Table, tenant: str, id: UUID, allowed: Any, values: Mapping[str, Any], why: str
) -> None:
    mine = (jobs.c.tenant_id == tenant, jobs.c.id == id)
    if (await connection.execute(update(jobs).where(*mine, allowed).values(**values))).rowcount:
        return
    state = await connection.scalar(select(jobs.c.state).where(*mine))
    if state is None:
        raise NotFound.of("job", id)
    raise Conflict(f"It is {state}: {why}.")
