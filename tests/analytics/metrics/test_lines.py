"""The figures of the lines of orders, over REST, are what a straight computation over the lines comes to."""

import json
import random
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest
from msgspec.structs import replace
from tests.analytics.conftest import Fold, at, happened

from kith.events.envelope import Envelope
from kith.events.event import Event
from kith.events.sales import Line, OrderPlaced, OrderReturned, ReturnedLine
from kith.events.subscriptions import SubscriptionRenewed, SubscriptionStarted
from kith.ids import new_id

Headers = dict[str, str]
FAMILIES = (None, "tea", "china", "cake")
PRODUCTS = {str(new_id()): family for family in FAMILIES for _ in range(2)}
CUSTOMERS = (None, new_id(), new_id(), new_id(), new_id())
BEGIN, DAYS = at("2026-01-01"), 120


def ordered(chance: random.Random) -> tuple[datetime, Any, OrderPlaced]:
    lines = [line(chance, number) for number in range(1, chance.randint(1, 5))]
    value = sum((each.amount for each in lines), Decimal(0))
    placed = OrderPlaced(value=value, currency=chance.choice(("EUR", "USD")), country="AT", lines=lines)
    return BEGIN + timedelta(hours=chance.randrange(24 * DAYS)), chance.choice(CUSTOMERS), placed


def line(chance: random.Random, number: int) -> Line:
    product = chance.choice([None, *PRODUCTS])
    quantity, price = Decimal(chance.randint(1, 90)) / 10, Decimal(chance.randint(1, 9_000)) / 100
    return Line(
        line=number,
        quantity=quantity,
        unit_price=price,
        amount=round(quantity * price, 2),
        product_id=UUID(product) if product else None,
        family=PRODUCTS[product] if product else None,
    )


def returned(chance: random.Random, order: OrderPlaced) -> OrderReturned:
    lines = [
        ReturnedLine(
            line=each.line,
            quantity=each.quantity / 2,
            amount=round(each.amount / 2, 2),
            product_id=each.product_id,
            family=each.family,
        )
        for each in order.lines
        if chance.random() < 0.5
    ]
    value = sum((each.amount for each in lines), Decimal(0))
    return OrderReturned(value=value, currency=order.currency, country="AT", lines=lines)


@pytest.mark.parametrize("seed", range(3))
async def test_they_are_what_the_lines_come_to(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold, seed: int
) -> None:
    chance = random.Random(seed)
    orders = [ordered(chance) for _ in range(60)]
    returns = [(time + timedelta(days=3), customer, returned(chance, order)) for time, customer, order in orders[::2]]
    await fold(*(happened(each, tenant, time, customer) for time, customer, each in (*orders, *returns)))
    start, end = (BEGIN + timedelta(days=chance.randrange(*days)) for days in ((0, 50), (51, DAYS)))
    params = {"from": start.isoformat(), "to": end.isoformat()}

    async def by(id: str, dimension: str) -> Mapping[tuple[str, str | None], Decimal]:
        grouped: dict[str, Any] = {**params, "groupBy": [dimension, "currency"]}
        found = await analytics.get(f"/v1/metrics/{id}", params=grouped, headers=mine)
        assert found.status_code == 200, found.text
        cells = json.loads(found.text, parse_float=Decimal)["breakdown"]
        return {(each["group"][1]["value"], each["group"][0]["value"]): Decimal(each["value"]) for each in cells}

    within, back = (
        [(each.currency, line) for time, _, each in some if start <= time < end for line in each.lines]
        for some in (orders, returns)
    )
    for name, field in (("product", "product_id"), ("family", "family")):
        revenue, net, units = (defaultdict[Any, Decimal](Decimal) for _ in range(3))
        for currency, each in within:
            key = (currency, getattr(each, field) and str(getattr(each, field)))
            revenue[key] += each.amount
            net[key] += each.amount
            units[key] += each.quantity
        for currency, each in back:
            net[currency, getattr(each, field) and str(getattr(each, field))] -= each.amount
        assert await by("sales.product_revenue", name) == revenue
        assert await by("sales.net_product_revenue", name) == net
        assert await by("sales.units_sold", name) == units

    bought: dict[Any, set[Any]] = defaultdict(set)
    for time, customer, order in orders:
        if time < end and customer is not None:
            bought[customer] |= {each.family for each in order.lines} - {None}
    sold = await analytics.get("/v1/metrics/marketing.cross_sell", params=params, headers=mine)
    several, buyers = sum(len(each) > 1 for each in bought.values()), sum(len(each) > 0 for each in bought.values())
    assert (sold.json()["numerator"], sold.json()["denominator"]) == (several, buyers)


