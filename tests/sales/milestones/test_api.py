"""Goals and milestones over REST and GraphQL."""

from typing import Any

import httpx
import pytest

from kith.ids import new_id
from kith.testing import Issuer, Tenant


@pytest.fixture
def acme(sales: httpx.AsyncClient, issuer: Issuer, tenant: str) -> Tenant:
    return Tenant(sales, issuer, tenant)


async def test_what_was_agreed_is_asked_for_at_once(acme: Tenant, sales: httpx.AsyncClient, mine: Any) -> None:
    customer = str(new_id())
    goal = await acme.made("/v1/goals", title="Answer sooner", target="in half the time", customer_id=customer)
    first = await acme.made("/v1/milestones", title="All trained", due_at="2199-03-31T16:00:00Z", goal_id=goal["id"])
    assert first["customer_id"] == customer
    refused = await acme.post(
        "/v1/milestones",
        {"title": "x", "due_at": "2199-03-31T16:00:00Z", "goal_id": goal["id"], "customer_id": str(new_id())},
    )
    assert [each["field"] for each in refused.json()["errors"]] == ["customer_id"]
    met = await acme.post(f"/v1/milestones/{first['id']}:meet", {"evidence": "https://example.org/minutes"})
    assert met.json()["links"] == [{"kind": "evidence", "url": "https://example.org/minutes", "title": None}]
    wrong = await acme.post(f"/v1/goals/{goal['id']}:share_result", {"result": "Half", "url": "javascript:alert(1)"})
    assert [each["field"] for each in wrong.json()["errors"]] == ["url"]
    await acme.post(f"/v1/goals/{goal['id']}:share_result", {"result": "A third of the time"})
    query = """query ($id: UUID!) { goal(id: $id) { title target results { result }
        milestones { nodes { state links { kind url } } } } }"""
    answer = await sales.post("/graphql", json={"query": query, "variables": {"id": goal["id"]}}, headers=mine)
    assert answer.json()["data"]["goal"] == {
        "title": "Answer sooner",
        "target": "in half the time",
        "results": [{"result": "A third of the time"}],
        "milestones": {
            "nodes": [{"state": "MET", "links": [{"kind": "EVIDENCE", "url": "https://example.org/minutes"}]}]
        },
    }


async def test_its_history_comes_in_one_request(acme: Tenant) -> None:
    rows: list[dict[str, Any]] = [
        {"title": "All trained", "due_at": "2026-02-28T16:00:00Z", "occurred_at": "2026-02-01T09:00:00Z"},
        {"command": "miss", "occurred_at": "2026-02-28T15:59:59Z"},
        {"command": "miss", "occurred_at": "2026-02-28T16:00:00Z"},
        {"command": "move", "due_at": "2026-03-01T09:00:00Z", "occurred_at": "2026-03-01T09:00:00Z"},
        {"command": "move", "due_at": "2026-03-31T16:00:00Z", "occurred_at": "2026-03-01T09:00:00Z"},
        {"command": "meet", "occurred_at": "2026-03-30T09:00:00Z"},
        {"command": "drop", "occurred_at": "2026-03-30T09:00:00Z"},
    ]
    done = (await acme.post("/v1/milestones:bulk", {"rows": [{"external_id": "M1", **row} for row in rows]})).json()
    statuses = [each["status"] for each in done["results"]]
    assert statuses == ["accepted", "rejected", "accepted", "rejected", "accepted", "accepted", "rejected"]
    found = (await acme.get("/v1/milestones", state="met")).json()["items"]
    assert [(each["met_at"], each["missed_at"]) for each in found] == [("2026-03-30T09:00:00Z", "2026-02-28T16:00:00Z")]


async def test_a_review_is_an_activity(acme: Tenant) -> None:
    made = await acme.made("/v1/activities", kind="review", planned_for="2199-04-15T08:00:00Z")
    held = await acme.post(f"/v1/activities/{made['id']}:hold", {"outcome": "goals_renewed"})
    assert (held.json()["state"], held.json()["outcome"]) == ("held", "goals_renewed")
