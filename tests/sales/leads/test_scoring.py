"""Leads are scored by the tenant's rules, at once and when the rules change, and say why."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import FreshDatabase
from tests.sales.test_reactions import said

from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.events.leads import LeadScoreReached
from kith.testing import Answer, Issuer, Tenant, serving
from sales.consumers import REACTING
from sales.leads.rescoring import rescoring
from sales.service import SERVICE

pytestmark = pytest.mark.own_database
FAIR = {"key": "fair", "field": "source", "values": ["fair"], "points": 30}
CHEF = {"key": "chef", "field": "title", "operator": "prefix", "values": ["Chef"], "points": 40}


@pytest.fixture(scope="module")
async def url(fresh_database: FreshDatabase) -> str:
    return await fresh_database(SERVICE)


@pytest.fixture(scope="module")
async def client(url: str, issuer: Issuer) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(SERVICE, url, issuer) as client:
        yield client


@pytest.fixture(scope="module")
async def worker(url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(url, role=WORKER_ROLE, pool_size=2, application="test")
    yield engine
    await engine.dispose()


@pytest.fixture
def ours(client: httpx.AsyncClient, issuer: Issuer, tenant: str) -> Tenant:
    return Tenant(client, issuer, tenant)


@pytest.fixture
def other(client: httpx.AsyncClient, issuer: Issuer, other_tenant: str) -> Tenant:
    return Tenant(client, issuer, other_tenant)


async def amended(tenant: Tenant, **body: Any) -> Answer:
    answer = await tenant.post("/v1/lead-scoring:amend", body)
    assert answer.status_code == 200, answer.text
    found: Answer = answer.json()
    return found


async def lead(tenant: Tenant, **fields: Any) -> Answer:
    return await tenant.made("/v1/leads", name="Ida", **fields)


async def shown(tenant: Tenant, made: Answer) -> Answer:
    found: Answer = (await tenant.get(f"/v1/leads/{made['id']}")).json()
    return found


async def scored_anew(worker: AsyncEngine) -> int:
    steps = 0
    while await rescoring().step(worker):
        steps += 1
    return steps


async def events_of(worker: AsyncEngine, made: Answer) -> list[str]:
    async with worker.connect() as connection:
        query = "SELECT type FROM outbox WHERE subject = $1 ORDER BY seq"
        rows = await connection.exec_driver_sql(query, (made["id"],))
        return [row.type.removeprefix("sales.lead.").removesuffix(".v1") for row in rows]


async def test_without_rules_there_is_no_score(ours: Tenant) -> None:
    assert (await ours.get("/v1/lead-scoring")).json()["number"] == 0
    made = await lead(ours, source="fair")
    assert (made["score"], made["score_reasons"], made["scored_by"]) == (None, [], None)


async def test_a_score_is_there_with_the_answer_and_says_why(ours: Tenant, other: Tenant) -> None:
    await amended(ours, rules=[FAIR, CHEF])
    made = await lead(ours, source="fair", title="Gardener")
    assert (made["score"], made["score_reasons"]) == (30, [{"rule": "fair", "points": 30}])
    answer = await ours.post(f"/v1/leads/{made['id']}:amend", {"title": "Chef de rang"})
    assert answer.json()["score"] == 70
    listed = (await ours.get("/v1/leads", order_by="score.desc")).json()["items"]
    assert listed[0]["id"] == made["id"]
    assert (await lead(other, source="fair"))["score"] is None


async def test_other_rules_score_open_leads_anew(ours: Tenant, other: Tenant, worker: AsyncEngine) -> None:
    await amended(other, rules=[FAIR])
    theirs = await lead(other, source="fair")
    before, same = await lead(ours, source="fair"), await lead(ours, source="web")
    lost = await lead(ours, source="fair")
    await ours.post(f"/v1/leads/{lost['id']}:disqualify", {"reason": "no_budget"})
    await amended(ours, rules=[FAIR])
    assert await scored_anew(worker) > 0
    await amended(ours, rules=[FAIR | {"points": 50}])
    await scored_anew(worker)
    assert await scored_anew(worker) == 0, "each once"
    assert [(await shown(ours, each))["score"] for each in (before, same, lost)] == [50, 0, None]
    assert (await shown(ours, same))["scored_by"] == 2
    assert await events_of(worker, before) == ["captured", "scored", "scored"]
    assert await events_of(worker, same) == ["captured", "scored"], "of what stays the same there is none"
    assert (await shown(other, theirs))["version"] == 1
    assert (await shown(ours, before))["updated_at"] == before["updated_at"], "what happened since may be sent later"


async def test_coming_to_the_threshold_is_an_event_and_may_qualify(
    ours: Tenant, other: Tenant, worker: AsyncEngine
) -> None:
    for tenant in (ours, other):
        await amended(tenant, rules=[FAIR, CHEF], threshold=60, qualifies_leads=tenant is ours)
    made, low = await lead(ours, source="fair", title="Chef"), await lead(ours, source="fair")
    not_asked = await lead(other, source="fair", title="Chef")
    assert await events_of(worker, made) == ["captured", "score-reached"]
    assert made["version"] == 2
    assert await events_of(worker, low) == ["captured"]
    await ours.post(f"/v1/leads/{low['id']}:amend", {"title": "Chef"})
    assert await events_of(worker, low) == ["captured", "amended", "score-reached"]
    reached = LeadScoreReached(score=70, threshold=60)
    events = [said(ours, made["id"], reached), said(other, not_asked["id"], reached)]
    async with worker.begin() as connection:
        await REACTING.handler(connection, events)
    assert (await shown(ours, made))["state"] == "qualified"
    assert (await shown(other, not_asked))["state"] == "new"


async def test_another_threshold_is_reached_by_the_scores_of_before(ours: Tenant, worker: AsyncEngine) -> None:
    await amended(ours, rules=[FAIR])
    made = await lead(ours, source="fair")
    for threshold in (30, 50, 20, 25):
        await amended(ours, threshold=threshold)
        await scored_anew(worker)
    assert await events_of(worker, made) == ["captured", "score-reached", "score-reached"], "once for each crossing"
    await amended(ours, threshold=None)
    await scored_anew(worker)
    await amended(ours, threshold=10)
    await ours.post(f"/v1/leads/{made['id']}:amend", {"title": "Gardener"})
    await scored_anew(worker)
    assert (await events_of(worker, made))[3:] == ["amended", "score-reached"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"rules": [FAIR, FAIR]}, "rules.1.key"),
        ({"rules": [FAIR | {"field": "shoe_size"}]}, "rules.0.field"),
        ({"rules": [FAIR | {"values": []}]}, "rules.0.values"),
        ({"rules": [FAIR | {"values": ["a", "b"]}]}, "rules.0.values"),
        ({"rules": [FAIR | {"operator": "gte", "values": ["many"]}]}, "rules.0.values"),
        ({"rules": [FAIR | {"operator": "is_null", "values": ["maybe"]}]}, "rules.0.values"),
        ({"most": 10, "threshold": 50}, "threshold"),
    ],
)
async def test_rules_that_cannot_be_are_refused_by_their_field(ours: Tenant, body: Answer, field: str) -> None:
    answer = await ours.post("/v1/lead-scoring:amend", body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
