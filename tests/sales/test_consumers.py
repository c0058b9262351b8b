"""Tasks that playbooks ask for: made by the same rules as on request, exactly once."""

from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest
from sqlalchemy import func, select
from tests.playbooks import Hearing, action_requested, hearing

from kith.db.connections import acting_for
from kith.ids import new_id
from kith_local.postgres import EmbeddedPostgres
from sales.service import SERVICE
from sales.tasks.form import tasks

Headers = dict[str, str]


@pytest.fixture
async def worker(sales: httpx.AsyncClient, postgres: EmbeddedPostgres) -> AsyncIterator[Hearing]:
    async with hearing(SERVICE, postgres) as worker:
        yield worker


async def shown(sales: httpx.AsyncClient, headers: Headers) -> list[dict[str, object]]:
    found: list[dict[str, object]] = (await sales.get("/v1/tasks", headers=headers)).json()["items"]
    return found


async def test_a_task_is_made_as_requested(
    worker: Hearing, sales: httpx.AsyncClient, tenant: str, mine: Headers, theirs: Headers
) -> None:
    playbook, run, eve = new_id(), new_id(), new_id()
    action = action_requested(
        tenant,
        "task",
        playbook_id=playbook,
        run_id=run,
        owner_id=eve,
        due_at="2026-03-08T09:00:00+00:00",
        explanation="/v1/customers/x/health",
    )
    await worker.hears(action)
    (task,) = await shown(sales, mine)
    assert (
        task.items()
        >= {
            "external_id": f"playbook-action:{action.subject}",
            "customer_id": str(action.customer_id),
            "title": "Find out what is wrong",
            "owner_id": str(eve),
            "due_at": "2026-03-08T09:00:00Z",
            "state": "open",
            "reason": "band_changed",
            "explanation": "/v1/customers/x/health",
            "playbook_id": str(playbook),
            "run_id": str(run),
        }.items()
    )
    assert [row.actor for row in await worker.outbox_of(tenant)] == [f"run:{run}"]
    assert await shown(sales, theirs) == []


async def test_an_action_that_comes_again_changes_nothing(worker: Hearing, tenant: str) -> None:
    action = action_requested(tenant, "task")
    await worker.hears(action, action)
    await worker.hears(action)
    assert [row.type for row in await worker.outbox_of(tenant)] == ["sales.task.created.v1"]
    assert await worker.reasons() == []


async def test_what_is_for_others_is_passed_over(worker: Hearing, tenant: str) -> None:
    case, webhook, task = (action_requested(tenant, kind) for kind in ("case", "webhook", "task"))
    await worker.hears(case, webhook, task)
    assert [row.customer_id for row in await worker.outbox_of(tenant)] == [task.customer_id]
    assert await worker.reasons() == []


async def test_an_action_that_cannot_be_is_a_dead_letter_that_says_why(worker: Hearing, tenant: str) -> None:
    right, wrong, late = (
        action_requested(tenant, "task"),
        action_requested(tenant, "task", title=" "),
        action_requested(tenant, "task"),
    )
    await worker.hears(right, wrong, late)
    assert [row.customer_id for row in await worker.outbox_of(tenant)] == [right.customer_id, late.customer_id]
    assert await worker.reasons() == ["Invalid: title: String should have at least 1 character"]


async def test_an_action_that_says_something_else_than_before_is_a_dead_letter(worker: Hearing, tenant: str) -> None:
    first = action_requested(tenant, "task")
    await worker.hears(first, msgspec.structs.replace(action_requested(tenant, "task"), subject=first.subject))
    assert len(await worker.outbox_of(tenant)) == 1
    (reason,) = await worker.reasons()
    assert reason == f"Conflict: There is another task under external id playbook-action:{first.subject}."


async def test_each_task_belongs_to_the_trace_of_its_action(worker: Hearing, tenant: str) -> None:
    await worker.hears(action_requested(tenant, "task", trace=7), action_requested(tenant, "task", trace=8))
    traceparents = [row.traceparent.split("-") for row in await worker.outbox_of(tenant)]
    assert [int(trace, 16) for _, trace, _, _ in traceparents] == [7, 8]


async def test_a_worker_that_acts_for_a_tenant_sees_no_others_rows(
    worker: Hearing, tenant: str, other_tenant: str
) -> None:
    await worker.hears(action_requested(tenant, "task"), action_requested(other_tenant, "task"))
    count = select(func.count()).where(tasks.c.tenant_id.in_([tenant, other_tenant])).select_from(tasks)
    async with worker.engine.begin() as connection:
        async with acting_for(connection, tenant):
            assert await connection.scalar(count) == 1
        assert await connection.scalar(count) == 2


async def test_a_task_is_of_the_customer_of_the_run_that_it_names(
    worker: Hearing, sales: httpx.AsyncClient, tenant: str, mine: Headers
) -> None:
    run = new_id()
    action = action_requested(tenant, "webhook", run_id=run)
    await worker.hears(action)
    body = {"title": "Call", "run_id": str(run)}
    made = await sales.post("/v1/tasks", json=body, headers=mine)
    assert (made.status_code, made.json()["customer_id"]) == (201, str(action.customer_id))
    refused = await sales.post("/v1/tasks", json=body | {"customer_id": str(new_id())}, headers=mine)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "customer_id")
    unheard = await sales.post("/v1/tasks", json=body | {"run_id": str(new_id())}, headers=mine)
    assert (unheard.status_code, unheard.json()["customer_id"]) == (201, None)


async def test_a_task_is_of_the_playbook_of_the_run_that_it_names(
    worker: Hearing, sales: httpx.AsyncClient, tenant: str, mine: Headers
) -> None:
    run, playbook = new_id(), new_id()
    await worker.hears(action_requested(tenant, "webhook", run_id=run, playbook_id=playbook))
    body = {"title": "Call", "run_id": str(run)}
    for said in ({}, {"playbook_id": str(playbook)}):
        made = await sales.post("/v1/tasks", json=body | said, headers=mine)
        assert (made.status_code, made.json()["playbook_id"]) == (201, str(playbook))
    refused = await sales.post("/v1/tasks", json=body | {"playbook_id": str(new_id())}, headers=mine)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "playbook_id")
