"""Signals, their readings, and pulses: what partners and people know of a relationship."""

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from kith.ids import new_id
from kith.testing import Issuer, Tenant

SIGNAL = {"code": "active_seats", "title": "Seats in use", "unit": "seats"}
AT = "2026-03-01T09:00:00Z"


@pytest.fixture
def acme(analytics: httpx.AsyncClient, issuer: Issuer, tenant: str) -> Tenant:
    return Tenant(analytics, issuer, tenant)


@pytest.fixture
def other(analytics: httpx.AsyncClient, issuer: Issuer, other_tenant: str) -> Tenant:
    return Tenant(analytics, issuer, other_tenant)


async def test_a_code_is_of_one_signal_of_a_tenant(acme: Tenant, other: Tenant) -> None:
    made = await acme.made("/v1/signals", **SIGNAL)
    refused = await acme.post("/v1/signals", {**SIGNAL, "title": "Another"})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (409, "code")
    assert (await other.made("/v1/signals", **SIGNAL))["id"] != made["id"]
    listed = (await acme.get("/v1/signals", code="active_seats")).json()["items"]
    assert [each["id"] for each in listed] == [made["id"]]


async def test_a_code_sent_twice_in_a_request_is_taken_once(acme: Tenant) -> None:
    rows = [{**SIGNAL, "external_id": key, "occurred_at": AT} for key in ("a", "b")]
    answer = (await acme.post("/v1/signals:bulk", {"rows": rows})).json()
    assert [each["status"] for each in answer["results"]] == ["accepted", "rejected"]
    again = (await acme.post("/v1/signals:bulk", {"rows": rows})).json()
    assert [each["status"] for each in again["results"]] == ["unchanged", "rejected"]


async def test_readings_come_one_by_one_and_in_bulk(acme: Tenant, other: Tenant) -> None:
    signal, customer = (await acme.made("/v1/signals", **SIGNAL))["id"], str(new_id())
    one = await acme.made("/v1/readings", signal_id=signal, customer_id=customer, value=12.5, occurred_at=AT)
    assert (one["value"], one["version"]) == (12.5, 1)
    rows = [
        {"signal_id": of, "customer_id": customer, "value": value, "external_id": key, "occurred_at": AT}
        for of, value, key in ((signal, -3, "a"), (signal, 7.25, "b"), (str(new_id()), 1, "c"))
    ]
    answer = (await acme.post("/v1/readings:bulk", {"rows": rows})).json()
    assert [each["status"] for each in answer["results"]] == ["accepted", "accepted", "rejected"]
    assert answer["results"][2]["problem"]["errors"] == [
        {"field": "signal_id", "rule": f"There is no signal {rows[2]['signal_id']}."}
    ]
    shown = (await acme.get("/v1/readings", customer_id=customer)).json()["items"]
    assert sorted(each["value"] for each in shown) == [-3, 7.25, 12.5]
    assert (await other.get("/v1/readings")).json()["items"] == []
    theirs = await other.post("/v1/readings", {"signal_id": signal, "customer_id": customer, "value": 1})
    assert theirs.status_code == 422, "a signal of another tenant is none"


@pytest.mark.parametrize("value", ["NaN", "Infinity", '"3"', "1e999", "null"])
async def test_a_reading_is_a_number(acme: Tenant, analytics: httpx.AsyncClient, value: str, mine: Any) -> None:
    signal = (await acme.made("/v1/signals", **SIGNAL))["id"]
    body = f'{{"signal_id": "{signal}", "customer_id": "{new_id()}", "value": {value}}}'
    answer = await analytics.post("/v1/readings", content=body, headers={**mine, "Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "value")


async def test_a_pulse_holds_for_ninety_days(acme: Tenant, other: Tenant) -> None:
    customer = str(new_id())
    made = await acme.made(
        "/v1/pulses", customer_id=customer, score=80, note="Their new head likes us.", occurred_at=AT
    )
    assert datetime.fromisoformat(made["expires_at"]) == datetime.fromisoformat(AT) + timedelta(days=90)
    assert [each["id"] for each in (await acme.get("/v1/pulses", customer_id=customer)).json()["items"]] == [made["id"]]
    assert (await other.get(f"/v1/pulses/{made['id']}")).status_code == 404
    for wrong, field in (({"score": 101}, "score"), ({"score": -1}, "score"), ({"expires_at": AT}, "expires_at")):
        body = {"customer_id": customer, "score": 80, "occurred_at": AT, **wrong}
        answer = await acme.post("/v1/pulses", body)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


async def test_a_customer_shows_what_was_said_of_it(acme: Tenant) -> None:
    customer, signal = str(new_id()), (await acme.made("/v1/signals", **SIGNAL))["id"]
    await acme.made("/v1/readings", signal_id=signal, customer_id=customer, value=4)
    for score in (30, 60):
        await acme.made("/v1/pulses", customer_id=customer, score=score)
    query = """query ($r: [_Any!]!) { _entities(representations: $r) { ... on Customer {
        pulses { nodes { score customer { id } } }
        readings(first: 1) { nodes { value signal { code } customer { id } } } } } }"""
    (shown,) = (await acme.ask(query, r=[{"__typename": "Customer", "id": customer}]))["_entities"]
    assert [each["score"] for each in shown["pulses"]["nodes"]] == [60, 30]
    assert shown["readings"]["nodes"] == [
        {"value": 4, "signal": {"code": "active_seats"}, "customer": {"id": customer}}
    ]
