"""Leads that are captured again, over the API."""

from dataclasses import replace

import httpx
import pytest

from kith.testing import Answer, Issuer, Tenant


@pytest.fixture
def acme(sales: httpx.AsyncClient, issuer: Issuer, tenant: str) -> Tenant:
    return Tenant(sales, issuer, tenant)


async def captured(of: Tenant, email: str, **more: object) -> Answer:
    return await of.made("/v1/leads", name="Ida", email=email, **more)


async def test_a_lead_of_the_address_of_an_open_one_says_so(acme: Tenant, other_tenant: str) -> None:
    first = await captured(acme, "ida@huber.example", occurred_at="2026-03-01T00:00:00Z")
    second = await captured(acme, "Ida@Huber.example")
    third = await captured(acme, "ida@huber.example")
    assert [each["duplicate_of_id"] for each in (first, second, third)] == [None, first["id"], first["id"]]
    elsewhere = await captured(replace(acme, name=other_tenant), "ida@huber.example")
    assert elsewhere["duplicate_of_id"] is None
    listed = (await acme.get("/v1/leads", duplicate_of_id=first["id"])).json()["items"]
    assert {each["id"] for each in listed} == {second["id"], third["id"]}


async def test_one_that_is_closed_or_put_away_is_not_looked_at(acme: Tenant) -> None:
    for step in ({"reason": "no_budget"}, None):
        lead = await captured(acme, "ida@huber.example")
        assert lead["duplicate_of_id"] is None
        verb = "archive" if step is None else "disqualify"
        assert (await acme.post(f"/v1/leads/{lead['id']}:{verb}", step or {})).status_code == 200
    assert (await captured(acme, "ida@huber.example"))["duplicate_of_id"] is None


async def test_what_is_amended_keeps_whose_it_was(acme: Tenant) -> None:
    first, second = [await captured(acme, "ida@huber.example") for _ in range(2)]
    amended = await acme.post(f"/v1/leads/{second['id']}:amend", {"email": "ada@huber.example"})
    assert amended.json()["duplicate_of_id"] == first["id"]


async def test_rows_of_one_request_are_looked_at_as_well(acme: Tenant) -> None:
    rows = [
        {"name": "Ida", "email": "ida@huber.example", "external_id": "1"},
        {"name": "Ida", "email": "ida@huber.example", "external_id": "2"},
        {"name": "Ada", "email": "ada@huber.example", "external_id": "3"},
        {"name": "Nobody", "external_id": "4"},
    ]
    at = {"occurred_at": "2026-03-01T00:00:00Z"}
    results = (await acme.post("/v1/leads:bulk", {"rows": [row | at for row in rows]})).json()["results"]
    of = [(await acme.get(f"/v1/leads/{each['id']}")).json()["duplicate_of_id"] for each in results]
    assert of == [None, results[0]["id"], None, None]
