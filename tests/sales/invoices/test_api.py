"""Invoices over REST and GraphQL."""

import asyncio
from typing import Any

import httpx
import pytest

from kith.ids import new_id
from kith.testing import Issuer, Tenant


@pytest.fixture
def acme(sales: httpx.AsyncClient, issuer: Issuer, tenant: str) -> Tenant:
    return Tenant(sales, issuer, tenant)


async def test_it_is_of_the_customer_and_in_the_currency_of_what_is_invoiced(acme: Tenant) -> None:
    customer = str(new_id())
    order = await acme.made("/v1/orders", customer_id=customer, value=100, currency="EUR")
    taken = await acme.made("/v1/subscriptions", customer_id=customer, plan="team", unit_price=100, currency="EUR")
    for named in ({"order_id": order["id"]}, {"subscription_id": taken["id"]}):
        made = await acme.made("/v1/invoices", value=119, **named)
        assert (made["customer_id"], made["currency"], made["outstanding"]) == (customer, "EUR", "119.0000")
        for wrong in ({"customer_id": str(new_id())}, {"currency": "USD"}):
            refused = await acme.post("/v1/invoices", {"value": 119, **named, **wrong})
            assert [each["field"] for each in refused.json()["errors"]] == [*wrong]
    refused = await acme.post("/v1/invoices", {"value": "1.5", "currency": "JPY"})
    assert [each["field"] for each in refused.json()["errors"]] == ["value"]


async def test_no_more_than_is_outstanding_is_paid_by_many_at_once(acme: Tenant) -> None:
    made = await acme.made("/v1/invoices", value=100, currency="EUR")
    answers = await asyncio.gather(*(acme.post(f"/v1/invoices/{made['id']}:pay", {"amount": 30}) for _ in range(8)))
    assert sorted(each.status_code for each in answers) == [200] * 3 + [422] * 5
    refused = next(each.json() for each in answers if each.status_code == 422)
    assert ([each["field"] for each in refused["errors"]], refused["type"][-17:]) == (["amount"], "more-than-is-left")
    shown = (await acme.get(f"/v1/invoices/{made['id']}")).json()
    assert (shown["outstanding"], shown["state"]) == ("10.0000", "open")


async def test_its_history_comes_in_one_request(acme: Tenant) -> None:
    rows: list[dict[str, Any]] = [
        {"value": 100, "currency": "EUR", "due_on": "2026-02-28", "occurred_at": "2026-02-01T09:00:00Z"},
        {"command": "pay", "amount": 40, "occurred_at": "2026-02-20T09:00:00Z"},
        {"command": "mark_overdue", "occurred_at": "2026-02-28T23:59:59Z"},
        {"command": "mark_overdue", "occurred_at": "2026-03-01T00:00:00Z"},
        {"command": "pay", "amount": 60, "occurred_at": "2026-03-05T09:00:00Z"},
        {"command": "write_off", "occurred_at": "2026-03-06T09:00:00Z"},
    ]
    done = (await acme.post("/v1/invoices:bulk", {"rows": [{"external_id": "R1", **row} for row in rows]})).json()
    statuses = [each["status"] for each in done["results"]]
    assert statuses == ["accepted", "accepted", "rejected", "accepted", "accepted", "rejected"]
    found = (await acme.get("/v1/invoices", state="paid")).json()["items"]
    assert [(each["external_id"], each["closed_at"]) for each in found] == [("R1", "2026-03-05T09:00:00Z")]


async def test_those_of_an_order_are_listed_below_it(acme: Tenant, sales: httpx.AsyncClient, mine: Any) -> None:
    order = await acme.made("/v1/orders", value=100, currency="EUR")
    made = await acme.made("/v1/invoices", value=119, order_id=order["id"], number="2026-0042")
    query = """query ($id: UUID!) { order(id: $id) { invoices { nodes { id number state outstanding } } } }"""
    answer = await sales.post("/graphql", json={"query": query, "variables": {"id": order["id"]}}, headers=mine)
    (shown,) = answer.json()["data"]["order"]["invoices"]["nodes"]
    assert shown == {"id": made["id"], "number": "2026-0042", "state": "OPEN", "outstanding": "119.0000"}
