"""Cases that playbooks ask for: opened by the same rules as on request, exactly once."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest
from tests.playbooks import Hearing, action_requested, hearing

from kith.events.contacts import ContactAmended, ContactCreated, ContactMerged
from kith.events.envelope import Envelope
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


async def test_a_case_is_opened_as_requested(worker: Hearing, acme: Tenant, other: Tenant) -> None:
    run, eve = new_id(), new_id()
    action = action_requested(
        acme.name, "case", run_id=run, priority="high", category="retention", queue="success", owner_id=eve
    )
    await worker.hears(action, action_requested(acme.name, "case"))
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
            "assignee_id": str(eve),
        }.items()
    )
    assert f"run:{run}" in {row.actor for row in await worker.outbox_of(acme.name)}
    assert [each["priority"] for each in await shown(acme)] == ["moderate", "high"]
    assert await shown(other) == []


async def test_an_action_that_comes_again_changes_nothing(worker: Hearing, tenant: str) -> None:
    action = action_requested(tenant, "case")
    await worker.hears(action, action, action_requested(tenant, "task"))
    await worker.hears(action)
    assert [row.type for row in await worker.outbox_of(tenant)] == ["service-desk.case.opened.v1"]
    assert await worker.reasons() == []


async def test_a_priority_there_is_not_is_a_dead_letter_that_says_which_there_are(worker: Hearing, tenant: str) -> None:
    await worker.hears(action_requested(tenant, "case", priority="urgent"))
    assert await worker.outbox_of(tenant) == []
    assert await worker.reasons() == [
        "Invalid: priority: Input should be 'critical', 'high', 'moderate' or 'low'",
    ]


def created(tenant: str, **said: Any) -> Envelope:
    """A contact, as contacts publishes one."""
    now, customer = datetime.now(UTC), new_id()
    event = Envelope(
        id=new_id(),
        source="contacts",
        type=ContactCreated.type,
        subject=new_id(),
        time=now,
        tenant_id=tenant,
        customer_id=customer,
        aggregate_version=1,
        recorded_at=now,
        traceparent=None,
        data=b"{}",
    )
    return msgspec.structs.replace(event, **said)


BROKEN = {"subject": "Broken", "channel": "email"}


@pytest.mark.parametrize("name", ["contact_id", "run_id"])
async def test_a_case_is_of_the_customer_of_the_contact_or_the_run_that_it_names(
    worker: Hearing, acme: Tenant, other: Tenant, name: str
) -> None:
    event = created(acme.name) if name == "contact_id" else action_requested(acme.name, "task")
    named = event.subject if name == "contact_id" else json.loads(event.data)["run_id"]
    await worker.hears(event)
    case = await acme.made("/v1/cases", **BROKEN, **{name: str(named)})
    assert case["customer_id"] == str(event.customer_id)
    refused = await acme.post("/v1/cases", {**BROKEN, name: str(named), "customer_id": str(new_id())})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "customer_id")
    row = {"external_id": "x", "occurred_at": "2026-03-01T12:00:00Z", **BROKEN, name: str(named)}
    (result,) = (await acme.post("/v1/cases:bulk", {"rows": [row]})).json()["results"]
    assert (await acme.get(f"/v1/cases/{result['id']}")).json()["customer_id"] == str(event.customer_id)
    assert {row.customer_id for row in await worker.outbox_of(acme.name)} == {event.customer_id}
    theirs = await other.made("/v1/cases", **BROKEN, **{name: str(named)})
    assert theirs["customer_id"] is None


async def test_a_case_is_of_the_playbook_of_the_run_that_it_names(worker: Hearing, acme: Tenant) -> None:
    run, playbook = str(new_id()), new_id()
    await worker.hears(action_requested(acme.name, "task", run_id=run, playbook_id=playbook))
    assert (await acme.made("/v1/cases", **BROKEN, run_id=run))["playbook_id"] == str(playbook)
    refused = await acme.post("/v1/cases", {**BROKEN, "run_id": run, "playbook_id": str(new_id())})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "playbook_id")


async def test_a_case_is_of_any_customer_that_its_contact_has_a_role_at(worker: Hearing, acme: Tenant) -> None:
    second, third = new_id(), new_id()
    event = created(acme.name, data=msgspec.json.encode({"roles": [{"customer_id": second}]}))
    amended = msgspec.json.encode({"changed": ["roles"], "roles": [{"customer_id": third}]})

    async def answered(customer: UUID) -> int:
        body = {**BROKEN, "contact_id": str(event.subject), "customer_id": str(customer)}
        return (await acme.post("/v1/cases", body)).status_code

    await worker.hears(event)
    assert event.customer_id is not None
    assert [await answered(each) for each in (event.customer_id, second, third)] == [201, 201, 422]
    about = {"subject": event.subject, "customer_id": event.customer_id, "aggregate_version": 2}
    await worker.hears(created(acme.name, type=ContactAmended.type, data=amended, **about))
    assert [await answered(each) for each in (event.customer_id, second, third)] == [201, 422, 201]
    # It takes over the roles of the other one, which are not known here.
    into = msgspec.json.encode({"into": event.subject})
    await worker.hears(created(acme.name, type=ContactMerged.type, data=into))
    assert [await answered(each) for each in (second, new_id())] == [201, 201]


async def test_a_contact_whose_event_has_not_come_yet_may_be_named(acme: Tenant) -> None:
    customer = str(new_id())
    case = await acme.made("/v1/cases", **BROKEN, contact_id=str(new_id()), customer_id=customer)
    assert case["customer_id"] == customer
    assert (await acme.made("/v1/cases", **BROKEN, contact_id=str(new_id())))["customer_id"] is None


async def test_a_contact_whose_event_comes_twice_stays_whose_it_was(worker: Hearing, acme: Tenant) -> None:
    event = created(acme.name)
    await worker.hears(event, event)
    await worker.hears(event)
    case = await acme.made("/v1/cases", **BROKEN, contact_id=str(event.subject))
    assert case["customer_id"] == str(event.customer_id)
