"""The fold against PostgreSQL: every event once, whatever the bus does with it."""

import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.analytics.conftest import at, happened

from analytics.consumers import handle
from kith.events.envelope import Envelope
from kith.events.sales import OrderPlaced, OrderReturned
from kith.ids import new_id

Headers = dict[str, str]
Fold = Callable[..., Awaitable[None]]
BOUGHT = OrderPlaced(value=Decimal("9.99"), currency="EUR")
SUMMER = {"from": "2011-06-01T00:00:00Z", "to": "2011-09-01T00:00:00Z"}


async def figure(analytics: httpx.AsyncClient, headers: Headers, id: str, **interval: str) -> Any:
    answer = await analytics.get(f"/v1/metrics/{id}", params=interval or SUMMER, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def counts(analytics: httpx.AsyncClient, headers: Headers, id: str) -> dict[str, float]:
    return {each["name"]: each["value"] for each in (await figure(analytics, headers, id))["components"]}


async def spans(worker: AsyncEngine, tenant: str) -> list[Any]:
    async with worker.connect() as connection:
        rows = await connection.execute(
            text("SELECT customer_id, starts_at, ends_at FROM activity_spans WHERE tenant_id = :t ORDER BY 1, 2"),
            {"t": tenant},
        )
        return list(rows.all())


async def test_who_stayed_who_came_and_who_came_back(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold
) -> None:
    stayed, left, came, came_back = (new_id() for _ in range(4))
    await fold(
        happened(BOUGHT, tenant, at("2011-05-01"), stayed),
        happened(BOUGHT, tenant, at("2011-08-01"), stayed),
        happened(BOUGHT, tenant, at("2011-05-01"), left),
        happened(BOUGHT, tenant, at("2011-07-01"), came),
        happened(BOUGHT, tenant, at("2010-12-01"), came_back),
        happened(BOUGHT, tenant, at("2011-07-01"), came_back),
        happened(BOUGHT, tenant, at("2011-07-01"), None),
    )
    assert await counts(analytics, mine, "retention.crr") == {"S": 2, "E": 3, "N": 1, "W": 1}
    assert (await figure(analytics, mine, "retention.crr"))["value"] == 100
    assert (await figure(analytics, mine, "retention.cohort"))["value"] == 50


async def test_an_event_delivered_again_counts_once(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold
) -> None:
    event = happened(BOUGHT, tenant, at("2011-07-01"), new_id())
    await fold(event, event)
    await fold(event)
    assert (await counts(analytics, mine, "revenue"))["orders"] == 1
    assert (await analytics.get("/v1/ledger", headers=mine)).json() == {"events": 1, "by_type": {BOUGHT.type: 1}}


async def test_a_batch_that_fails_leaves_nothing(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, worker: AsyncEngine
) -> None:
    async with worker.connect() as connection, connection.begin() as transaction:
        await handle(connection, [happened(BOUGHT, tenant, at("2011-07-01"), new_id())])
        await transaction.rollback()
    assert (await counts(analytics, mine, "revenue"))["orders"] == 0
    assert (await counts(analytics, mine, "retention.crr"))["E"] == 0


async def test_batches_in_any_order_and_size_come_to_the_same(
    worker: AsyncEngine, tenant: str, other_tenant: str, fold: Fold
) -> None:
    chance = random.Random(7)
    customers = [new_id() for _ in range(5)]
    days = [at("2011-01-01") + timedelta(days=chance.randrange(500)) for _ in range(60)]
    bought = [(chance.choice(customers), day) for day in days]
    await fold(*(happened(BOUGHT, tenant, day, customer) for customer, day in bought))
    chance.shuffle(bought)
    while bought:
        batch, bought = bought[: (size := chance.randint(1, 9))], bought[size:]
        await fold(*(happened(BOUGHT, other_tenant, day, customer) for customer, day in batch))
    assert await spans(worker, tenant) == await spans(worker, other_tenant)


async def test_one_batch_may_hold_events_of_many_tenants(
    analytics: httpx.AsyncClient, mine: Headers, theirs: Headers, tenant: str, other_tenant: str, fold: Fold
) -> None:
    customer = new_id()
    await fold(
        happened(BOUGHT, tenant, at("2011-08-01"), customer),
        happened(BOUGHT, other_tenant, at("2011-08-01"), customer),
        happened(OrderReturned(value=Decimal(4), currency="EUR"), other_tenant, at("2011-08-02"), customer),
    )
    assert (await figure(analytics, mine, "revenue"))["value"] == 9.99
    assert (await figure(analytics, theirs, "revenue"))["value"] == 5.99


async def test_an_event_of_a_type_unknown_here_is_kept(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold
) -> None:
    await fold(happened(BOUGHT, tenant, at("2011-08-01"), new_id(), type="billing.invoice.paid.v1"))
    assert (await analytics.get("/v1/ledger", headers=mine)).json()["by_type"] == {"billing.invoice.paid.v1": 1}


async def test_an_order_of_nothing_is_an_order(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold
) -> None:
    await fold(happened(OrderPlaced(value=Decimal(0), currency="EUR"), tenant, at("2011-08-01"), new_id()))
    assert (await counts(analytics, mine, "revenue"))["orders"] == 1
    assert (await counts(analytics, mine, "retention.crr"))["E"] == 1


def test_the_fold_takes_what_the_bus_brings() -> None:
    envelope = happened(BOUGHT, "t", datetime(2011, 7, 1, 12, 30, 1, 250000, tzinfo=UTC), new_id())
    assert Envelope.from_message(envelope.headers(), envelope.data) == envelope
