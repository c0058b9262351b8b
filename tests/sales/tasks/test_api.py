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


async def listed(sales: httpx.AsyncClient, headers: Headers, **filters: Any) -> list[str]:
    page = (await sales.get("/v1/tasks", params=filters, headers=headers)).json()
    return [each["id"] for each in page["items"]]
