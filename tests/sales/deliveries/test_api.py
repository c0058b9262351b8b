"""Deliveries over REST and GraphQL."""

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest

from kith.ids import new_id
from kith.testing import Issuer, Tenant

AT, SOON, LATE = "2026-03-01T12:00:00Z", "2026-03-02T12:00:00Z", "2026-03-09T12:00:00Z"
LINES = [{"quantity": 3, "unit_price": "3.34"}, {"description": "Freight", "quantity": 1, "unit_price": "12"}]


@pytest.fixture
def acme(sales: httpx.AsyncClient, issuer: Issuer, tenant: str) -> Tenant:
    return Tenant(sales, issuer, tenant)


async def ordered(acme: Tenant, **fields: Any) -> Any:
    given = {"customer_id": str(new_id()), "currency": "EUR", "lines": LINES, "promised_at": SOON, "occurred_at": AT}
    return await acme.made("/v1/orders", **(given | fields))


def line(number: int, quantity: Any) -> dict[str, Any]:
    return {"line": number, "quantity": quantity}


async def test_it_is_asked_what_is_delivered_of_an_order_and_what_is_left(acme: Tenant) -> None:
    order = await ordered(acme)
    path = f"/v1/orders/{order['id']}/fulfilment"
    untouched = (await acme.get(path)).json()
    assert untouched | {"lines": 0} == {
        "promised_at": SOON,
        "delivered_at": None,
        "whole": False,
        "on_time": None,
        "lines": 0,
    }
    first = await acme.made("/v1/deliveries", order_id=order["id"], lines=[line(1, 2)], occurred_at=SOON)
    assert (first["customer_id"], first["completes"]) == (order["customer_id"], False)
    shown = (await acme.get(path)).json()
    assert [(each["ordered"], each["delivered"], each["left"]) for each in shown["lines"]] == [
        ("3.0000", "2.0000", "1.0000"),
        ("1.0000", "0.0000", "1.0000"),
    ]
    last = await acme.made("/v1/deliveries", order_id=order["id"], occurred_at=LATE, carrier="dhl", tracking="JD1")
    assert (last["completes"], last["on_time"]) == (True, False)
    shown = (await acme.get(path)).json()
    assert (shown["whole"], shown["on_time"], shown["delivered_at"]) == (True, False, LATE)
    refused = await acme.post(f"/v1/deliveries/{first['id']}:cancel", {})
    assert (refused.status_code, refused.json()["type"][-21:]) == (409, "order-delivered-whole")
    for each in (last, first):
        assert (await acme.post(f"/v1/deliveries/{each['id']}:cancel", {})).status_code == 200
    assert (await acme.get(path)).json() == untouched


async def test_rows_of_one_request_count_on_those_before(acme: Tenant) -> None:
    order = await ordered(acme)
    of: list[dict[str, Any]] = [
        {"external_id": "a", "order_id": order["id"], "lines": [line(1, 2)]},
        {"external_id": "b", "order_id": order["id"], "lines": [line(1, 2)]},
        {"external_id": "a", "command": "cancel"},
        {"external_id": "c", "order_id": order["id"], "lines": [line(1, 3), line(2, 1)]},
        {"external_id": "d", "order_id": order["id"]},
    ]
    answer = (await acme.post("/v1/deliveries:bulk", {"rows": [each | {"occurred_at": SOON} for each in of]})).json()[
        "results"
    ]
    assert [each["status"] for each in answer] == ["accepted", "rejected", "accepted", "accepted", "rejected"]
    assert [each["field"] for each in answer[4]["problem"]["errors"]] == ["order_id"]


async def test_of_many_at_once_none_delivers_what_is_not_left(acme: Tenant) -> None:
    order = await ordered(acme)
    body = {"order_id": order["id"], "lines": [line(1, 1)]}
    answers = await asyncio.gather(*(acme.post("/v1/deliveries", body) for _ in range(8)))
    assert sorted(each.status_code for each in answers) == [201] * 3 + [422] * 5


async def test_a_return_may_be_of_what_was_not_delivered(acme: Tenant) -> None:
    order = await ordered(acme)
    await acme.made("/v1/returns", order_id=order["id"], lines=[line(1, 3)])
    assert (await acme.made("/v1/deliveries", order_id=order["id"], lines=[line(1, 3)]))["completes"] is False


async def test_others_see_and_deliver_nothing_of_it(acme: Tenant, sales: httpx.AsyncClient, theirs: Any) -> None:
    order = await ordered(acme)
    assert (await sales.get(f"/v1/orders/{order['id']}/fulfilment", headers=theirs)).status_code == 404
    narrow = replace(acme, scopes="sales:read:own", subject="bob")
    assert (await narrow.get(f"/v1/orders/{order['id']}/fulfilment")).status_code == 404
    refused = await sales.post("/v1/deliveries", json={"order_id": order["id"]}, headers=theirs)
    assert [each["field"] for each in refused.json()["errors"]] == ["order_id"]


async def test_graphql_has_the_fulfilment_below_the_order(acme: Tenant, sales: httpx.AsyncClient, mine: Any) -> None:
    order = await ordered(acme)
    made = await acme.made("/v1/deliveries", order_id=order["id"], lines=[line(1, 2)])
    query = """query ($id: UUID!) { order(id: $id) {
        fulfilment { whole onTime lines { line left } } deliveries { nodes { id state } } } }"""
    answer = await sales.post("/graphql", json={"query": query, "variables": {"id": order["id"]}}, headers=mine)
    assert answer.json()["data"]["order"] == {
        "fulfilment": {
            "whole": False,
            "onTime": None,
            "lines": [{"line": 1, "left": "1.0000"}, {"line": 2, "left": "1.0000"}],
        },
        "deliveries": {"nodes": [{"id": made["id"], "state": "MADE"}]},
    }
