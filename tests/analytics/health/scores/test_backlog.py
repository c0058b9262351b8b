"""Operators see what waits to be scored, and how many customers stand in each band."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.analytics.conftest import happened

from analytics.health.scores.backlog import report_backlog, report_bands
from analytics.health.scores.queue import rescore
from analytics.health.scores.rescoring import process_score_queue, score_due, score_everybody
from analytics.health.scores.tables import health_scores
from kith.events.sales import OrderPlaced
from kith.ids import new_id

pytestmark = pytest.mark.own_database
BOUGHT = OrderPlaced(value=Decimal(100), currency="EUR")


def waiting(kind: str) -> float | None:
    return REGISTRY.get_sample_value("kith_health_backlog_customers", {"kind": kind})


async def idle(worker: AsyncEngine) -> None:
    for step in (process_score_queue, score_due, score_everybody):
        while await step(worker):
            pass


async def test_what_waits_to_be_scored_is_counted_by_why_it_waits(
    fold: Callable[..., Any], worker: AsyncEngine, tenant: str
) -> None:
    now, customers = datetime.now(UTC), [new_id() for _ in range(3)]
    await fold(*(happened(BOUGHT, tenant, now - timedelta(days=1), customer) for customer in customers))
    await report_backlog(worker)
    assert [waiting(kind) for kind in ("changed", "silent", "rescoring")] == [3, 0, 0]
    await idle(worker)
    mine = health_scores.c.tenant_id == tenant
    async with worker.begin() as connection:
        first = mine & (health_scores.c.customer_id == customers[0])
        await connection.execute(update(health_scores).where(first).values(due_at=now - timedelta(minutes=10)))
        await rescore(connection, tenant)
    await report_backlog(worker)
    assert [waiting(kind) for kind in ("changed", "silent", "rescoring")] == [0, 1, 1]
    assert 600 <= (REGISTRY.get_sample_value("kith_health_overdue_seconds") or 0) < 700
    await idle(worker)
    await report_backlog(worker)
    assert [waiting(kind) for kind in ("changed", "silent", "rescoring")] == [0, 0, 0]
    assert REGISTRY.get_sample_value("kith_health_overdue_seconds") == 0


async def test_customers_are_counted_by_the_band_of_their_last_scoring(
    fold: Callable[..., Any], worker: AsyncEngine, tenant: str
) -> None:
    def customers(band: str) -> float:
        return REGISTRY.get_sample_value("kith_health_customers", {"band": band}) or 0.0

    await idle(worker)
    await report_bands(worker)
    before = customers("healthy")
    await fold(happened(BOUGHT, tenant, datetime.now(UTC) - timedelta(days=1), new_id()))
    await idle(worker)
    await report_bands(worker)
    assert customers("healthy") == before + 1
    assert REGISTRY.get_sample_value("kith_health_customers", {"band": "at_risk"}) is not None
