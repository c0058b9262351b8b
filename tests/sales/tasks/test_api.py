"""Tasks: one way through the API, with another tenant looking."""

from typing import Any

import httpx

from kith.ids import new_id

Headers = dict[str, str]


async def test_a_task_goes_its_way_and_no_other_tenant_sees_it(
    sales: httpx.AsyncClient, mine: Headers, theirs: Headers
) -> None:
    customer, run, eve = str(new_id()), str(new_id()), str(new_id())
    body = {"title": "Call them", "customer_id": customer, "run_id": run, "due_at": "2026-03-08T09:00:00Z"}
    created = await sales.post("/v1/tasks", json=body, headers=mine)
    assert created.status_code == 201, created.text
    path = created.headers["location"]
    assert created.json().items() >= {**body, "state": "open", "version": 1}.items()
    assert (await sales.get(path, headers=theirs)).status_code == 404
    assert await listed(sales, mine, run_id=run, state="open") == [created.json()["id"]]
    assert await listed(sales, theirs, run_id=run) == []
    moved = await sales.post(f"{path}:amend", json={"owner_id": eve, "due_at": None}, headers=mine)
    assert moved.json().items() >= {"owner_id": eve, "due_at": None, "title": "Call them"}.items()
    done = await sales.post(f"{path}:complete", json={"outcome": "called_back"}, headers=mine)
    assert done.json().items() >= {"state": "done", "outcome": "called_back", "version": 3}.items()
    again = await sales.post(f"{path}:cancel", json={}, headers=mine)
    assert (again.status_code, again.json()["type"]) == (409, "urn:kith:problem:task-already-closed")


async def test_a_customers_tasks_are_shown_with_the_customer(sales: httpx.AsyncClient, mine: Headers) -> None:
    customer = str(new_id())
    for title in ("Call them", "Write to them"):
        await sales.post("/v1/tasks", json={"title": title, "customer_id": customer}, headers=mine)
    query = """query ($of: [_Any!]!) { _entities(representations: $of) {
        ... on Customer { tasks(first: 1) { nodes { title state customer { id } } } } } }"""
    of = [{"__typename": "Customer", "id": customer}]
    answer = await sales.post("/graphql", json={"query": query, "variables": {"of": of}}, headers=mine)
    assert answer.json()["data"]["_entities"] == [
        {"tasks": {"nodes": [{"title": "Write to them", "state": "OPEN", "customer": {"id": customer}}]}}
    ]


async def test_what_recurs_is_followed_by_the_next_when_it_is_done_or_dropped(
    sales: httpx.AsyncClient, mine: Headers, theirs: Headers
) -> None:
    body = {
        "title": "Water the plants",
        "customer_id": str(new_id()),
        "due_at": "2026-01-31T09:00:00Z",
        "remind_at": "2026-01-31T08:00:00Z",
        "recurrence": "FREQ=MONTHLY;COUNT=3",
        "checklist": [{"text": "Ficus"}, {"text": "Fern"}],
        "occurred_at": "2026-01-01T00:00:00Z",
    }
    first = (await sales.post("/v1/tasks", json=body, headers=mine)).json()
    path = f"/v1/tasks/{first['id']}"
    at = {"occurred_at": "2026-01-30T00:00:00Z"}
    assert (await sales.post(f"{path}:tick", json={"item": 2, **at}, headers=mine)).status_code == 200
    done = (await sales.post(f"{path}:complete", json=at, headers=mine)).json()
    second = (await sales.get(f"/v1/tasks/{done['next_id']}", headers=mine)).json()
    wanted = {"due_at": "2026-02-28T09:00:00Z", "remind_at": "2026-02-28T08:00:00Z", "occurrence": 2, "state": "open"}
    assert second.items() >= {**wanted, "title": "Water the plants", "previous_id": first["id"]}.items()
    assert [(each["text"], each["done"]) for each in second["checklist"]] == [("Ficus", False), ("Fern", False)]
    assert (await sales.get(f"/v1/tasks/{second['id']}", headers=theirs)).status_code == 404
    # Who opens it again, and completes it again, makes no second one.
    opened = (await sales.post(f"{path}:reopen", json={}, headers=mine)).json()
    assert (opened["recurrence"], opened["next_id"]) == (None, second["id"])
    again = (await sales.post(f"{path}:complete", json={}, headers=mine)).json()
    assert again["next_id"] == second["id"]
    dropped = (await sales.post(f"/v1/tasks/{second['id']}:cancel", json={}, headers=mine)).json()
    third = f"/v1/tasks/{dropped['next_id']}"
    assert (await sales.get(third, headers=mine)).json()["due_at"] == "2026-03-31T09:00:00Z"
    assert (await sales.post(f"{third}:complete", json={}, headers=mine)).json()["next_id"] is None
    assert len(await listed(sales, mine, customer_id=body["customer_id"])) == 3


async def listed(sales: httpx.AsyncClient, headers: Headers, **filters: Any) -> list[str]:
    page = (await sales.get("/v1/tasks", params=filters, headers=headers)).json()
    return [each["id"] for each in page["items"]]
