"""Affinity and next products: random orders, counted straight, are what the API says of them."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

import httpx
import pytest
from tests.analytics.conftest import Fold, happened

from analytics.affinity.reads import MOST_TOGETHER
from kith.events.contacts import CustomerMerged
from kith.events.sales import Line, OrderPlaced
from kith.ids import new_id

Headers = dict[str, str]
PRODUCTS = [new_id() for _ in range(6)]
CUSTOMERS = [new_id() for _ in range(8)]
NOW = datetime.now(UTC)
WEIGHTS = [9, 6, 4, 3, 2, 1]


class Order(NamedTuple):
    at: datetime
    customer: UUID
    products: list[UUID]


def placed(products: Sequence[UUID | None]) -> OrderPlaced:
    lines = [
        Line(line=n, quantity=Decimal(1), unit_price=Decimal(1), amount=Decimal(1), product_id=product)
        for n, product in enumerate(products, start=1)
    ]
    return OrderPlaced(value=Decimal(len(lines)), currency="EUR", lines=lines)


@pytest.fixture
async def orders(fold: Fold, tenant: str) -> list[Order]:
    chance, found, folded = Random(94), list[Order](), list[Any]()
    for _ in range(120):
        at = NOW - timedelta(days=chance.randrange(1, 700), seconds=chance.randrange(86400))
        products = chance.choices(PRODUCTS, WEIGHTS, k=chance.randrange(5))
        found.append(Order(at, chance.choice(CUSTOMERS), products))
        # One line more of a product that is not known.
        event = placed([*products, None] if chance.random() < 0.2 else products)
        folded.append(happened(event, tenant, at, customer_id=found[-1].customer))
    await fold(*folded)
    return found


def straight(
    orders: list[Order], since: datetime, until: datetime, basket: str = "order"
) -> dict[tuple[UUID, UUID], tuple[Any, ...]]:
    apart = defaultdict[Any, set[UUID]](set)
    for n, order in enumerate(orders):
        if since <= order.at < until and order.products:
            apart[order.customer if basket == "customer" else n] |= {*order.products}
    baskets = [*apart.values()]
    each = Counter(product for basket in baskets for product in basket)
    together = Counter(pair for basket in baskets for pair in permutations(basket, 2))
    total = len(baskets)
    return {(a, b): (n, n / total, n / each[a], n / each[a] / (each[b] / total)) for (a, b), n in together.items()}


async def ask(analytics: httpx.AsyncClient, headers: Headers, path: str, **asked: str) -> Any:
    answer = await analytics.get(f"/v1/{path}", params=asked, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


@pytest.mark.parametrize("basket", ["order", "customer"])
@pytest.mark.parametrize("days", [(30, 0), (400, 100), (800, 0)])
async def test_pairs_are_those_of_a_straight_count(
    analytics: httpx.AsyncClient,
    mine: Headers,
    theirs: Headers,
    orders: list[Order],
    days: tuple[int, int],
    basket: str,
) -> None:
    since, until = (NOW - timedelta(days=each) for each in days)
    wanted = straight(orders, since, until, basket)
    asked = {"basket": basket, "from": since.isoformat(), "to": until.isoformat(), "first": "100", "at_least": "1"}
    found = await ask(analytics, mine, "affinity", **asked)
    shown = {
        (UUID(each["product_id"]), UUID(each["other_id"])): (
            each["together"],
            pytest.approx(each["support"]),
            pytest.approx(each["confidence"]),
            pytest.approx(each["lift"]),
        )
        for each in found
    }
    assert shown == wanted
    assert [each["lift"] for each in found] == sorted((each["lift"] for each in found), reverse=True)
    of_one = await ask(analytics, mine, "affinity", product_id=str(PRODUCTS[0]), **asked)
    assert {each["product_id"] for each in of_one} <= {str(PRODUCTS[0])}
    assert len(of_one) == sum(a == PRODUCTS[0] for a, _ in wanted)
    often = await ask(analytics, mine, "affinity", **(asked | {"at_least": "3"}))
    assert len(often) == sum(each[0] >= 3 for each in wanted.values())
    assert await ask(analytics, theirs, "affinity", **asked) == []


async def test_next_are_those_that_it_has_not_ordered_and_that_go_with_what_it_has(
    analytics: httpx.AsyncClient, mine: Headers, orders: list[Order]
) -> None:
    suggested = 0
    for at in (NOW, NOW - timedelta(days=200), NOW - timedelta(days=500)):
        pairs = straight(orders, at - timedelta(days=365), at)
        for customer in CUSTOMERS:
            bought = {p for each in orders if each.customer == customer and each.at < at for p in each.products}
            if not any(each.customer == customer and each.at < at for each in orders):
                continue
            best: dict[UUID, float] = {}
            for (a, b), (n, _, confidence, lift) in pairs.items():
                if n >= 2 and a in bought and b not in bought and lift > 1 + 1e-9:
                    best[b] = max(best.get(b, 0), confidence)
            found = await ask(analytics, mine, f"customers/{customer}/next-products", at=at.isoformat())
            assert {UUID(each["product_id"]): each["confidence"] for each in found} == pytest.approx(best)
            assert all(UUID(each["because_of"]) in bought for each in found)
            suggested += len(found)
    assert suggested > 3


async def test_what_a_merged_customer_has_ordered_is_the_survivors(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold
) -> None:
    one, other, third = (new_id() for _ in range(3))
    a, b, c = PRODUCTS[:3]
    day = NOW - timedelta(days=10)
    orders = [(one, [a]), (other, [b]), (third, [a, b, c]), (third, [a, c]), (third, [b]), (third, [b])]
    events = [
        happened(placed(products), tenant, day + timedelta(hours=n), customer_id=customer)
        for n, (customer, products) in enumerate(orders)
    ]
    await fold(*events)
    (before,) = await ask(analytics, mine, f"customers/{one}/next-products")
    assert (before["product_id"], before["because_of"], before["together"]) == (str(c), str(a), 2)
    merged = CustomerMerged(into=other)
    await fold(happened(merged, tenant, NOW - timedelta(hours=1), subject=one, customer_id=one, aggregate_version=2))
    of_merged = await ask(analytics, mine, f"customers/{one}/next-products")
    assert of_merged == await ask(analytics, mine, f"customers/{other}/next-products") == [before]


async def test_what_cannot_be_is_refused_by_its_field(analytics: httpx.AsyncClient, mine: Headers) -> None:
    for asked, field in (
        ({"first": "101"}, "first"),
        ({"at_least": "0"}, "at_least"),
        ({"to": "2199-01-01T00:00:00Z"}, "to"),
        ({"from": "2026-02-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "to"),
    ):
        answer = await analytics.get("/v1/affinity", params=asked, headers=mine)
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["field"] == field
    answer = await analytics.get(f"/v1/customers/{new_id()}/next-products", headers=mine)
    assert answer.status_code == 404


async def test_who_orders_nearly_everything_is_no_basket(
    fold: Fold, analytics: httpx.AsyncClient, mine: Headers, tenant: str
) -> None:
    at, some = NOW - timedelta(days=1), [new_id() for _ in range(MOST_TOGETHER)]
    greedy, modest = new_id(), new_id()
    for customer in (greedy, modest):
        await fold(happened(placed(some), tenant, at, customer_id=customer))
    asked = {"basket": "customer", "product_id": str(some[0]), "first": "1"}
    assert [each["together"] for each in await ask(analytics, mine, "affinity", **asked)] == [2]
    await fold(happened(placed([new_id()]), tenant, at, customer_id=greedy))
    assert await ask(analytics, mine, "affinity", **asked) == []
