"""Leads that wait in a queue are taken by its members: each by one, however many ask at once."""

import asyncio
from dataclasses import replace

import httpx
import pytest

from kith.ids import new_id
from kith.testing import Answer, Issuer, Tenant

TAKE = """mutation($queue: UUID!, $owner: UUID!) { takeLead(queueId: $queue, ownerId: $owner) {
    ... on Lead { id ownerId name } ... on Problem { code errors { field } } } }"""


@pytest.fixture
def acme(sales: httpx.AsyncClient, issuer: Issuer, tenant: str) -> Tenant:
    return Tenant(sales, issuer, tenant)


async def queue_of(acme: Tenant, members: list[str], leads: int) -> Answer:
    queue = await acme.made("/v1/lead-queues", code=f"q{new_id().hex}", members=members, gives_out=False)
    rows = [
        {"name": f"Lead {n}", "queue_id": queue["id"], "external_id": f"{queue['id']}-{n:03}"}
        | {"occurred_at": f"2026-03-01T00:{n // 60:02}:{n % 60:02}Z"}
        for n in range(leads)
    ]
    done = (await acme.post("/v1/leads:bulk", {"rows": rows})).json()
    assert done["accepted"] == leads, done
    return queue


async def test_of_hundred_who_ask_at_once_each_has_a_lead_of_its_own(acme: Tenant) -> None:
    members = [str(new_id()) for _ in range(5)]
    queue = await queue_of(acme, members, 90)
    where = f"/v1/lead-queues/{queue['id']}:take"
    answers = await asyncio.gather(*(acme.post(where, {"owner_id": members[n % 5]}) for n in range(100)))
    taken = [each.json() for each in answers if each.status_code == 200]
    assert len({each["id"] for each in taken}) == 90
    assert sorted(each.status_code for each in answers) == [200] * 90 + [204] * 10
    listed = (await acme.get("/v1/leads", queue_id=queue["id"], first=500)).json()["items"]
    assert {each["id"]: each["owner_id"] for each in listed} == {each["id"]: each["owner_id"] for each in taken}


async def test_the_one_that_has_waited_longest_comes_first_and_what_is_closed_does_not(acme: Tenant) -> None:
    (ann,) = members = [str(new_id())]
    queue = await queue_of(acme, members, 4)
    first, second, third, _ = reversed((await acme.get("/v1/leads", queue_id=queue["id"])).json()["items"])
    await acme.post(f"/v1/leads/{first['id']}:archive", {})
    await acme.post(f"/v1/leads/{second['id']}:disqualify", {"reason": "spam"})
    taken = await acme.post(f"/v1/lead-queues/{queue['id']}:take", {"owner_id": ann})
    assert (taken.json()["id"], taken.json()["owner_id"], taken.headers["etag"]) == (third["id"], ann, '"2"')
    history = (await acme.get(f"/v1/leads/{third['id']}/history")).json()["items"]
    assert history[0]["command"] == "assign"


async def test_by_graphql_it_is_the_same(acme: Tenant) -> None:
    ann = str(new_id())
    queue = await queue_of(acme, [ann], 1)
    taken = (await acme.ask(TAKE, queue=queue["id"], owner=ann))["takeLead"]
    assert (taken["ownerId"], taken["name"]) == (ann, "Lead 0")
    assert (await acme.ask(TAKE, queue=queue["id"], owner=ann))["takeLead"] is None
    problem = (await acme.ask(TAKE, queue=queue["id"], owner=str(new_id())))["takeLead"]
    assert (problem["code"], problem["errors"][0]["field"]) == ("INVALID", "ownerId")


async def test_what_cannot_be_is_refused(acme: Tenant, other_tenant: str) -> None:
    ann = str(new_id())
    queue = await queue_of(acme, [ann], 1)
    where = f"/v1/lead-queues/{queue['id']}:take"
    wrong = await acme.post(where, {"owner_id": str(new_id())})
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "owner_id")
    assert (await replace(acme, name=other_tenant).post(where, {"owner_id": ann})).status_code == 404
    narrow = replace(acme, scopes="sales:read:own sales:write:own", subject="bob")
    assert (await narrow.post(where, {"owner_id": ann})).status_code == 403
    assert (await acme.without("sales:write").post(where, {"owner_id": ann})).status_code == 403
    shown = await acme.without("sales:personal").post(where, {"owner_id": ann})
    assert (shown.status_code, "name" in shown.json()) == (200, False)


async def test_a_queue_that_gives_leads_out_again_gives_out_those_to_come(acme: Tenant) -> None:
    ann = str(new_id())
    queue = await queue_of(acme, [ann], 1)
    assert (await acme.post(f"/v1/lead-queues/{queue['id']}:amend", {"gives_out": True})).status_code == 200
    assert (await acme.made("/v1/leads", name="Next", queue_id=queue["id"]))["owner_id"] == ann
    waits = (await acme.get("/v1/leads", queue_id=queue["id"])).json()["items"][-1]
    assert waits["owner_id"] is None
