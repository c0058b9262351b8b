"""Leads are shared out among the members of a queue: each to one, and to each as many as to the others, or one more."""

from asyncio import gather
from collections import Counter
from typing import Any
from uuid import UUID

import httpx
import pytest

from kith.ids import new_id
from kith.testing import Answer, Issuer, Tenant

AT = "2026-03-01T00:00:00Z"


@pytest.fixture
def acme(sales: httpx.AsyncClient, issuer: Issuer, tenant: str) -> Tenant:
    return Tenant(sales, issuer, tenant)


async def queue_of(acme: Tenant, number: int) -> Answer:
    return await acme.made("/v1/lead-queues", code="vienna", members=[str(new_id()) for _ in range(number)])


def rows(number: int, **more: Any) -> list[dict[str, Any]]:
    return [{"name": f"Lead {n}", "external_id": str(n), "occurred_at": AT, **more} for n in range(number)]


async def shares(acme: Tenant, queue: Answer) -> Counter[str]:
    found = (await acme.get("/v1/leads", queue_id=queue["id"], first=500)).json()["items"]
    return Counter(each["owner_id"] for each in found)


async def test_a_hundred_who_put_leads_into_a_queue_at_once_share_them_out_evenly(acme: Tenant) -> None:
    queue = await queue_of(acme, 7)
    made = (await acme.post("/v1/leads:bulk", {"rows": rows(100)})).json()["results"]
    answers = await gather(*(acme.post(f"/v1/leads/{each['id']}:assign", {"queue_id": queue["id"]}) for each in made))
    assert {each.status_code for each in answers} == {200}
    found = await shares(acme, queue)
    assert found.keys() == set(queue["members"])
    assert sorted(found.values()) == [14] * 5 + [15] * 2


async def test_rows_take_turns_unless_they_say_whose_they_are(acme: Tenant) -> None:
    queue = await queue_of(acme, 3)
    mixed = rows(40, queue_id=queue["id"])
    for each in mixed[::4]:
        each["owner_id"] = str(UUID(int=1))
    answer = (await acme.post("/v1/leads:bulk", {"rows": mixed})).json()
    assert answer["accepted"] == 40
    found = await shares(acme, queue)
    assert found.pop(str(UUID(int=1))) == 10
    assert sorted(found.values()) == [10, 10, 10]


async def test_what_is_refused_takes_no_turn(acme: Tenant) -> None:
    queue = await queue_of(acme, 2)
    erased, *others = [each["id"] for each in (await acme.post("/v1/leads:bulk", {"rows": rows(5)})).json()["results"]]
    await acme.post(f"/v1/leads/{erased}:erase", {})
    for each in others:
        for id, status in ((erased, 409), (each, 200)):
            assert (await acme.post(f"/v1/leads/{id}:assign", {"queue_id": queue["id"]})).status_code == status
    assert sorted((await shares(acme, queue)).values()) == [2, 2]


async def test_who_joins_a_queue_is_given_as_many_as_the_others_from_then_on(acme: Tenant) -> None:
    queue = await queue_of(acme, 2)
    await acme.post("/v1/leads:bulk", {"rows": rows(8, queue_id=queue["id"])})
    before, new = await shares(acme, queue), str(new_id())
    amended = await acme.post(f"/v1/lead-queues/{queue['id']}:amend", {"members": [*queue["members"], new]})
    assert amended.status_code == 200
    more = [each | {"external_id": f"more {each['external_id']}"} for each in rows(9, queue_id=queue["id"])]
    await acme.post("/v1/leads:bulk", {"rows": more})
    assert (await shares(acme, queue)) - before == dict.fromkeys(amended.json()["members"], 3)


async def test_a_queue_that_is_put_away_or_anothers_gives_out_nothing(acme: Tenant, other_tenant: str) -> None:
    queue = await queue_of(acme, 2)
    theirs = Tenant(acme.client, acme.issuer, other_tenant)
    assert (await theirs.post("/v1/leads", {"name": "Ida", "queue_id": queue["id"]})).status_code == 422
    assert (await acme.post(f"/v1/lead-queues/{queue['id']}:archive", {})).status_code == 200
    refused = await acme.post("/v1/leads", {"name": "Ida", "queue_id": queue["id"]})
    assert refused.status_code in (409, 422)
    assert refused.json()["errors"][0]["field"] == "queue_id"
