"""A user has one quota for a month, however many are sent at once."""

import asyncio

import httpx
import pytest
from tests.turns import sent_during

from kith.ids import new_id
from kith.testing import Issuer, Tenant
from kith_local.postgres import EmbeddedPostgres

MARCH = {"period": "month", "starts_on": "2026-03-01", "value": "1000.00", "currency": "EUR"}


@pytest.fixture
def acme(sales: httpx.AsyncClient, issuer: Issuer, tenant: str) -> Tenant:
    return Tenant(sales, issuer, tenant)


async def test_one_that_another_transaction_is_about_to_make_is_seen(acme: Tenant, postgres: EmbeddedPostgres) -> None:
    quota = {**MARCH, "owner_id": str(new_id())}
    other = await acme.made("/v1/quotas", **{**quota, "starts_on": "2026-04-01"})
    sales, turn = postgres.url("kith_sales"), f"{acme.name}/quotas"
    change = "UPDATE quotas SET starts_on = '2026-03-01' WHERE id = $1"
    answer = await sent_during(sales, turn, change, other["id"], request=acme.post("/v1/quotas", quota))
    assert answer.status_code == 409


async def test_of_several_at_once_there_is_one(acme: Tenant) -> None:
    quota = {**MARCH, "owner_id": str(new_id())}
    answers = await asyncio.gather(*(acme.post("/v1/quotas", quota) for _ in range(8)))
    assert sorted(each.status_code for each in answers) == [201] + [409] * 7
    (first,) = [each.json() for each in answers if each.status_code == 201]
    refused = next(each for each in answers if each.status_code == 409).json()
    assert (refused["errors"][0]["field"], first["id"] in refused["detail"]) == ("starts_on", True)


async def test_rows_of_one_request_are_looked_at_as_well(acme: Tenant) -> None:
    ann, bob = new_id(), new_id()
    rows = [
        {**MARCH, "owner_id": str(owner), "external_id": str(number), "occurred_at": "2026-01-01T00:00:00Z"}
        for number, owner in enumerate((ann, bob, ann))
    ]
    done = (await acme.post("/v1/quotas:bulk", {"rows": rows})).json()["results"]
    assert [each["status"] for each in done] == ["accepted", "accepted", "rejected"]


async def test_a_team_has_one_for_a_month_beside_those_of_its_users(acme: Tenant) -> None:
    whose = str(new_id())
    team, user = ({**MARCH, f"{of}_id": whose} for of in ("team", "owner"))
    first = await acme.made("/v1/quotas", **team)
    await acme.made("/v1/quotas", **user)
    assert (await acme.post("/v1/quotas", team)).status_code == 409
    listed = (await acme.get("/v1/quotas", team_id=whose)).json()["items"]
    assert [each["id"] for each in listed] == [first["id"]]


async def test_one_that_is_put_away_makes_room_and_does_not_come_back_into_it(acme: Tenant) -> None:
    quota = {**MARCH, "owner_id": str(new_id())}
    first = await acme.made("/v1/quotas", **quota)
    assert (await acme.post(f"/v1/quotas/{first['id']}:archive", {})).status_code == 200
    second = await acme.made("/v1/quotas", **quota)
    assert (await acme.post(f"/v1/quotas/{first['id']}:restore", {})).status_code == 409
    assert (await acme.post(f"/v1/quotas/{second['id']}:archive", {})).status_code == 200
    assert (await acme.post(f"/v1/quotas/{first['id']}:restore", {})).status_code == 200


async def test_in_one_request_one_makes_room_for_another(acme: Tenant) -> None:
    at, quota = {"occurred_at": "2026-01-01T00:00:00Z"}, {**MARCH, "owner_id": str(new_id())}
    rows = [
        {**quota, **at, "external_id": "first"},
        {**at, "command": "archive", "external_id": "first"},
        {**quota, **at, "external_id": "second"},
    ]
    done = (await acme.post("/v1/quotas:bulk", {"rows": rows})).json()["results"]
    assert [each["status"] for each in done] == ["accepted"] * 3
