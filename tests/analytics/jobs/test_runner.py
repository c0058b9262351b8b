"""Jobs: done once, by the process that takes them; begun again where a process died, and not for ever."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import FreshDatabase

from analytics.jobs.reads import HealthJobDetails
from analytics.jobs.tables import health_jobs
from analytics.service import SERVICE
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.errors import Conflict, Invalid, NotFound
from kith.ids import new_id
from kith.jobs import runner
from kith.jobs.changes import OPEN_PER_TENANT, TooManyJobs, cancel, pause, request, resume
from kith.jobs.reads import details_of
from kith.jobs.runner import AGAIN, TRIES, Jobs, NotMine, Run, Work
from kith.testing import Issuer, Tenant, serving


@pytest.fixture(scope="module")
async def url(fresh_database: FreshDatabase) -> str:
    """A database of this file's own: a step takes any tenant's job."""
    return await fresh_database(SERVICE)


@pytest.fixture
async def engine(url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(url, role=WORKER_ROLE, pool_size=5, application="test worker")
    async with engine.begin() as connection:
        await connection.execute(text("DELETE FROM health_jobs"))
    yield engine
    await engine.dispose()


@pytest.fixture
async def api(url: str, issuer: Issuer) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(SERVICE, url, issuer) as client:
        yield client


async def requested(engine: AsyncEngine, tenant: str, kind: str = "count", **params: Any) -> UUID:
    async with engine.begin() as connection:
        return await request(connection, health_jobs, tenant, kind, params, by="ann")


async def look(engine: AsyncEngine, tenant: str, id: UUID) -> HealthJobDetails:
    async with engine.connect() as connection:
        return await details_of(connection, health_jobs, HealthJobDetails, tenant, id)


def jobs_of(kinds: dict[str, Run], lease: timedelta = runner.LEASE) -> Jobs:
    return Jobs(health_jobs, kinds, lease)


async def count(work: Work) -> dict[str, Any]:
    await work.progress(work.params["to"], work.params["to"])
    return {"tenant": work.tenant, "counted": work.params["to"]}


async def step_by_step(work: Work) -> Any:
    """Counts by one in each turn, and keeps where it is with what it has counted."""
    async with work.engine.begin() as connection:
        await work.renew(connection, checkpoint=(work.checkpoint or 0) + 1, done=work.done + 1, total=3)
    return {"counted": work.done + 1} if work.done == 2 else AGAIN


class ForEver:
    """A job that never ends by itself."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()

    async def __call__(self, work: Work) -> None:
        await work.progress(1, 9)
        self.begun.set()
        await asyncio.Event().wait()


async def test_a_job_is_done_and_its_report_kept(engine: AsyncEngine, tenant: str) -> None:
    id = await requested(engine, tenant, to=7)
    jobs = jobs_of({"count": count})
    assert await jobs.step(engine)
    assert not await jobs.step(engine)
    found = await look(engine, tenant, id)
    assert (found.state, found.done, found.total, found.requested_by) == ("done", 7, 7, "ann")
    assert found.report == {"tenant": tenant, "counted": 7}
    assert found.started_at is not None
    assert found.finished_at is not None


async def test_a_refusal_is_reported_in_its_words_and_an_error_by_its_name(engine: AsyncEngine, tenant: str) -> None:
    async def refuse(*_: Any) -> None:
        raise Invalid("Too few customers left.")

    async def break_down(*_: Any) -> None:
        raise KeyError("somebody's name")

    ids = [await requested(engine, tenant, kind) for kind in ("refused", "broken")]
    jobs = jobs_of({"refused": refuse, "broken": break_down})
    assert [await jobs.step(engine) for _ in range(3)] == [True, True, False]
    found = [await look(engine, tenant, id) for id in ids]
    assert [each.state for each in found] == ["failed", "failed"]
    assert [each.reason for each in found] == ["Too few customers left.", "An internal error: KeyError."]


async def test_a_job_whose_process_died_is_begun_again_and_not_for_ever(engine: AsyncEngine, tenant: str) -> None:
    id = await requested(engine, tenant, to=1)

    async def die() -> None:
        """What runs it goes, and with it all it would have written."""
        async with engine.begin() as connection:
            assert await jobs_of({"count": count}, lease=timedelta(0))._claim(engine, connection) is not None

    for _ in range(TRIES):
        await die()
    assert (await look(engine, tenant, id)).state == "running"
    assert await jobs_of({"count": count}).step(engine)
    found = await look(engine, tenant, id)
    assert found.state == "failed"
    assert f"begun {TRIES} times" in (found.reason or "")

    again = await requested(engine, tenant, to=1)
    await die()
    assert await jobs_of({"count": count}).step(engine)
    assert (await look(engine, tenant, again)).state == "done"


