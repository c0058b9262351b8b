"""A record that names another one follows it: it is of that one's customer, currency and country where it
says nothing, and may not say otherwise."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from strawberry.utils.str_converters import to_camel_case

from contacts.service import SERVICE as CONTACTS
from kith.db.login import sqlalchemy_url
from kith.ids import new_id
from kith.nouns.calls import Call
from kith.nouns.parameters import row_model
from kith.runtime.service import Service
from kith.testing import Answer, Issuer, Tenant
from kith_local.postgres import EmbeddedPostgres
from sales.returns.form import RETURNS
from sales.service import SERVICE as SALES

Serve = Callable[[Service], Awaitable[httpx.AsyncClient]]
Fields = Mapping[str, Any]
AT = "2026-03-01T12:00:00Z"


@pytest.fixture
async def sales(serve: Serve, issuer: Issuer, tenant: str) -> Tenant:
    return Tenant(await serve(SALES), issuer, tenant)


@pytest.fixture
async def contacts(serve: Serve, issuer: Issuer, tenant: str) -> Tenant:
    return Tenant(await serve(CONTACTS), issuer, tenant)


async def single(mine: Tenant, noun: str, fields: Fields) -> tuple[Answer | None, Answer | None]:
    """What was made, or the problem."""
    answer = await mine.post(f"/v1/{noun}", dict(fields))
    body: Answer = answer.json()
    return (body, None) if answer.status_code == 201 else (None, body)


async def bulk(mine: Tenant, noun: str, fields: Fields) -> tuple[Answer | None, Answer | None]:
    row = {"external_id": str(new_id()), "occurred_at": AT, **fields}
    (result,) = (await mine.post(f"/v1/{noun}:bulk", {"rows": [row]})).json()["results"]
    if result["status"] != "accepted":
        return None, result["problem"]
    return (await mine.get(f"/v1/{noun}/{result['id']}")).json(), None


MUTATIONS = {
    "orders": ("place", "Order"),
    "returns": ("record", "Return"),
    "touchpoints": ("record", "Touchpoint"),
    "opportunities": ("open", "Opportunity"),
}


async def graphql(mine: Tenant, noun: str, fields: Fields) -> tuple[Answer | None, Answer | None]:
    verb, thing = MUTATIONS[noun]
    names = {to_camel_case(name): name for name in fields}
    given = {
        to_camel_case(name): value.upper() if name in ("channel", "direction") else value
        for name, value in fields.items()
    }
    query = f"""mutation($input: {verb.capitalize()}{thing}Input!) {{ {verb}{thing}(input: $input) {{
        ... on {thing} {{ id }} ... on Problem {{ status errors {{ field }} }} }} }}"""
    made = (await mine.ask(query, input=given))[f"{verb}{thing}"]
    if "id" not in made:
        errors = [{"field": names.get(each["field"], to_snake(each["field"]))} for each in made["errors"]]
        return None, {"status": made["status"], "errors": errors}
    return (await mine.get(f"/v1/{noun}/{made['id']}")).json(), None


def to_snake(name: str) -> str:
    return re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name)


WAYS = pytest.mark.parametrize("send", [single, bulk, graphql])
Send = Callable[[Tenant, str, Fields], Awaitable[tuple[Answer | None, Answer | None]]]


def assert_refused(problem: Answer | None, field: str) -> None:
    assert problem is not None
    assert (problem["status"], [each["field"] for each in problem["errors"]]) == (422, [field])


@WAYS
async def test_an_order_is_of_the_customer_and_the_currency_of_its_opportunity(sales: Tenant, send: Send) -> None:
    customer = str(new_id())
    deal = await sales.made("/v1/opportunities", name="Beans", currency="EUR", customer_id=customer)
    order, _ = await send(sales, "orders", {"value": "10.00", "opportunity_id": deal["id"]})
    assert order is not None
    assert (order["customer_id"], order["currency"]) == (customer, "EUR")
    order, _ = await send(
        sales, "orders", {"value": "10.00", "currency": "EUR", "opportunity_id": deal["id"], "customer_id": customer}
    )
    assert order is not None
    for wrong in ({"currency": "USD"}, {"customer_id": str(new_id())}):
        _, problem = await send(sales, "orders", {"value": "10.00", "opportunity_id": deal["id"], **wrong})
        assert_refused(problem, *wrong)


@WAYS
async def test_what_nobody_knows_of_the_opportunity_the_order_may_say(sales: Tenant, send: Send) -> None:
    deal = await sales.made("/v1/opportunities", name="Beans", currency="EUR")
    customer = str(new_id())
    order, _ = await send(sales, "orders", {"value": "10.00", "opportunity_id": deal["id"], "customer_id": customer})
    assert order is not None
    assert order["customer_id"] == customer


@WAYS
async def test_without_an_opportunity_an_order_says_its_currency_itself(sales: Tenant, send: Send) -> None:
    _, problem = await send(sales, "orders", {"value": "10.00"})
    assert_refused(problem, "currency")


@WAYS
async def test_an_amount_fits_the_currency_that_is_taken(sales: Tenant, send: Send) -> None:
    deal = await sales.made("/v1/opportunities", name="Beans", currency="JPY")
    _, problem = await send(sales, "orders", {"value": "10.50", "opportunity_id": deal["id"]})
    assert_refused(problem, "value")


@WAYS
async def test_an_opportunity_is_in_the_currency_of_its_product(sales: Tenant, send: Send) -> None:
    product = await sales.made("/v1/products", name="Beans", price="5", currency="USD")
    deal, _ = await send(sales, "opportunities", {"name": "Beans", "product_id": product["id"]})
    assert deal is not None
    assert deal["currency"] == "USD"
    _, problem = await send(sales, "opportunities", {"name": "Beans", "product_id": product["id"], "currency": "EUR"})
    assert_refused(problem, "currency")


async def test_nor_is_one_amended_to_a_product_in_another(sales: Tenant) -> None:
    product = await sales.made("/v1/products", name="Beans", price="5", currency="USD")
    deal = await sales.made("/v1/opportunities", name="Beans", currency="EUR")
    refused = await sales.post(f"/v1/opportunities/{deal['id']}:amend", {"product_id": product["id"]})
    assert refused.status_code == 422
    assert_refused(refused.json(), "product_id")


@WAYS
async def test_a_touchpoint_is_with_the_customer_of_its_contact(contacts: Tenant, send: Send) -> None:
    customer, other = [await contacts.made("/v1/customers", kind="person", name=name) for name in ("Ada", "Grace")]
    contact = await contacts.made("/v1/contacts", customer_id=customer["id"], name="Ada")
    fields = {"channel": "email", "direction": "inbound", "contact_id": contact["id"]}
    touchpoint, _ = await send(contacts, "touchpoints", fields)
    assert touchpoint is not None
    assert touchpoint["customer_id"] == customer["id"]
    _, problem = await send(contacts, "touchpoints", fields | {"customer_id": other["id"]})
    assert_refused(problem, "customer_id")
    _, problem = await send(contacts, "touchpoints", {"channel": "email", "direction": "inbound"})
    assert_refused(problem, "customer_id")


async def ordered(sales: Tenant, value: str = "100", **fields: object) -> Answer:
    given = {"customer_id": str(new_id()), "currency": "EUR", "country": "Austria", "occurred_at": AT} | fields
    return await sales.made("/v1/orders", value=value, **given)


@WAYS
async def test_a_return_is_of_the_customer_the_currency_and_the_country_of_its_order(sales: Tenant, send: Send) -> None:
    order = await ordered(sales)
    made, _ = await send(sales, "returns", {"value": "10", "order_id": order["id"]})
    assert made is not None
    assert [made[name] for name in ("customer_id", "currency", "country")] == [
        order[name] for name in ("customer_id", "currency", "country")
    ]
    for wrong in ({"customer_id": str(new_id())}, {"currency": "USD"}, {"country": "Spain"}):
        _, problem = await send(sales, "returns", {"value": "10", "order_id": order["id"], **wrong})
        assert_refused(problem, *wrong)


@WAYS
async def test_no_more_is_returned_than_is_left_of_the_order(sales: Tenant, send: Send) -> None:
    order = await ordered(sales, "100")
    assert (await send(sales, "returns", {"value": "60", "order_id": order["id"]}))[0] is not None
    _, problem = await send(sales, "returns", {"value": "40.01", "order_id": order["id"]})
    assert_refused(problem, "value")
    assert (await send(sales, "returns", {"value": "40", "order_id": order["id"]}))[0] is not None
    _, problem = await send(sales, "returns", {"value": "0.01", "order_id": order["id"]})
    assert_refused(problem, "value")


@WAYS
async def test_nothing_is_returned_before_it_was_ordered(sales: Tenant, send: Send) -> None:
    order = await ordered(sales)
    early = {"value": "10", "order_id": order["id"], "occurred_at": "2026-03-01T11:59:59Z"}
    _, problem = await send(sales, "returns", early)
    assert_refused(problem, "occurred_at")
    assert (await send(sales, "returns", early | {"occurred_at": AT}))[0] is not None


async def test_returns_of_one_order_in_one_request_are_added_up(sales: Tenant) -> None:
    order = await ordered(sales, "100")
    rows = [{"external_id": str(n), "occurred_at": AT, "value": "30", "order_id": order["id"]} for n in range(5)]
    answer = (await sales.post("/v1/returns:bulk", {"rows": rows})).json()
    assert [each["status"] for each in answer["results"]] == ["accepted"] * 3 + ["rejected"] * 2
    again = (await sales.post("/v1/returns:bulk", {"rows": rows[:3]})).json()
    assert again["unchanged"] == 3


async def test_what_is_refused_takes_nothing_of_what_is_left(sales: Tenant) -> None:
    order = await ordered(sales, "100")
    row = {"occurred_at": AT, "value": "100", "order_id": order["id"]}
    to_come = row | {"occurred_at": "2199-01-01T00:00:00Z"}
    rows = [to_come | {"external_id": "1"}, row | {"external_id": "2"}, row | {"external_id": "3"}]
    answer = (await sales.post("/v1/returns:bulk", {"rows": rows})).json()
    assert [each["status"] for each in answer["results"]] == ["rejected", "accepted", "rejected"]
    assert_refused(answer["results"][0]["problem"], "occurred_at")


async def test_of_many_who_return_at_once_none_gets_what_is_not_left(sales: Tenant) -> None:
    order = await ordered(sales, "100")
    body = {"value": "30", "order_id": order["id"]}
    answers = await asyncio.gather(*(sales.post("/v1/returns", body) for _ in range(12)))
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [422] * 9
    kept = (await sales.get("/v1/returns", first=50)).json()["items"]
    assert sum(Decimal(each["value"]) for each in kept) == Decimal(90)


async def test_rows_from_before_stay_as_they_are(sales: Tenant, tenant: str, postgres: EmbeddedPostgres) -> None:
    """Sent again they are unchanged, though they would be refused today."""
    order, other = await ordered(sales), str(new_id())
    row = {"external_id": "x", "occurred_at": AT, "value": "500", "currency": "EUR", "customer_id": other}
    made = (await sales.post("/v1/returns:bulk", {"rows": [row]})).json()["results"][0]
    with_order = row | {"order_id": order["id"]}
    engine = create_async_engine(sqlalchemy_url(postgres.url("kith_sales")))
    async with engine.begin() as connection:
        await connection.execute(
            text("UPDATE returns SET order_id = :order, external_hash = :hash WHERE tenant_id = :tenant"),
            {"order": order["id"], "hash": _hash_of(with_order), "tenant": tenant},
        )
    await engine.dispose()
    again = (await sales.post("/v1/returns:bulk", {"rows": [with_order]})).json()["results"][0]
    assert (again["status"], again["id"]) == ("unchanged", made["id"])
    new = await sales.post("/v1/returns", {"value": "1", "order_id": order["id"]})
    assert_refused(new.json(), "value")


def _hash_of(row: Fields) -> int:
    command = RETURNS.create
    given = row_model(command).model_validate_json(json.dumps(row))
    return Call(command, given, external_id=given.external_id, remembered=True).fingerprint(RETURNS)


async def test_what_another_tenant_has_is_not_there(
    sales: Tenant, serve: Serve, issuer: Issuer, other_tenant: str
) -> None:
    theirs = Tenant(await serve(SALES), issuer, other_tenant)
    order = await ordered(theirs)
    for send in (single, bulk, graphql):
        _, problem = await send(sales, "returns", {"value": "1", "order_id": order["id"], "currency": "EUR"})
        assert_refused(problem, "order_id")
