"""Orders with lines, over REST and GraphQL."""

from typing import Any

import httpx
import pytest

from kith.ids import new_id

Headers = dict[str, str]


@pytest.fixture
async def tea(sales: httpx.AsyncClient, mine: Headers) -> str:
    product = {"name": "Tea", "family": "drinks", "price": "4.50", "currency": "EUR"}
    made = await sales.post("/v1/products", json=product, headers=mine)
    return str(made.json()["id"])


def order(tea: str, **fields: Any) -> dict[str, Any]:
    lines = [
        {"product_id": tea, "quantity": 3, "unit_price": "4.50", "discount_percent": 10},
        {"description": "Freight", "quantity": "0.5", "unit_price": "12.01"},
    ]
    return {"currency": "EUR", "lines": lines, **fields}


async def test_an_order_is_worth_what_its_lines_come_to(sales: httpx.AsyncClient, mine: Headers, tea: str) -> None:
    placed = await sales.post("/v1/orders", json=order(tea), headers=mine)
    assert placed.status_code == 201, placed.text
    assert placed.json()["value"] == "18.1600"  # 12.15 and 6.01, of 6.005
    first, second = placed.json()["lines"]
    assert first == {
        "line": 1,
        "product_id": tea,
        "description": None,
        "quantity": "3.0000",
        "unit_price": "4.5000",
        "discount_percent": "10.0000",
        "amount": "12.1500",
        "family": "drinks",
        "bundle_id": None,
        "list_price": "4.5000",
    }
    assert (second["line"], second["description"], second["amount"], second["family"]) == (2, "Freight", "6.0100", None)
    assert (await sales.get(placed.headers["location"], headers=mine)).json() == placed.json()


async def test_the_same_order_sent_twice_is_one_with_the_same_lines(
    sales: httpx.AsyncClient, mine: Headers, tea: str
) -> None:
    first, second = [
        (await sales.post("/v1/orders", json=order(tea, external_id="A1"), headers=mine)).json() for _ in range(2)
    ]
    assert first == second


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"value": "18.15"}, "value"),
        ({"lines": []}, "value"),
        ({"lines": [{"quantity": 0, "unit_price": 1}]}, "lines.0.quantity"),
        ({"lines": [{"quantity": 1, "unit_price": 1}, {"quantity": 1}]}, "lines.1.unit_price"),
        ({"lines": [{"quantity": 1, "unit_price": 1, "discount_percent": 101}]}, "lines.0.discount_percent"),
        ({"lines": [{"quantity": 1, "unit_price": 1, "amount": 2}]}, "lines.0.amount"),
        ({"lines": [{"quantity": 1, "unit_price": 1, "line": 1}] * 2}, "lines.1.line"),
        ({"lines": [{"quantity": 1, "unit_price": 1, "product_id": str(new_id())}]}, "lines.0.product_id"),
        ({"lines": [{"quantity": 10**9, "unit_price": 10**12}]}, "lines"),
        ({"lines": [{"quantity": 1, "unit_price": 1}] * 201}, "lines"),
        ({"lines": "tea"}, "lines"),
    ],
)
async def test_what_is_wrong_is_named_by_its_line(
    sales: httpx.AsyncClient, mine: Headers, tea: str, wrong: dict[str, Any], field: str
) -> None:
    refused = await sales.post("/v1/orders", json=order(tea, **wrong), headers=mine)
    assert refused.status_code == 422, refused.text
    assert [error["field"] for error in refused.json()["errors"]] == [field]


async def test_a_line_has_the_family_of_its_product(sales: httpx.AsyncClient, mine: Headers, tea: str) -> None:
    line = {"product_id": tea, "quantity": 1, "unit_price": 1}
    for family, status in (("drinks", 201), ("chairs", 422)):
        body = {"currency": "EUR", "lines": [line, {**line, "family": family}]}
        answer = await sales.post("/v1/orders", json=body, headers=mine)
        assert answer.status_code == status
    assert [each["field"] for each in answer.json()["errors"]] == ["lines.1.family"]


async def test_another_tenants_product_is_none(
    sales: httpx.AsyncClient, mine: Headers, theirs: Headers, tea: str
) -> None:
    refused = await sales.post("/v1/orders", json=order(tea), headers=theirs)
    assert [each["field"] for each in refused.json()["errors"]] == ["lines.0.product_id"]


async def test_a_bulk_row_that_is_wrong_stops_no_other(sales: httpx.AsyncClient, mine: Headers, tea: str) -> None:
    rows = [order(tea), {"currency": "EUR", "value": 5}, order(str(new_id())), order(tea, lines=[{}])]
    external = [{**row, "external_id": str(n), "occurred_at": "2026-03-01T09:00:00Z"} for n, row in enumerate(rows)]
    answer = (await sales.post("/v1/orders:bulk", json={"rows": external}, headers=mine)).json()
    assert [each["status"] for each in answer["results"]] == ["accepted", "accepted", "rejected", "rejected"]


async def test_graphql_takes_and_shows_lines(sales: httpx.AsyncClient, mine: Headers, tea: str) -> None:
    query = """mutation ($of: PlaceOrderInput!) { placeOrder(input: $of) { ... on Order {
        value lines { line productId quantity unitPrice discountPercent amount family } } } }"""
    of = {"currency": "EUR", "lines": [{"productId": tea, "quantity": "2", "unitPrice": "4.50"}]}
    answer = await sales.post("/graphql", json={"query": query, "variables": {"of": of}}, headers=mine)
    shown = answer.json()["data"]["placeOrder"]
    assert (shown["value"], [each["amount"] for each in shown["lines"]]) == ("9.0000", ["9.0000"])
    assert (shown["lines"][0]["family"], shown["lines"][0]["discountPercent"]) == ("drinks", "0.0000")