async def test_a_job_that_runs_is_taken_by_nobody_else(engine: AsyncEngine, tenant: str) -> None:
    await requested(engine, tenant, "long")
    jobs = jobs_of({"long": ForEver()}, lease=timedelta(seconds=0.4))
    running = asyncio.create_task(jobs.step(engine))
    await asyncio.sleep(1.2)  # three leases, if they were not renewed
    assert not await jobs.step(engine)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_worker_that_stops_puts_its_job_back(engine: AsyncEngine, tenant: str) -> None:
    id = await requested(engine, tenant, "long")
    long = ForEver()
    running = asyncio.create_task(jobs_of({"long": long}).step(engine))
    await long.begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (await look(engine, tenant, id)).state == "requested"

    async def quick(*_: Any) -> dict[str, int]:
        return {"found": 1}

    assert await jobs_of({"long": quick}).step(engine)
    assert (await look(engine, tenant, id)).report == {"found": 1}


async def test_a_cancelled_job_stops_and_stays_so(engine: AsyncEngine, tenant: str) -> None:
    id = await requested(engine, tenant, "long")
    long = ForEver()
    jobs = jobs_of({"long": long}, lease=timedelta(seconds=0.4))
    running = asyncio.create_task(jobs.step(engine))
    await long.begun.wait()
    assert (await look(engine, tenant, id)).total == 9
    async with engine.begin() as connection:
        await cancel(connection, health_jobs, tenant, id)
    assert await asyncio.wait_for(running, 5)
    assert (await look(engine, tenant, id)).state == "cancelled"
    assert not await jobs.step(engine)
    async with engine.begin() as connection:
        with pytest.raises(Conflict):
            await cancel(connection, health_jobs, tenant, id)
        with pytest.raises(NotFound):
            await cancel(connection, health_jobs, tenant, new_id())


async def test_a_tenant_has_so_many_open_and_another_its_own(
    engine: AsyncEngine, tenant: str, other_tenant: str
) -> None:
    for _ in range(OPEN_PER_TENANT):
        await requested(engine, tenant, to=1)
    with pytest.raises(TooManyJobs):
        await requested(engine, tenant, to=1)
    await requested(engine, other_tenant, to=1)
    assert await jobs_of({"count": count}).step(engine)
    await requested(engine, tenant, to=1)


async def test_a_job_goes_on_from_its_checkpoint_turn_by_turn(engine: AsyncEngine, tenant: str) -> None:
    id = await requested(engine, tenant, "steps")
    jobs = jobs_of({"steps": step_by_step})
    assert await jobs.step(engine)
    found = await look(engine, tenant, id)
    assert (found.state, found.done, found.total) == ("running", 1, 3)
    async with engine.begin() as connection:  # a process that dies in its turn
        assert await jobs_of({}, lease=timedelta(0))._claim(engine, connection) is not None
    assert [await jobs.step(engine) for _ in range(3)] == [True, True, False]
    found = await look(engine, tenant, id)
    assert (found.state, found.done, found.report) == ("done", 3, {"counted": 3})


async def test_a_paused_job_keeps_what_it_has_done_and_goes_on_when_resumed(engine: AsyncEngine, tenant: str) -> None:
    id = await requested(engine, tenant, "steps")
    jobs = jobs_of({"steps": step_by_step})
    await jobs.step(engine)
    async with engine.begin() as connection:
        await pause(connection, health_jobs, tenant, id)
        with pytest.raises(Conflict):
            await pause(connection, health_jobs, tenant, id)
    assert not await jobs.step(engine)
    assert ((await look(engine, tenant, id)).state, (await look(engine, tenant, id)).done) == ("paused", 1)
    async with engine.begin() as connection:
        await resume(connection, health_jobs, tenant, id)
        with pytest.raises(Conflict):
            await resume(connection, health_jobs, tenant, id)
    assert [await jobs.step(engine) for _ in range(3)] == [True, True, False]
    assert (await look(engine, tenant, id)).report == {"counted": 3}


async def test_one_that_failed_on_its_way_is_resumed_where_there_is_room_for_it(
    engine: AsyncEngine, tenant: str
) -> None:
    id = await requested(engine, tenant, "steps")
    async with engine.begin() as connection:
        failed = {"state": "failed", "checkpoint": 1}
        await connection.execute(update(health_jobs).where(health_jobs.c.id == id).values(**failed))
    others = [await requested(engine, tenant, to=1) for _ in range(OPEN_PER_TENANT)]
    with pytest.raises(TooManyJobs):
        async with engine.begin() as connection:
            await resume(connection, health_jobs, tenant, id)
    async with engine.begin() as connection:
        await pause(connection, health_jobs, tenant, others[0])
        await resume(connection, health_jobs, tenant, others[0])  # which is one of those that are open
        await cancel(connection, health_jobs, tenant, others[0])
        await resume(connection, health_jobs, tenant, id)


async def test_what_cannot_be_resumed_says_why_however_many_are_open(engine: AsyncEngine, tenant: str) -> None:
    for _ in range(OPEN_PER_TENANT):
        await requested(engine, tenant)
    with pytest.raises(NotFound):
        async with engine.begin() as connection:
            await resume(connection, health_jobs, tenant, new_id())


