"""Quotes over the API: accepting one places its order in the same transaction, or does nothing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from kith.ids import new_id
from kith_local.postgres import EmbeddedPostgres

Headers = dict[str, str]
LINES = [{"quantity": 3, "unit_price": "4.50"}, {"description": "Freight", "quantity": 1, "unit_price": "5"}]
QUOTE = {"currency": "EUR", "lines": LINES}


@pytest.fixture
def do(sales: httpx.AsyncClient, mine: Headers) -> Callable[..., Awaitable[httpx.Response]]:
    async def post(path: str, body: Any = None, **headers: str) -> httpx.Response:
        return await sales.post(path, json=body or {}, headers={**mine, **headers})

    return post


@pytest.fixture
async def sent(do: Any) -> str:
    made = await do("/v1/quotes", {**QUOTE, "customer_id": str(new_id())})
    assert made.status_code == 201, made.text
    path = str(made.headers["location"])
    assert (await do(f"{path}:send")).status_code == 200
    return path


@pytest.fixture
async def admin(sales: httpx.AsyncClient, postgres: EmbeddedPostgres) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(postgres.url("kith_sales"))
    yield connection
    await connection.close()


async def orders(sales: httpx.AsyncClient, mine: Headers) -> Any:
    return (await sales.get("/v1/orders", headers=mine)).json()["items"]


async def test_accepting_it_places_its_order(sales: httpx.AsyncClient, mine: Headers, do: Any, sent: str) -> None:
    accepted = await do(f"{sent}:accept", {"signature": "Ann Example"})
    assert accepted.status_code == 200, accepted.text
    (order,) = await orders(sales, mine)
    quote = accepted.json()
    assert (quote["state"], quote["order_id"], quote["signature"]) == ("accepted", order["id"], "Ann Example")
    assert {name: order[name] for name in ("customer_id", "currency", "value", "lines", "created_at")} == {
        **{name: quote[name] for name in ("customer_id", "currency", "value", "lines")},
        "created_at": quote["closed_at"],
    }
    history = (await sales.get(f"{sent}/history", headers=mine)).json()["items"]
    assert [each["command"] for each in history] == ["accept", "send", "create"]


async def test_both_events_are_published(
    do: Any, sent: str, tenant: str, admin: asyncpg.Connection, sales: httpx.AsyncClient, mine: Headers
) -> None:
    await do(f"{sent}:accept", {"signature": "Ann"})
    (order,) = await orders(sales, mine)
    rows = await admin.fetch("SELECT type, subject, time FROM outbox WHERE tenant_id = $1 ORDER BY seq", tenant)
    accepted, placed = sorted(tuple(row) for row in rows if row["time"] == rows[-1]["time"])[::-1]
    assert (accepted[0], placed[:2]) == ("sales.quote.accepted.v1", ("sales.order.placed.v1", UUID(order["id"])))


async def test_the_same_request_sent_again_places_one_order(
    sales: httpx.AsyncClient, mine: Headers, do: Any, sent: str
) -> None:
    key = {"Idempotency-Key": "accept-1"}
    answers = [await do(f"{sent}:accept", {"signature": "Ann"}, **key) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert (await do(f"{sent}:accept", {"signature": "Ann"})).status_code == 409
    assert len(await orders(sales, mine)) == 1


async def test_of_many_who_accept_it_at_once_one_does(
    sales: httpx.AsyncClient, mine: Headers, do: Any, sent: str
) -> None:
    answers = await asyncio.gather(*(do(f"{sent}:accept", {"signature": f"Ann {n}"}) for n in range(8)))
    assert sorted(each.status_code for each in answers) == [200] + [409] * 7
    assert len(await orders(sales, mine)) == 1


async def test_an_order_that_is_refused_leaves_the_quote_as_it_was(
    sales: httpx.AsyncClient, mine: Headers, do: Any, admin: asyncpg.Connection, tenant: str
) -> None:
    """The opportunity's customer was another one when it was quoted."""
    opened = (await do("/v1/opportunities", {"name": "Tea", "currency": "EUR", "customer_id": str(new_id())})).json()
    made = await do("/v1/quotes", {**QUOTE, "opportunity_id": opened["id"]})
    path = made.headers["location"]
    await do(f"{path}:send")
    moved = "UPDATE opportunities SET customer_id = $1 WHERE tenant_id = $2 AND id = $3"
    await admin.execute(moved, new_id(), tenant, opened["id"])
    before = (await sales.get(path, headers=mine)).json()
    events = await admin.fetchval("SELECT count(*) FROM outbox WHERE tenant_id = $1", tenant)
    refused = await do(f"{path}:accept", {"signature": "Ann"})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "order.customer_id")
    assert (await sales.get(path, headers=mine)).json() == before
    assert await admin.fetchval("SELECT count(*) FROM outbox WHERE tenant_id = $1", tenant) == events
    assert await orders(sales, mine) == []


async def test_in_bulk_each_accepts_what_the_row_before_left(sales: httpx.AsyncClient, mine: Headers, do: Any) -> None:
    """One that is revised in the same request is ordered as it was revised, and one that is refused stops no other."""
    at = "2026-03-01T09:00:00Z"
    made = await do("/v1/quotes:bulk", {"rows": [{**QUOTE, "external_id": each, "occurred_at": at} for each in "abc"]})
    assert [each["status"] for each in made.json()["results"]] == ["accepted"] * 3
    rows: list[dict[str, Any]] = [
        *({"command": "send", "external_id": each} for each in "ab"),
        {"command": "accept", "external_id": "a", "signature": "Ann"},
        {"command": "revise", "external_id": "b"},
        {"command": "amend", "external_id": "b", "lines": LINES[:1]},
        {"command": "send", "external_id": "b"},
        {"command": "accept", "external_id": "b", "signature": "Bob"},
        {"command": "accept", "external_id": "c", "signature": "Cid"},
    ]
    timed = [{**row, "occurred_at": f"2026-03-02T09:00:{n:02}Z"} for n, row in enumerate(rows)]
    done = (await do("/v1/quotes:bulk", {"rows": timed})).json()
    assert [each["status"] for each in done["results"]] == ["accepted"] * 7 + ["rejected"], done
    assert sorted(each["value"] for each in await orders(sales, mine)) == ["13.5000", "18.5000"]


async def test_it_is_shown_with_its_customer_and_opportunity(sales: httpx.AsyncClient, mine: Headers, do: Any) -> None:
    opened = (await do("/v1/opportunities", {"name": "Tea", "currency": "EUR", "customer_id": str(new_id())})).json()
    made = (await do("/v1/quotes", {"lines": LINES, "opportunity_id": opened["id"]})).json()
    assert (made["customer_id"], made["currency"]) == (opened["customer_id"], "EUR")
    query = """query ($id: UUID!) { opportunity(id: $id) { quotes { nodes { id state lines { amount } } } } }"""
    answer = await sales.post("/graphql", json={"query": query, "variables": {"id": opened["id"]}}, headers=mine)
    (shown,) = answer.json()["data"]["opportunity"]["quotes"]["nodes"]
    assert (shown["id"], shown["state"], len(shown["lines"])) == (made["id"], "DRAFT", 2)
