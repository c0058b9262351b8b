"""What is published of band changes as they come is what history says of them afterwards: no more, no less."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.analytics.conftest import happened

from analytics.health.explain.explainer import HealthExplainer, snapshot
from analytics.health.explain.reads import explanations
from analytics.health.scores.rescoring import process_score_queue, score_due, score_everybody
from analytics.health.scores.tables import health_changes, health_scores
from analytics.health.wording.words import Language
from kith.errors import Invalid
from kith.events.analytics import HealthModelPublished, HealthModelRetired
from kith.events.contacts import CustomerAmended, CustomerCreated
from kith.events.envelope import Envelope
from kith.events.sales import OrderPlaced
from kith.events.service_desk import CaseOpened
from kith.ids import new_id

DAY = timedelta(days=1)
CUSTOMERS = 6


async def scored(worker: AsyncEngine) -> None:
    for step in (process_score_queue, score_due, score_everybody):
        while await step(worker):
            pass


def random_document(dice: random.Random) -> dict[str, Any]:
    audience = dice.choice([{}, {}, {"tags": ["vip"]}, {"segments": ["gold"]}])
    measures = [
        {"id": "recency", "input": "purchase_recency", "weight": 3, "curve": [[0, 100], [dice.randint(20, 200), 0]]},
        {"id": "orders", "input": "orders", "weight": 1, "curve": [[0, 0], [3, 100]], "window_days": 90},
        {"id": "cases", "input": "open_cases", "weight": 1, "curve": [[0, 100], [2, 0]]},
    ]
    measures = dice.sample(measures, dice.randint(1, 3))
    return {"title": "m", "measures": measures, "audience": audience, "hysteresis": dice.choice([0, 3])}


def random_past(dice: random.Random, tenant: str, customers: list[UUID], start: datetime, days: int) -> list[Envelope]:
    def sometime() -> datetime:
        return start + dice.uniform(0, days) * DAY

    found = []
    for number in range(4):
        model, first = new_id(), start + dice.uniform(0, days / 2) * DAY
        found.append(happened(HealthModelPublished(1, random_document(dice)), tenant, first, subject=model))
        second = start + dice.uniform(days / 2, days) * DAY
        again = HealthModelPublished(2, random_document(dice)) if number % 2 else HealthModelRetired()
        found.append(happened(again, tenant, second, subject=model, aggregate_version=2))
    for customer in customers:
        begun = start + dice.uniform(0, days / 4) * DAY
        segment = dice.choice(["gold", None])
        found.append(happened(CustomerCreated(kind="person", segment=segment), tenant, begun, customer))
        tags = dice.choice([["vip"], ["vip"], ["unidentified"]])
        amended = CustomerAmended(changed=["tags"], tags=tags)
        later = start + dice.uniform(days / 3, days) * DAY
        found.append(happened(amended, tenant, later, customer, aggregate_version=2))
    for _ in range(60):
        event = dice.choice(
            [OrderPlaced(value=Decimal(9), currency="EUR")] * 3
            + [CaseOpened(state="new", priority="high", channel="email")]
        )
        found.append(happened(event, tenant, sometime(), dice.choice(customers)))
    return sorted(found, key=lambda each: each.time)


async def last_scored(worker: AsyncEngine, tenant: str, customers: list[UUID], at: datetime) -> None:
    """As if the worker had scored these customers then, and published nothing after."""
    async with worker.begin() as connection:
        explained = await explanations(connection, tenant, customers, at)
        for customer, each in explained.items():
            as_it_was = {
                "scored_at": at,
                "band": each.band,
                "model": each.model.id if each.model else None,
                "model_version": each.model.version if each.model else None,
            }
            mine = (health_scores.c.tenant_id == tenant, health_scores.c.customer_id == customer)
            await connection.execute(update(health_scores).where(*mine).values(as_it_was))
        await connection.execute(delete(health_changes).where(health_changes.c.tenant_id == tenant))


@pytest.mark.parametrize("seed", range(6))
async def test_every_published_change_is_in_history_and_every_one_in_history_was_published(
    fold: Any, worker: AsyncEngine, tenant: str, seed: int
) -> None:
    dice, customers = random.Random(seed), [new_id() for _ in range(CUSTOMERS)]
    start = datetime.now(UTC) - 300 * DAY
    then = start + 150 * DAY
    past = random_past(dice, tenant, customers, start, 290)
    await fold(*(each for each in past if each.time < then))
    await scored(worker)
    await last_scored(worker, tenant, customers, then)
    await fold(*(each for each in past if each.time >= then))
    await scored(worker)
    async with worker.connect() as connection:
        c, s = health_changes.c, health_scores.c
        columns = (c.customer_id, c.at, c.from_band, c.band, c.cause, c.model, c.model_version)
        published = (await connection.execute(select(*columns).where(c.tenant_id == tenant).order_by(c.seq))).all()
        rows = await connection.execute(select(s.customer_id, s.scored_at).where(s.tenant_id == tenant))
        looked = {row.customer_id: row.scored_at for row in rows}
        explainer = HealthExplainer(await snapshot(connection, tenant, customers), Language.ENGLISH)
    assert any(each.cause == "model" for each in published)
    for customer in looked:
        line = explainer.history([customer], then, looked[customer])[customer]
        assert not isinstance(line, Invalid)
        assert [tuple(each)[1:] for each in published if each.customer_id == customer] == [
            (each.at, each.from_band, each.band, each.cause, each.model, each.model_version)
            for each in (line.changes if line is not None else ())
        ]
