"""Price books over REST and GraphQL: what lines cost that do not say it."""

from typing import Any

import httpx
import pytest

from kith.ids import new_id
from kith.testing import Issuer, Tenant

AT = "2026-01-01T00:00:00Z"


@pytest.fixture
def acme(sales: httpx.AsyncClient, issuer: Issuer, tenant: str) -> Tenant:
    return Tenant(sales, issuer, tenant)


async def product(acme: Tenant, price: str = "12") -> str:
    made = await acme.made("/v1/products", name="Tea", family="drinks", price=price, currency="EUR")
    return str(made["id"])


async def book(acme: Tenant, *prices: dict[str, Any], **fields: Any) -> str:
    made = await acme.made("/v1/price-books", **{"name": "Retail", "currency": "EUR", "is_default": True, **fields})
    rows = [{"external_id": str(new_id()), "occurred_at": AT, "price_book_id": made["id"], **each} for each in prices]
    done = await acme.post("/v1/prices:bulk", {"rows": rows})
    assert done.json()["accepted"] == len(rows), done.text
    return str(made["id"])


@pytest.mark.parametrize("path", ["/v1/orders", "/v1/quotes"])
async def test_lines_without_a_price_have_the_one_of_the_book(acme: Tenant, path: str) -> None:
    tea, pot = await product(acme), await product(acme, "40")
    named = await book(acme, {"product_id": tea, "unit_price": "7"}, is_default=False)
    tiers = ({"product_id": tea, "unit_price": "9"}, {"product_id": tea, "min_quantity": 10, "unit_price": "8.5"})
    await book(acme, *tiers)
    lines: list[dict[str, Any]] = [
        {"product_id": tea, "quantity": 9},
        {"product_id": tea, "quantity": 10},
        {"product_id": tea, "quantity": 10, "unit_price": "8"},
        {"product_id": pot, "quantity": 1},
        {"quantity": 1, "unit_price": "3"},
    ]
    made = await acme.made(path, currency="EUR", lines=lines)
    assert [(each["unit_price"], each["list_price"]) for each in made["lines"]] == [
        ("9.0000", "9.0000"),
        ("8.5000", "8.5000"),
        ("8.0000", "8.5000"),
        ("40.0000", "40.0000"),
        ("3.0000", None),
    ]
    made = await acme.made(path, price_book_id=named, lines=lines[:1])
    assert (made["currency"], made["value"], made["price_book_id"]) == ("EUR", "63.0000", named)
    refused = await acme.post(path, {"price_book_id": named, "lines": [*lines[:1], {"product_id": pot, "quantity": 2}]})
    (error,) = refused.json()["errors"]
    assert error["field"] == "lines.1.unit_price"
    assert f"product {pot} in EUR for a quantity of 2" in error["rule"]


async def test_prices_are_those_of_the_instant_and_none_of_what_is_archived(acme: Tenant) -> None:
    tea = await product(acme)
    year = {"valid_from": "2026-01-01T00:00:00Z", "valid_until": "2026-02-01T00:00:00Z"}
    await book(acme, {"product_id": tea, "unit_price": "9"}, **year)
    price = await acme.made(
        "/v1/prices", price_book_id=await book(acme), product_id=tea, unit_price="10", min_quantity=5
    )
    rows = [
        {"external_id": str(at), "currency": "EUR", "occurred_at": at, "lines": [{"product_id": tea, "quantity": 6}]}
        for at in ("2026-01-05T00:00:00Z", "2026-02-05T00:00:00Z")
    ]

    async def values() -> list[str]:
        created = [await acme.made("/v1/orders", **(each | {"external_id": str(new_id())})) for each in rows]
        return [each["lines"][0]["unit_price"] for each in created]

    assert await values() == ["10.0000", "10.0000"]  # of two defaults the later one
    archived = await acme.post(f"/v1/prices/{price['id']}:archive", {})
    assert archived.status_code == 200, archived.text
    assert await values() == ["9.0000", "12.0000"]


async def test_a_quote_is_held_to_list_prices_and_its_order_keeps_them(acme: Tenant) -> None:
    tea = await product(acme)
    lines = [{"product_id": tea, "quantity": 1, "list_price": "11"}]
    refused = await acme.post("/v1/quotes", {"currency": "EUR", "lines": lines})
    assert [each["field"] for each in refused.json()["errors"]] == ["lines.0.list_price"]
    made = await acme.made("/v1/quotes", currency="EUR", lines=[lines[0] | {"list_price": "12", "unit_price": "11"}])
    await book(acme, {"product_id": tea, "unit_price": "15"})
    amended = await acme.post(
        f"/v1/quotes/{made['id']}:amend", {"lines": made["lines"] + [{"product_id": tea, "quantity": 2}]}
    )
    assert [(each["unit_price"], each["list_price"]) for each in amended.json()["lines"]] == [
        ("11.0000", "15.0000"),
        ("15.0000", "15.0000"),
    ]
    await book(acme, {"product_id": tea, "unit_price": "20"})
    await acme.post(f"/v1/quotes/{made['id']}:send", {})
    accepted = (await acme.post(f"/v1/quotes/{made['id']}:accept", {"signature": "Ada"})).json()
    order = (await acme.get(f"/v1/orders/{accepted['order_id']}")).json()
    assert order["lines"] == amended.json()["lines"]


async def test_another_tenants_book_is_not_there(acme: Tenant, sales: httpx.AsyncClient, theirs: Any) -> None:
    body = {"price_book_id": await book(acme), "lines": [{"quantity": 1, "unit_price": 1}]}
    refused = await sales.post("/v1/orders", json=body, headers=theirs)
    assert [each["field"] for each in refused.json()["errors"]] == ["price_book_id"]
