"""Whatever a worker or a request computes over everybody, the loop turns: folds, relays and other requests go on.

Held against the processor time that the loop's thread spends between two of its turns, so that a busy machine, which
takes the processor away for long, does not fail it."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.analytics.conftest import Fold, happened
from tests.analytics.playbooks.scenarios import document

from analytics.health.engine.reads import customers_of
from analytics.health.scores.rescoring import process_score_queue, score_due, score_everybody
from analytics.health.scores.tables import health_scores
from analytics.jobs.kinds import TASKS
from analytics.metrics.rollups import settle_days
from analytics.projections.activity import PURCHASES
from analytics.projections.fold_activity import refold_activity
from kith.events.analytics import HealthModelPublished
from kith.events.contacts import CustomerCreated
from kith.testing import Issuer, Tenant

pytestmark = pytest.mark.own_database

TURN = 0.15
"""Seconds of computing in one turn at most. What is computed over everybody here takes several times as long."""
CUSTOMERS, ORDERS = 1_500, 12
_FILL = """
    INSERT INTO facts (tenant_id, subject, version, type, time, event_id, customer_id, amount, currency, clock_since,
                       state)
    SELECT :tenant, uuidv7(), 1, 'sales.order.placed.v1', at, uuidv7(), md5(:tenant || n % :customers)::uuid,
           10 + n % 90, 'EUR', at, '{"value": "10", "currency": "EUR"}'
    FROM (SELECT n, now() - random() * interval '600 days' AS at FROM generate_series(1, :orders) n) t
