"""Cases that playbooks ask for: opened by the same rules as on request, exactly once."""

from collections.abc import AsyncIterator

import pytest
from tests.playbooks import Hearing, asked, hearing

from kith.ids import new_id
from kith.testing import Answer, Tenant
from kith_local.postgres import EmbeddedPostgres
from service_desk.service import SERVICE


@pytest.fixture
async def worker(acme: Tenant, postgres: EmbeddedPostgres) -> AsyncIterator[Hearing]:
    async with hearing(SERVICE, postgres) as worker:
        yield worker


async def shown(tenant: Tenant, **filters: str) -> list[Answer]:
    found: list[Answer] = (await tenant.get("/v1/cases", **filters)).json()["items"]
    return found


async def test_a_case_is_opened_as_it_was_asked_for(worker: Hearing, acme: Tenant, other: Tenant) -> None:
    run = new_id()
    action = asked(acme.name, "case", run_id=run, priority="high", category="retention", queue="success", owner="eve")
    await worker.hears(action, asked(acme.name, "case"))
    (case,) = await shown(acme, run_id=str(run))
    assert (
        case.items()
        >= {
            "external_id": f"playbook-action:{action.subject}",
            "customer_id": str(action.customer_id),
            "subject": "Find out what is wrong",
            "channel": "playbook",
            "state": "new",
            "priority": "high",
            "category": "retention",
            "queue": "success",
            "assignee": "eve",
        }.items()
    )
    assert [each["priority"] for each in await shown(acme)] == ["moderate", "high"]
    assert await shown(other) == []


async def test_an_action_that_comes_again_changes_nothing(worker: Hearing, tenant: str) -> None:
    action = asked(tenant, "case")
    await worker.hears(action, action, asked(tenant, "task"))
    await worker.hears(action)
    assert [row.type for row in await worker.told(tenant)] == ["service-desk.case.opened.v1"]
    assert await worker.reasons() == []


async def test_a_priority_there_is_not_is_a_dead_letter_that_says_which_there_are(worker: Hearing, tenant: str) -> None:
    await worker.hears(asked(tenant, "case", priority="urgent"))
    assert await worker.told(tenant) == []
    assert await worker.reasons() == [
        "Invalid: priority: Input should be 'critical', 'high', 'moderate' or 'low'",
    ]
