"""The first score of a customer is the first, in whatever order and however late its history comes in."""

import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.analytics.conftest import Fold, happened
from tests.analytics.playbooks.scenarios import runs, started

from analytics.health.scores.rescoring import process_score_queue, score_due, score_everybody
from analytics.health.scores.tables import health_changes, health_scores
from kith.events.contacts import CustomerCreated
from kith.events.exchanges import TouchpointRecorded
from kith.events.sales import OrderPlaced
from kith.events.service_desk import CaseOpened
from kith.ids import new_id
from kith.testing import Issuer, Tenant

BOUGHT = OrderPlaced(value=Decimal(100), currency="EUR")
DAY = timedelta(days=1)
Score = Callable[[], Awaitable[None]]


@pytest.fixture
def score(worker: AsyncEngine) -> Score:
    async def until_idle() -> None:
        for step in (process_score_queue, score_due, score_everybody):
            while await step(worker):
                pass

    return until_idle


def now() -> datetime:
    return datetime.now(UTC)


async def changes(worker: AsyncEngine, tenant: str) -> list[Any]:
    async with worker.connect() as connection:
        found = select(health_changes).where(health_changes.c.tenant_id == tenant).order_by(health_changes.c.seq)
        return list((await connection.execute(found)).all())


async def test_the_history_of_a_known_customer_is_no_correction(
    fold: Fold, score: Score, worker: AsyncEngine, analytics: httpx.AsyncClient, issuer: Issuer, tenant: str
) -> None:
    us, customer = Tenant(analytics, issuer, tenant), new_id()
    when = {"kind": "band_changed", "to": ["at_risk", "steady", "healthy"]}
    await started(us, now() - 500 * DAY, when=when)
    await fold(happened(CustomerCreated(kind="person"), tenant, now() - 400 * DAY, customer))
    await score()
    assert await changes(worker, tenant) == []
    await fold(*[happened(BOUGHT, tenant, now() - days * DAY, customer) for days in (300, 200)])
    await score()
    (first,) = await changes(worker, tenant)
    assert (first.cause, first.from_band, first.band) == ("event", None, "at_risk")
    assert await runs(worker, tenant) == []
    async with worker.connect() as connection:
        since = select(health_scores.c.band_since).where(health_scores.c.tenant_id == tenant)
        assert (await connection.execute(since)).scalar_one() < now() - 90 * DAY, "it has been so for long"
    await fold(happened(BOUGHT, tenant, now() - 20 * DAY, customer))
    await score()
    _, second = await changes(worker, tenant)
    assert (second.cause, second.from_band, second.band) == ("correction", "at_risk", "healthy")
    assert await runs(worker, tenant) == []


@pytest.mark.parametrize("seed", range(6))
async def test_in_whatever_order_it_comes_the_first_is_published_once_and_sets_nothing_off(
    fold: Fold, score: Score, worker: AsyncEngine, analytics: httpx.AsyncClient, issuer: Issuer, tenant: str, seed: int
) -> None:
    dice, us = random.Random(seed), Tenant(analytics, issuer, tenant)
    await started(us, now() - 900 * DAY, when={"kind": "band_changed", "to": ["at_risk", "steady", "healthy"]})
    customers = [new_id() for _ in range(4)]
    events = [happened(CustomerCreated(kind="person"), tenant, now() - 800 * DAY, customer) for customer in customers]
    for _ in range(40):
        event = dice.choice(
            [BOUGHT, BOUGHT, CaseOpened(state="new", priority="low", channel="email"),
             TouchpointRecorded(channel="email", direction="inbound")]
        )  # fmt: skip
        events.append(happened(event, tenant, now() - dice.uniform(2, 700) * DAY, dice.choice(customers)))
    dice.shuffle(events)
    for start in range(0, len(events), 11):
        await fold(*events[start : start + 11])
        await score()
    recorded = await changes(worker, tenant)
    for customer in customers:
        first, *others = [each for each in recorded if each.customer_id == customer]
        assert (first.cause, first.from_band) == ("event", None)
        assert all(each.from_band is not None for each in others)
        assert {each.cause for each in others} <= {"correction"}, "all of it was long ago"
    assert await runs(worker, tenant) == []