"""


@pytest.fixture
def us(analytics: httpx.AsyncClient, issuer: Issuer, tenant: str) -> Tenant:
    return Tenant(analytics, issuer, tenant)


def moment(days: int) -> str:
    """So many days ago."""
    return (datetime.now(UTC) - timedelta(days=days)).isoformat()


def drawn(*, title: str = "Fading") -> dict[str, Any]:
    """Of many measures, most of which fade."""
    measures = [
        {"id": f"{input}_{days:.0f}", "title": f"{input} {days}", "input": input, "weight": 1.0, "half_life_days": days,
         "curve": [[0.0, 0.0], [1.0 * most, 50.0], [4.0 * most, 100.0]]}
        for days in (7.0, 14.0, 30.0, 60.0, 90.0, 180.0)
        for input, most in (("orders", 1), ("revenue", 100))
    ]  # fmt: skip
    recency = {
        "id": "r",
        "title": "r",
        "input": "purchase_recency",
        "weight": 9.0,
        "curve": [[0.0, 100.0], [300.0, 0.0]],
    }
    return {"title": title, "measures": [recency, *measures], "hysteresis": 2.0}


@pytest.fixture
async def everybody(worker: AsyncEngine, tenant: str) -> None:
    """Have bought, and are to be scored."""
    given = {"tenant": tenant, "customers": CUSTOMERS, "orders": CUSTOMERS * ORDERS}
    noted = "INSERT INTO health_queue (tenant_id, customer_id) SELECT :tenant, md5(:tenant || n)::uuid"
    async with worker.begin() as connection:
        await connection.execute(text(_FILL), given)
        await connection.execute(text(f"{noted} FROM generate_series(0, :customers - 1) n"), given)
        await refold_activity(connection, tenant, await customers_of(connection, tenant), [PURCHASES])


@asynccontextmanager
async def watched(what: str) -> AsyncIterator[None]:
    """Fails if one turn of the loop computed for longer than TURN. What earlier tests have left is not collected
    meanwhile: that takes as long as it is much."""
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        last = time.thread_time()
        while True:
            await asyncio.sleep(0.001)
            now = time.thread_time()
            longest, last = max(longest, now - last), now

    gc.disable()
    watching = asyncio.ensure_future(watch())
    try:
        yield
        await asyncio.sleep(0.002)
    finally:
        watching.cancel()
        gc.enable()
    assert longest < TURN, f"{what} held the loop for {longest:.2f} s"


async def until_idle(worker: AsyncEngine, step: Callable[[AsyncEngine], Awaitable[bool]]) -> None:
    while await step(worker):
        pass


async def published(fold: Fold, tenant: str) -> None:
    event = HealthModelPublished(number=1, document=drawn())
    await fold(happened(event, tenant, datetime.now(UTC) - timedelta(seconds=1)))


async def test_the_loop_turns_while_everybody_is_scored(
    fold: Fold, worker: AsyncEngine, tenant: str, everybody: None
) -> None:
    async with watched("a first score of everybody"):
        await until_idle(worker, process_score_queue)
    await published(fold, tenant)
    async with watched("a new model"):
        await until_idle(worker, score_everybody)
    async with worker.begin() as connection:
        now = datetime.now(UTC)
        await connection.execute(update(health_scores).where(health_scores.c.tenant_id == tenant).values(due_at=now))
    async with watched("silence"):
        await until_idle(worker, score_due)
    async with watched("totals"):
        await until_idle(worker, settle_days)


async def test_the_loop_turns_while_models_and_playbooks_are_tried_on_everybody(
    worker: AsyncEngine, us: Tenant, everybody: None
) -> None:
    when = {"kind": "score_dropped", "points": 5, "days": 30}
    playbook = await us.made("/v1/playbooks", title="p", document=document(when=when))
    for path, body in (
        ("/v1/health:what_if", {"document": drawn()}),
        ("/v1/health:backtest", {"document": drawn(), "step_days": 90}),
        ("/v1/health:distribution", {}),
        (f"/v1/playbooks/{playbook['id']}:dry_run", {"from": moment(90)}),
    ):
        job = await us.post(path, body)
        assert job.status_code == 202, job.text
        async with watched(path):
            await until_idle(worker, TASKS[0].step)
        done = (await us.get(f"/v1/health-jobs/{job.json()['id']}")).json()
        assert (done["state"], done["reason"]) == ("done", None), path


async def test_the_loop_turns_while_figures_over_everybody_are_computed(
    fold: Fold, us: Tenant, tenant: str, everybody: None
) -> None:
    await published(fold, tenant)
    await us.get("/v1/health/distribution")  # the process for it starts
    params = {"from": moment(500), "to": moment(0)}
    for path, query in (
        ("health/distribution", {}),
        ("health/distribution", {"groupBy": "segment"}),
        ("metrics/rfm", {"groupBy": "label", **params}),
        ("metrics/clv.historic", {"grain": "month", **params}),
        ("metrics/clv.predicted", params),
        ("metrics/customers.alive", params),
        ("metrics/retention.crr", {"grain": "month", **params}),
        ("cohorts", {"grain": "month", **params}),
    ):
        async with watched(path):
            answer = await us.get(f"/v1/{path}", **query)
        assert answer.status_code in (200, 409), answer.text


async def test_one_customer_with_a_thousand_events_is_explained_beside_the_loop(
    fold: Fold, worker: AsyncEngine, us: Tenant, tenant: str
) -> None:
    await published(fold, tenant)
    given = {"tenant": tenant, "customers": 1, "orders": 1_000}
    async with worker.begin() as connection:
        await connection.execute(text(_FILL), given)
        put = "INSERT INTO health_queue (tenant_id, customer_id) SELECT :tenant, md5(:tenant || 0)::uuid"
        await connection.execute(text(put), given)
        customer = await connection.scalar(text("SELECT md5(:tenant || 0)::uuid"), given)
    created = happened(CustomerCreated(kind="person"), tenant, datetime.now(UTC) - timedelta(days=700), customer)
    await fold(created)
    async with watched("its score"):
        await until_idle(worker, process_score_queue)
    between = {"from": moment(100)}
    for path, query in (("", {}), ("/difference", between), ("/path", {}), ("/history", between)):
        async with watched(path):
            answer = await us.get(f"/v1/customers/{customer}/health{path}", **query)
        assert answer.status_code == 200, (path, answer.text)
