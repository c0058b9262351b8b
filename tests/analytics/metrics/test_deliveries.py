"""Orders that were delivered on time, over REST."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
from tests.analytics.conftest import Fold, at, happened

from kith.events.deliveries import DeliveryCancelled, DeliveryMade
from kith.events.sales import OrderPlaced
from kith.ids import new_id

DAY = timedelta(days=1)
BEGIN = at("2026-01-01")


async def test_an_order_counts_when_its_promise_fell_due_and_as_it_stood_at_the_end(
    fold: Fold, analytics: httpx.AsyncClient, mine: dict[str, str], tenant: str
) -> None:
    async def order(promised: float | None, *deliveries: tuple[float, bool], cancelled: float | None = None) -> None:
        """Of each delivery the day, and whether the order is whole with it; the last one is `cancelled` on a day."""
        id, customer = new_id(), new_id()
        due = None if promised is None else BEGIN + promised * DAY
        placed = OrderPlaced(value=Decimal(9), currency="EUR", promised_at=due)
        await fold(happened(placed, tenant, BEGIN - DAY, customer, subject=id))
        for day, whole in deliveries:
            subject, on_time = new_id(), None if due is None or not whole else BEGIN + day * DAY <= due
            made: Any = DeliveryMade(state="made", order_id=id, completes=whole, promised_at=due, on_time=on_time)
            await fold(happened(made, tenant, BEGIN + day * DAY, customer, subject=subject))
        if cancelled is not None:
            gone = DeliveryCancelled(state="cancelled")
            await fold(happened(gone, tenant, BEGIN + cancelled * DAY, customer, subject=subject, aggregate_version=2))

    await order(10, (5, False), (10, True))
    await order(10, (5, False), (10.5, True))
    await order(10, (5, False))
    await order(10, (5, True), cancelled=40)
    await order(10)
    await order(0.5, (0.25, True))
    await order(30, (5, True))
    await order(None, (5, True))
    await order(20_000, (5, True))

    async def figure(start: float, end: float) -> tuple[float, float]:
        params = {"from": (BEGIN + start * DAY).isoformat(), "to": (BEGIN + end * DAY).isoformat()}
        answer = await analytics.get("/v1/metrics/service.delivered_on_time", params=params, headers=mine)
        assert answer.status_code == 200, answer.text
        return answer.json()["numerator"], answer.json()["denominator"]

    assert await figure(1, 31) == (3, 6)  # with the one that is cancelled later
    assert await figure(1, 30) == (2, 5)  # the end is no part of it
    assert await figure(10, 11) == (2, 5)
    assert await figure(0, 1) == (1, 1)
    assert await figure(1, 50) == (2, 6)
    assert await figure(60, 90) == (0, 0)
    assert await figure(200, 30_000) == (0, 0)  # that one is to come
