"""Returns of lines of an order: never more than is left of each, and what is given back adds up."""

import asyncio
from decimal import Decimal
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kith.ids import new_id
from kith.testing import Issuer, Tenant
from sales.orders.rules import OrderedLine

AT = "2026-03-01T12:00:00Z"
LINES = [
    {"quantity": 3, "unit_price": "3.34", "discount_percent": "0.2"},  # 10.00
    {"description": "Freight", "quantity": "0.5", "unit_price": "12.01"},  # 6.01
]


@pytest.fixture
def acme(sales: httpx.AsyncClient, issuer: Issuer, tenant: str) -> Tenant:
    return Tenant(sales, issuer, tenant)


async def ordered(acme: Tenant, **fields: Any) -> Any:
    given = {"customer_id": str(new_id()), "currency": "EUR", "lines": LINES, "occurred_at": AT}
    return await acme.made("/v1/orders", **(given | fields))


def line(number: int, quantity: Any, **fields: Any) -> dict[str, Any]:
    return {"line": number, "quantity": quantity, **fields}


async def test_a_return_is_worth_the_parts_of_its_lines(acme: Tenant) -> None:
    tea = await acme.made("/v1/products", name="Tea", family="drinks", price="4", currency="EUR")
    order = await ordered(acme, lines=[{"product_id": tea["id"], "quantity": 3, "unit_price": "4"}, *LINES])
    made = await acme.made("/v1/returns", order_id=order["id"], lines=[line(1, 1), line(3, "0.25")])
    assert (made["value"], made["currency"], made["customer_id"]) == ("7.0100", "EUR", order["customer_id"])
    of_tea, freight = made["lines"]
    assert of_tea == {
        "line": 1,
        "quantity": "1.0000",
        "amount": "4.0000",
        "product_id": tea["id"],
        "family": "drinks",
    }
    assert (freight["amount"], freight["product_id"], freight["family"]) == ("3.0100", None, None)
    rest = await acme.made("/v1/returns", order_id=order["id"], lines=[line(3, "0.25"), line(1, 2), line(2, 3)])
    assert Decimal(made["value"]) + Decimal(rest["value"]) == Decimal(order["value"])


async def test_piece_by_piece_no_cent_is_lost(acme: Tenant) -> None:
    order = await ordered(acme)
    back = [await acme.made("/v1/returns", order_id=order["id"], lines=[line(1, 1)]) for _ in range(3)]
    assert [each["value"] for each in back] == ["3.3300", "3.3400", "3.3300"]


@given(st.lists(st.integers(1, 40), min_size=1), st.integers(0, 10**6), st.sampled_from(("EUR", "JPY", "BHD")))
def test_all_parts_come_to_the_line_and_none_is_below_nothing(parts: list[int], cents: int, currency: str) -> None:
    amount = Decimal(cents) / {"EUR": 100, "JPY": 1, "BHD": 1000}[currency]
    line = OrderedLine(Decimal(sum(parts)), amount, None, None)
    back = list[Decimal]()
    for each in map(Decimal, parts):
        back.append(line.amount_of(each, currency))
        line.taken += each
    assert sum(back) == amount
    assert min(back) >= 0


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"lines": [line(1, 1), line(2, "0.6")]}, "lines.1.quantity"),
        ({"lines": [line(1, 1), line(3, 1)]}, "lines.1.line"),
        ({"lines": [line(1, 1), line(1, 1)]}, "lines.1.line"),
        ({"lines": [line(1, 0)]}, "lines.0.quantity"),
        ({"lines": [line(0, 1)]}, "lines.0.line"),
        ({"lines": [line(1, 1, amount="3.34")]}, "lines.0.amount"),
        ({"lines": [line(1, 1, product_id=str(new_id()))]}, "lines.0.product_id"),
        ({"lines": [line(1, 1, family="tea")]}, "lines.0.family"),
        ({"lines": [line(1, 1)], "value": "3.34"}, "value"),
        ({"lines": []}, "value"),
        ({"lines": [line(1, 1)], "order_id": None, "currency": "EUR"}, "order_id"),
        ({"lines": [line(1, 1)], "order_id": str(new_id())}, "order_id"),
        ({"lines": [line(1, 1)] * 201}, "lines"),
    ],
)
async def test_what_is_wrong_is_named_by_its_line(acme: Tenant, wrong: dict[str, Any], field: str) -> None:
    order = await ordered(acme)
    refused = await acme.post("/v1/returns", {"order_id": order["id"], **wrong})
    assert refused.status_code == 422, refused.text
    assert [each["field"] for each in refused.json()["errors"]] == [field]


async def test_a_return_without_lines_leaves_less_for_those_with(acme: Tenant) -> None:
    order = await ordered(acme)
    await acme.made("/v1/returns", order_id=order["id"], value="12.68")
    refused = await acme.post("/v1/returns", {"order_id": order["id"], "lines": [line(1, 1)]})
    assert refused.status_code == 201, refused.text  # 16.01 less 12.68 is 3.33
    refused = await acme.post("/v1/returns", {"order_id": order["id"], "lines": [line(1, 1)]})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "lines")
    assert refused.json()["type"].endswith("more-than-is-left")


async def test_returns_of_one_request_are_added_up(acme: Tenant) -> None:
    order, other = await ordered(acme), await ordered(acme)
    rows = [
        {"external_id": str(n), "occurred_at": AT, "order_id": each["id"], "lines": [line(1, quantity)]}
        for n, (each, quantity) in enumerate([(order, 2), (order, 2), (other, 2), (order, 1), (order, 1)])
    ]
    answer = (await acme.post("/v1/returns:bulk", {"rows": rows})).json()["results"]
    assert [each["status"] for each in answer] == ["accepted", "rejected", "accepted", "accepted", "rejected"]
    assert [each["field"] for each in answer[1]["problem"]["errors"]] == ["lines.0.quantity"]
    again = (await acme.post("/v1/returns:bulk", {"rows": [rows[each] for each in (0, 2, 3)]})).json()
    assert again["unchanged"] == 3


async def test_of_many_who_return_a_line_at_once_none_gets_what_is_not_left(acme: Tenant) -> None:
    order = await ordered(acme)
    body = {"order_id": order["id"], "lines": [line(1, 1), line(2, "0.1")]}
    answers = await asyncio.gather(*(acme.post("/v1/returns", body) for _ in range(10)))
    assert sorted(each.status_code for each in answers) == [201] * 3 + [422] * 7
    assert sum(Decimal(each.json()["lines"][0]["amount"]) for each in answers if each.status_code == 201) == 10


async def test_another_tenants_lines_are_not_there(acme: Tenant, sales: httpx.AsyncClient, theirs: Any) -> None:
    order = await ordered(acme)
    body = {"order_id": order["id"], "lines": [line(1, 1)]}
    refused = await sales.post("/v1/returns", json=body, headers=theirs)
    assert [each["field"] for each in refused.json()["errors"]] == ["order_id"]


async def test_graphql_takes_and_shows_the_lines(acme: Tenant, sales: httpx.AsyncClient, mine: Any) -> None:
    order = await ordered(acme)
    query = """mutation ($of: RecordReturnInput!) { recordReturn(input: $of) { ... on Return {
        value lines { line quantity amount productId family } } } }"""
    of = {"orderId": order["id"], "lines": [{"line": 1, "quantity": "1"}]}
    shown = (await sales.post("/graphql", json={"query": query, "variables": {"of": of}}, headers=mine)).json()
    made = shown["data"]["recordReturn"]
    assert (made["value"], made["lines"][0]["amount"], made["lines"][0]["family"]) == ("3.3300", "3.3300", None)