async def test_who_moves_up_is_counted_in_the_period_of_the_order_or_of_the_renewal(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold
) -> None:
    def order(day: int, customer: UUID, *lines: tuple[str, int], currency: str = "EUR") -> Envelope:
        sold = [
            Line(
                line=n, quantity=Decimal(3), unit_price=Decimal(price), amount=Decimal(1), discount_percent=Decimal(50),
                family="chairs", product_id=UUID(int=ord(item)),
            )
            for n, (item, price) in enumerate(lines, start=1)
        ]  # fmt: skip
        placed = OrderPlaced(value=Decimal(1), currency=currency, lines=sold)
        return happened(placed, tenant, BEGIN + timedelta(days=day), customer)

    def renewed(*of: tuple[int, str, int, str]) -> list[Envelope]:
        subject, customer, told = new_id(), new_id(), []
        for version, (day, plan, price, period) in enumerate(of, start=1):
            at = BEGIN + timedelta(days=day)
            same: dict[str, Any] = {"plan": plan, "seats": version, "unit_price": Decimal(price), "currency": "EUR"}
            same |= {"billing_period": period, "steps": [], "mrr": Decimal(1)}
            event: Event = SubscriptionStarted(starts_at=at, auto_renew=True, **same)
            if version > 1:
                same |= {"value": Decimal(1), "term_months": 1, "term_starts_at": at, "term_ends_at": at}
                event = SubscriptionRenewed(effective_at=at, **same)
            told.append(happened(event, tenant, at, customer, subject=subject, aggregate_version=version))
        return told

    up, down, same, mixed, other, late = (new_id() for _ in range(6))
    await fold(
        *(order(1, up, ("a", 10)), order(12, up, ("b", 20))),
        *(order(1, down, ("b", 20)), order(12, down, ("a", 10))),
        *(order(1, same, ("a", 10)), order(12, same, ("a", 20))),
        *(order(1, mixed, ("b", 20), ("a", 10)), order(12, mixed, ("b", 20))),
        *(order(1, other, ("a", 10)), order(12, other, ("b", 20), currency="USD")),
        *(order(1, late, ("a", 10)), order(25, late, ("b", 20))),
        *renewed((1, "team", 10, "monthly"), (12, "pro", 200, "yearly")),
        *renewed((1, "team", 10, "monthly"), (13, "pro", 100, "yearly"), (14, "team", 10, "monthly")),
        *renewed((2, "pro", 20, "monthly")),
    )

    async def asked(first: int, last: int) -> tuple[Any, Any]:
        params = {"from": (BEGIN + timedelta(days=first)).isoformat(), "to": (BEGIN + timedelta(days=last)).isoformat()}
        figure = (await analytics.get("/v1/metrics/marketing.up_sell", params=params, headers=mine)).json()
        return figure["numerator"], figure["denominator"]

    assert await asked(0, 10) == (0, 6)
    assert await asked(10, 20) == (3, 7)  # up, from 10 to 16.67 a month, and back from 8.33 to 10
    assert await asked(20, 30) == (1, 1)
    assert await asked(0, 30) == (4, 8)


async def test_an_order_is_one_member_with_what_its_lines_come_to(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold
) -> None:
    lines = [
        Line(line=n, quantity=Decimal(1), unit_price=Decimal(n), amount=Decimal(n), family="tea" if n < 3 else "china")
        for n in (1, 2, 3)
    ]
    placed = OrderPlaced(value=Decimal(6), currency="EUR", lines=lines)
    await fold(happened(placed, tenant, BEGIN, CUSTOMERS[1]), happened(placed, tenant, BEGIN, CUSTOMERS[2]))
    params = {"from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z", "filter": "family:tea", "first": "1"}
    path = "/v1/metrics/sales.product_revenue/members"
    first = (await analytics.get(path, params=params, headers=mine)).json()
    second = (await analytics.get(path, params={**params, "after": first["next"]}, headers=mine)).json()
    items = [*first["items"], *second["items"]]
    assert ([each["value"] for each in items], second["next"]) == ([3, 3], None)
    assert {each["customer_id"] for each in items} == {str(each) for each in CUSTOMERS[1:3]}


@pytest.mark.parametrize(
    "lines",
    [
        "no list",
        [None, 1, "line", [], {}],
        [{"amount": "NaN", "quantity": "1e9"}, {"amount": {"of": 3}, "quantity": [2], "family": None}],
        [{"amount": "9" * 300, "quantity": "-1"}],
    ],
)
async def test_lines_that_nobody_could_have_sent_count_nothing_and_break_nothing(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold, lines: Any
) -> None:
    """Whoever puts an event on the bus by itself."""
    right = Line(line=1, quantity=Decimal(2), unit_price=Decimal(5), amount=Decimal(10), family="tea")
    good = happened(OrderPlaced(value=Decimal(10), currency="EUR", lines=[right]), tenant, BEGIN, CUSTOMERS[1])
    body = {"value": "10", "currency": "EUR", "lines": lines}
    await fold(good, replace(good, id=new_id(), subject=new_id(), data=json.dumps(body).encode()))
    params = {"from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z"}
    for id, value in (
        ("sales.product_revenue", 10),
        ("sales.units_sold", 2),
        ("marketing.cross_sell", 0),
        ("marketing.up_sell", 0),
    ):
        by = {} if id.startswith("marketing") else {"groupBy": "family"}
        answer = await analytics.get(f"/v1/metrics/{id}", params={**params, **by}, headers=mine)
        assert (answer.status_code, answer.json().get("value")) == (200, value), answer.text