async def test_faults_are_counted_from_the_start_by_kinds_that_are_known(engine: AsyncEngine, tenant: str) -> None:
    """A counter that begins with its first fault has not increased."""

    def counted(kind: str) -> float | None:
        return REGISTRY.get_sample_value("kith_jobs_failed_total", {"kind": kind})

    known, of_tomorrow = f"k{new_id().hex}", f"t{new_id().hex}"
    jobs = jobs_of({known: count})
    assert await jobs.step(engine) is False
    assert counted(known) == 0
    before = counted("unknown")
    assert before is not None
    await requested(engine, tenant, of_tomorrow)
    await requested(engine, tenant, known)  # without what it counts to
    assert [await jobs.step(engine), await jobs.step(engine)] == [True, True]
    assert (counted(known), counted("unknown"), counted(of_tomorrow)) == (1, before + 1, None)


async def test_what_a_job_does_after_it_was_taken_from_it_is_rolled_back(engine: AsyncEngine, tenant: str) -> None:
    id = await requested(engine, tenant, "steps")
    async with engine.begin() as connection:
        lost = await jobs_of({}, lease=timedelta(0))._claim(engine, connection)
    assert lost is not None
    await jobs_of({"steps": step_by_step}).step(engine)
    with pytest.raises(NotMine):
        await step_by_step(lost)
    assert (await look(engine, tenant, id)).done == 1


async def test_an_error_on_the_way_is_tried_again_and_resumed_from_there(engine: AsyncEngine, tenant: str) -> None:
    broken = True

    async def breaks(work: Work) -> Any:
        if broken and work.done == 1:
            raise OSError("the disk")
        return await step_by_step(work)

    id = await requested(engine, tenant, "steps")
    jobs = jobs_of({"steps": breaks})
    for _ in range(TRIES + 1):
        assert await jobs.step(engine)
        async with engine.begin() as connection:
            await connection.execute(text("UPDATE health_jobs SET leased_until = now() WHERE state = 'running'"))
    found = await look(engine, tenant, id)
    assert (found.state, found.reason, found.done) == ("failed", "An internal error: OSError.", 1)
    broken = False
    async with engine.begin() as connection:
        await resume(connection, health_jobs, tenant, id)
    assert [await jobs.step(engine) for _ in range(3)] == [True, True, False]
    assert (await look(engine, tenant, id)).report == {"counted": 3}


async def test_tenants_take_turns(engine: AsyncEngine, tenant: str, other_tenant: str) -> None:
    served: list[str] = []

    async def noted(work: Work) -> Any:
        served.append(work.tenant)
        return await step_by_step(work)

    for _ in range(2):
        await requested(engine, tenant, "steps")
    await requested(engine, other_tenant, "steps")
    jobs = jobs_of({"steps": noted})
    while await jobs.step(engine):
        pass
    assert served[:6] == [tenant, other_tenant] * 3


async def test_what_is_old_goes_with_the_next_of_its_tenant(engine: AsyncEngine, tenant: str) -> None:
    jobs = jobs_of({"count": count})
    old = await requested(engine, tenant, to=1)
    await jobs.step(engine)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE health_jobs SET requested_at = requested_at - interval '91 days'"))
    new = await requested(engine, tenant, to=1)
    await jobs.step(engine)
    assert (await look(engine, tenant, new)).state == "done"
    with pytest.raises(NotFound):
        await look(engine, tenant, old)


async def test_jobs_are_seen_and_called_off_by_their_tenant_alone(
    engine: AsyncEngine, api: httpx.AsyncClient, issuer: Issuer, tenant: str, other_tenant: str
) -> None:
    ids = [await requested(engine, tenant, to=n) for n in (1, 2)]
    mine, theirs = Tenant(api, issuer, tenant), Tenant(api, issuer, other_tenant)
    page = (await mine.get("/v1/health-jobs", first=1)).json()
    assert [each["id"] for each in page["items"]] == [str(ids[1])]
    rest = (await mine.get("/v1/health-jobs", first=1, after=page["next"])).json()
    assert ([each["id"] for each in rest["items"]], rest["next"]) == ([str(ids[0])], None)
    path = f"/v1/health-jobs/{ids[0]}"
    assert (await theirs.get(path)).status_code == 404
    assert (await theirs.post(f"{path}:cancel", {})).status_code == 404
    assert (await mine.without("analytics:write").post(f"{path}:cancel", {})).status_code == 403
    assert (await mine.post(f"{path}:cancel", {})).json()["state"] == "cancelled"
    assert (await mine.post(f"{path}:cancel", {})).status_code == 409
    asks = "query($id: UUID!) {healthJob(id: $id) {state params report} healthJobs(first: 5) {nodes {id state}}}"
    answer = await mine.ask(asks, id=str(ids[0]))
    assert answer["healthJob"] == {"state": "cancelled", "params": {"to": 1}, "report": None}
    assert [each["state"] for each in answer["healthJobs"]["nodes"]] == ["requested", "cancelled"]
