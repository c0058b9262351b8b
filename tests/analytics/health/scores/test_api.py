"""How relationships stand, and who is about to change by silence alone, over REST and GraphQL."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.analytics.conftest import happened

from analytics.health.scores.rescoring import process_score_queue, score_everybody
from kith.events.analytics import HealthModelPublished
from kith.events.sales import OrderPlaced
from kith.ids import new_id

Headers = dict[str, str]
BOUGHT = OrderPlaced(value=Decimal(100), currency="EUR")
DAY = timedelta(days=1)
DAYS_AGO = (1, 20, 50, 200)


@pytest.fixture
async def customers(fold: Any, worker: AsyncEngine, tenant: str) -> list[str]:
    """Each bought once, so many days ago."""
    ids, now = [new_id() for _ in DAYS_AGO], datetime.now(UTC)
    await fold(*[happened(BOUGHT, tenant, now - days * DAY, id) for days, id in zip(DAYS_AGO, ids, strict=True)])
    while await process_score_queue(worker):
        pass
    return [str(id) for id in ids]


async def test_scores_are_listed_by_band_and_page_by_page(
    analytics: httpx.AsyncClient, mine: Headers, theirs: Headers, customers: list[str]
) -> None:
    found, after = [], ""
    while True:
        page = (await analytics.get(f"/v1/health-scores?first=3{after}", headers=mine)).json()
        found += page["items"]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert sorted(each["customer_id"] for each in found) == sorted(customers)
    at_risk = (await analytics.get("/v1/health-scores?band=at_risk", headers=mine)).json()["items"]
    assert [(each["customer_id"], each["model"]) for each in at_risk] == [(customers[3], "default")]
    assert (await analytics.get("/v1/health-scores?model=default&band=at_risk", headers=theirs)).json()["items"] == []
    assert (await analytics.get("/v1/health-scores?after=x", headers=mine)).status_code == 422


async def test_an_unknown_model_is_refused_where_scores_are_listed_too(
    analytics: httpx.AsyncClient, mine: Headers, customers: list[str]
) -> None:
    refused = await analytics.get("/v1/health-scores?model=defualt", headers=mine)
    assert (refused.status_code, refused.json()["errors"]) == (
        422,
        [{"field": "model", "rule": "There is no health model defualt in force. There are: default."}],
    )
    query = '{ healthScores(model: "defualt") { nodes { score } } }'
    answer = (await analytics.post("/graphql", json={"query": query}, headers=mine)).json()
    assert answer["errors"][0]["extensions"]["problem"]["errors"] == refused.json()["errors"]


async def test_who_is_about_to_sink_comes_in_the_order_of_the_instants(
    analytics: httpx.AsyncClient, mine: Headers, theirs: Headers, customers: list[str]
) -> None:
    first = (await analytics.get("/v1/health/upcoming?first=2", headers=mine)).json()
    rest = (await analytics.get(f"/v1/health/upcoming?after={first['next']}", headers=mine)).json()
    upcoming = first["items"] + rest["items"]
    assert [each["customer_id"] for each in upcoming] == [customers[0], customers[2], customers[1]]
    assert [each["due_band"] for each in upcoming] == ["steady", "at_risk", "at_risk"]
    assert [each["due_at"] for each in upcoming] == sorted(each["due_at"] for each in upcoming)
    to_risk = (await analytics.get("/v1/health/upcoming?to=at_risk", headers=mine)).json()["items"]
    assert [each["customer_id"] for each in to_risk] == [customers[2], customers[1]]
    assert (await analytics.get("/v1/health/upcoming?until=2020-01-01T00:00:00Z", headers=mine)).json()["items"] == []
    assert (await analytics.get("/v1/health/upcoming", headers=theirs)).json()["items"] == []


async def test_graphql_tells_the_same(analytics: httpx.AsyncClient, mine: Headers, customers: list[str]) -> None:
    query = """{ healthScores(band: AT_RISK) { nodes { customer { id health { band } } score band } }
                 upcomingHealthChanges(to: AT_RISK) { nodes { customerId dueAt dueBand } } }"""
    answer = (await analytics.post("/graphql", json={"query": query}, headers=mine)).json()["data"]
    (one,), (soon, _) = answer["healthScores"]["nodes"], answer["upcomingHealthChanges"]["nodes"]
    assert one["customer"] == {"id": customers[3], "health": {"band": "AT_RISK"}}
    assert (soon["customerId"], soon["dueBand"]) == (customers[2], "AT_RISK")


async def test_how_far_a_new_model_has_come_is_shown(
    analytics: httpx.AsyncClient, mine: Headers, customers: list[str], fold: Any, worker: AsyncEngine, tenant: str
) -> None:
    before = (await analytics.get("/v1/health/rescoring", headers=mine)).json()
    assert (before["requested_at"], before["done"]) == (None, 0)
    measure = {"id": "r", "input": "purchase_recency", "weight": 1, "curve": [[0, 100], [100, 0]]}
    await fold(happened(HealthModelPublished(number=1, document={"measures": [measure]}), tenant, datetime.now(UTC)))
    assert (await analytics.get("/v1/health/rescoring", headers=mine)).json()["finished_at"] is None
    while await score_everybody(worker):
        pass
    after = (await analytics.get("/v1/health/rescoring", headers=mine)).json()
    assert (after["done"], after["total"], after["finished_at"] is None) == (4, 4, False)
    query = "{ healthRescoring { done total requested_at: requestedAt finished_at: finishedAt "
    query += "set_aside: setAside set_aside_last: setAsideLast { reason } } }"
    answer = (await analytics.post("/graphql", json={"query": query}, headers=mine)).json()["data"]["healthRescoring"]
    assert {name: str(each)[:19] for name, each in answer.items()} == {
        name: str(each)[:19] for name, each in after.items()
    }
