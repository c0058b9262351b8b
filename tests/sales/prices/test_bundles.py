"""Bundles: the lines of their components share what a bundle comes to, to the cent."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kith.errors import Invalid
from kith.ids import new_id
from kith.scalars import MOST_QUANTITY
from kith.scalars.currencies import MINOR_UNITS
from kith.testing import Issuer, Tenant
from sales.prices.rules import Component, Pricing
from sales.values import Line, completed, least_of

AT = datetime(2026, 3, 1, tzinfo=UTC)
SET, PARTS = new_id(), [new_id() for _ in range(5)]
AMOUNTS = st.decimals(0, 10_000, places=2)
QUANTITIES = st.integers(1, 2_000).map(Decimal)


def pricing(*components: tuple[Decimal, Decimal], currency: str = "EUR") -> Pricing:
    """Of each component its quantity, and what it costs alone."""
    costs = {part: (price, currency) for part, (_, price) in zip(PARTS, components, strict=False)}
    parts = [Component(part, "tea", of_it) for part, (of_it, _) in zip(PARTS, components, strict=False)]
    return Pricing(products=costs | {SET: (Decimal(100), currency)}, bundles={SET: parts})


def apart(of: Pricing, *lines: Line, currency: str = "EUR", last: int = 0) -> list[Line]:
    return of.apart(completed(of.listed(lines, currency, AT, None), currency, last=last), currency, AT, None, last=last)


@given(
    st.lists(st.tuples(QUANTITIES, AMOUNTS), min_size=1, max_size=5),
    QUANTITIES,
    AMOUNTS,
    st.sampled_from(("EUR", "JPY", "BHD")),
    st.integers(0, 100).map(Decimal),
)
def test_the_shares_add_up_and_are_what_they_are_when_they_are_sent_again(
    components: list[tuple[Decimal, Decimal]], quantity: Decimal, price: Decimal, currency: str, off: Decimal
) -> None:
    of = pricing(*components, currency=currency)
    whole = Line(product_id=SET, quantity=quantity, unit_price=price, discount_percent=off, list_price=price)
    (before,) = completed([whole], currency)
    parts = apart(of, whole, currency=currency)
    assert sum(each.amount for each in parts) == before.amount
    assert min(each.amount for each in parts) >= 0
    assert [each.quantity for each in parts] == [quantity * of_it for of_it, _ in components]
    assert all(each.amount == round(each.amount, MINOR_UNITS[currency]) for each in parts)
    assert completed(parts, currency, kept=[each.number for each in parts], last=9) == parts
    assert all(each.amount >= least_of(each, off, currency) for each in parts)
    assert apart(of, *parts, currency=currency) == parts


def test_each_has_the_share_that_it_costs_alone_and_a_number_of_its_own() -> None:
    of = pricing((Decimal(2), Decimal(30)), (Decimal(1), Decimal(60)))
    first, tea, pot, last = apart(
        of,
        Line(quantity=Decimal(1), unit_price=Decimal(5)),
        Line(product_id=SET, quantity=Decimal(3), discount_percent=Decimal(10)),
        Line(quantity=Decimal(1), unit_price=Decimal(7)),
        last=4,
    )
    assert [each.line for each in (first, tea, pot, last)] == [5, 6, 8, 7]
    of_tea, of_pot = ([each.quantity, each.amount, each.unit_price, each.list_price] for each in (tea, pot))
    assert of_tea == [*map(Decimal, ("6", "135", "22.5", "25"))]
    assert of_pot == [*map(Decimal, ("3", "135", "45", "50"))]
    assert {each.bundle_id for each in (tea, pot)} == {SET}


def test_what_costs_nothing_is_shared_by_quantity() -> None:
    of = pricing((Decimal(3), Decimal(0)), (Decimal(1), Decimal(0)))
    assert [each.amount for each in apart(of, Line(product_id=SET, quantity=Decimal(1)))] == [Decimal(75), Decimal(25)]


@pytest.mark.parametrize(
    ("quantity", "prices", "field"),
    [
        (Decimal("0.0001"), {PARTS[0]: (Decimal(1), "EUR")}, "lines.0.quantity"),
        (Decimal(MOST_QUANTITY), {PARTS[0]: (Decimal(1), "EUR")}, "lines.0.quantity"),
        (Decimal(1), {PARTS[0]: (Decimal(1), "USD")}, "lines.0.product_id"),
    ],
)
def test_what_cannot_be_taken_apart_is_refused(quantity: Decimal, prices: Any, field: str) -> None:
    of = Pricing(products=prices, bundles={SET: [Component(PARTS[0], None, Decimal("1.5"))]})
    with pytest.raises(Invalid) as refused:
        apart(of, Line(product_id=SET, quantity=Decimal(quantity), unit_price=Decimal(1)))
    assert refused.value.field == field


@pytest.fixture
def acme(sales: httpx.AsyncClient, issuer: Issuer, tenant: str) -> Tenant:
    return Tenant(sales, issuer, tenant)


async def made_of(acme: Tenant) -> tuple[str, str, str]:
    tea = await acme.made("/v1/products", name="Tea", family="tea", price=10, currency="EUR")
    pot = await acme.made("/v1/products", name="Pot", family="china", price=40, currency="EUR")
    components = [{"product_id": tea["id"], "quantity": 2}, {"product_id": pot["id"], "quantity": 1}]
    bundle = await acme.made("/v1/products", name="Set", price=50, currency="EUR", components=components)
    return bundle["id"], tea["id"], pot["id"]


async def test_an_order_of_a_bundle_is_one_of_its_components(acme: Tenant) -> None:
    bundle, tea, pot = await made_of(acme)
    lines = [{"product_id": bundle, "quantity": 3}]
    quote = await acme.made("/v1/quotes", currency="EUR", lines=lines)
    found = [
        (each["product_id"], each["family"], each["quantity"], each["amount"], each["bundle_id"])
        for each in quote["lines"]
    ]
    assert found == [(tea, "tea", "6.0000", "50.0000", bundle), (pot, "china", "3.0000", "100.0000", bundle)]
    assert [each["unit_price"] for each in quote["lines"]] == ["8.3333", "33.3333"]
    again = await acme.post(f"/v1/quotes/{quote['id']}:amend", {"lines": [*quote["lines"], lines[0]]})
    assert again.json()["lines"][:2] == quote["lines"]
    assert (again.json()["value"], [each["line"] for each in again.json()["lines"]]) == ("300.0000", [1, 2, 3, 4])
    await acme.post(f"/v1/quotes/{quote['id']}:send", {})
    accepted = (await acme.post(f"/v1/quotes/{quote['id']}:accept", {"signature": "Ada"})).json()
    order = (await acme.get(f"/v1/orders/{accepted['order_id']}")).json()
    assert (order["value"], order["lines"]) == ("300.0000", again.json()["lines"])
    returned = await acme.made("/v1/returns", order_id=order["id"], lines=[{"line": 1, "quantity": 6}])
    assert returned["value"] == "50.0000"


async def test_an_opportunity_has_the_components_of_a_bundle_that_is_put_away_as_well(acme: Tenant) -> None:
    bundle, tea, pot = await made_of(acme)
    for each in (tea, bundle):
        await acme.post(f"/v1/products/{each}:archive", {})
    lines = [{"product_id": bundle, "quantity": 3}]
    opened = await acme.made("/v1/opportunities", name="Sets", currency="EUR", lines=lines)
    assert [(each["product_id"], each["bundle_id"]) for each in opened["lines"]] == [(tea, bundle), (pot, bundle)]
    amended = await acme.post(f"/v1/opportunities/{opened['id']}:amend", {"lines": [*opened["lines"], *lines]})
    assert [each["line"] for each in amended.json()["lines"]] == [1, 2, 3, 4]
    again = await acme.post(f"/v1/opportunities/{opened['id']}:amend", {"lines": lines})
    assert ([each["line"] for each in again.json()["lines"]], again.json()["value"]) == ([5, 6], "150.0000")


async def test_a_bundle_is_of_products_that_are_none(acme: Tenant) -> None:
    bundle, tea, _ = await made_of(acme)
    for wrong, place in ([bundle], 0), ([tea, tea], 1), ([str(new_id())], 0):
        components = [{"product_id": each, "quantity": 1} for each in wrong]
        body = {"name": "Set", "price": 1, "currency": "EUR", "components": components}
        refused = await acme.post("/v1/products", body)
        assert [each["field"] for each in refused.json()["errors"]] == [f"components.{place}.product_id"]
