"""Metrics, timeline and health, over REST and GraphQL."""

from decimal import Decimal
from typing import Any

import httpx
import pytest
from tests.analytics.conftest import at, happened

from kith.events.contacts import CustomerCreated
from kith.events.sales import OrderPlaced
from kith.events.service_desk import CaseResolved
from kith.ids import new_id

Headers = dict[str, str]
BOUGHT = OrderPlaced(value=Decimal(10), currency="EUR")
QUERY = """query ($id: String!, $from: DateTime!, $to: DateTime!) {
    metric(id: $id, from: $from, to: $to) {
        value numerator denominator components { name value } definitionVersion freshness { source countedUpTo } } }"""


async def ask(analytics: httpx.AsyncClient, headers: Headers, query: str, **variables: Any) -> Any:
    answer = await analytics.post("/graphql", json={"query": query, "variables": variables}, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_both_apis_answer_the_same(analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Any) -> None:
    customer = new_id()
    await fold(
        happened(BOUGHT, tenant, at("2011-05-01"), customer), happened(BOUGHT, tenant, at("2011-08-01"), customer)
    )
    interval = {"from": "2011-06-01T00:00:00Z", "to": "2011-09-01T00:00:00Z"}
    rest = (await analytics.get("/v1/metrics/retention.crr", params=interval, headers=mine)).json()
    graph = (await ask(analytics, mine, QUERY, id="retention.crr", **interval))["data"]["metric"]
    assert (rest["value"], rest["definition_version"]) == (graph["value"], graph["definitionVersion"]) == (100, 1)
    assert rest["components"] == graph["components"]
    assert [each["source"] for each in graph["freshness"]] == ["contacts", "sales", "service-desk", "analytics"]


async def test_another_tenant_counts_nothing(
    analytics: httpx.AsyncClient, theirs: Headers, tenant: str, fold: Any
) -> None:
    customer = new_id()
    await fold(happened(BOUGHT, tenant, at("2011-08-01"), customer))
    interval = {"from": "2011-06-01T00:00:00Z", "to": "2011-09-01T00:00:00Z"}
    for id in ("retention.crr", "retention.cohort", "ror", "revenue"):
        found = (await analytics.get(f"/v1/metrics/{id}", params=interval, headers=theirs)).json()
        assert {each["value"] for each in found["components"]} == {0}, id
    assert (await analytics.get("/v1/ledger", headers=theirs)).json()["events"] == 0
    for what in ("timeline", "health", "value"):
        assert (await analytics.get(f"/v1/customers/{customer}/{what}", headers=theirs)).status_code == 404, what


async def test_return_on_relationship_counts_the_repeat_and_the_referred(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Any
) -> None:
    repeat, referred, once, long_ago, helped = (new_id() for _ in range(5))
    resolved = CaseResolved(
        state="resolved", priority="low", channel="email", from_state="open", seconds_to_resolve=60, reopened_count=0
    )
    await fold(
        happened(BOUGHT, tenant, at("2009-01-01"), repeat),
        happened(BOUGHT, tenant, at("2011-08-01"), repeat),
        happened(CustomerCreated(kind="person", referred_by=repeat), tenant, at("2011-07-01"), referred),
        happened(BOUGHT, tenant, at("2011-08-01"), referred),
        happened(CustomerCreated(kind="person"), tenant, at("2011-07-01"), once),
        happened(BOUGHT, tenant, at("2011-08-01"), once),
        happened(BOUGHT, tenant, at("2010-08-31"), long_ago),
        happened(resolved, tenant, at("2011-08-01"), helped),
    )
    interval = {"from": "2011-06-01T00:00:00Z", "to": "2011-09-01T00:00:00Z"}
    ror = (await analytics.get("/v1/metrics/ror", params=interval, headers=mine)).json()
    assert {each["name"]: each["value"] for each in ror["components"]} == {
        "helped": 4,
        "loyal": 2,
        "referred": 1,
        "repeat": 1,
        "buyers": 4,
    }
    assert ror["value"] == 50


@pytest.mark.parametrize(
    ("id", "query", "status", "field"),
    [
        ("retention.cr", {}, 404, "id"),
        ("revenue", {"to": "2011-06-01T00:00:00Z"}, 422, "to"),
        ("revenue", {"to": "2011-05-01T00:00:00Z"}, 422, "to"),
        ("revenue", {"from": "2011-06-01T00:00:00"}, 422, "from"),
        ("revenue", {"from": "June"}, 422, "from"),
    ],
)
async def test_a_refusal_names_the_field(
    analytics: httpx.AsyncClient, mine: Headers, id: str, query: dict[str, str], status: int, field: str
) -> None:
    interval = {"from": "2011-06-01T00:00:00Z", "to": "2011-09-01T00:00:00Z", **query}
    refused = await analytics.get(f"/v1/metrics/{id}", params=interval, headers=mine)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (status, field)


async def test_graphql_names_the_field_too(analytics: httpx.AsyncClient, mine: Headers) -> None:
    interval = {"from": "2011-06-01T00:00:00Z", "to": "2011-05-01T00:00:00Z"}
    refused = await ask(analytics, mine, QUERY, id="revenue", **interval)
    assert refused["errors"][0]["extensions"]["problem"]["errors"][0]["field"] == "to"


async def test_amounts_in_two_currencies_are_kept_apart_by_either_api(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Any
) -> None:
    dollars = OrderPlaced(value=Decimal(10), currency="USD")
    await fold(
        happened(BOUGHT, tenant, at("2011-08-01"), new_id()), happened(dollars, tenant, at("2011-08-01"), new_id())
    )
    interval = {"from": "2011-06-01T00:00:00Z", "to": "2011-09-01T00:00:00Z"}
    rest = (await analytics.get("/v1/metrics/revenue", params=interval, headers=mine)).json()
    assert (rest["value"], rest["currency"]) == (None, None)
    assert [(each["currency"], each["value"]) for each in rest["by_currency"]] == [("EUR", 10), ("USD", 10)]
    query = """query ($from: DateTime!, $to: DateTime!) { metric(id: "revenue", from: $from, to: $to, grain: QUARTER) {
               value currency byCurrency { currency value components { name value } }
               breakdown { value byCurrency { currency value } } } }"""
    graph = (await ask(analytics, mine, query, **interval))["data"]["metric"]
    assert [(each["currency"], each["value"]) for each in graph["byCurrency"]] == [("EUR", 10), ("USD", 10)]
    assert graph["byCurrency"][1]["components"][:2] == [
        {"name": "orders", "value": 1},
        {"name": "ordered", "value": 10},
    ]
    assert [[each["currency"] for each in part["byCurrency"]] for part in graph["breakdown"]] == [[], ["EUR", "USD"]]


async def test_the_catalogue_tells_every_metric(analytics: httpx.AsyncClient, mine: Headers) -> None:
    rest = (await analytics.get("/v1/metrics", headers=mine)).json()["metrics"]
    graph = (await ask(analytics, mine, "{ metrics { id words } }"))["data"]["metrics"]
    assert [each["id"] for each in rest] == [each["id"] for each in graph]
    assert "retention.crr" in [each["id"] for each in rest]


async def test_the_timeline_goes_back_page_by_page(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Any
) -> None:
    customer = new_id()
    events = [happened(BOUGHT, tenant, at(f"2011-08-0{day}"), customer) for day in range(1, 6)]
    await fold(*events, happened(CustomerCreated(kind="person"), tenant, at("2011-08-03"), customer))
    path, seen, after = f"/v1/customers/{customer}/timeline", [], None
    for _ in range(2):
        query = {"first": "3", "type": BOUGHT.type, **({"after": after} if after else {})}
        page = (await analytics.get(path, params=query, headers=mine)).json()
        seen += [item["id"] for item in page["items"]]
        after = page["next"]
    assert (seen, after) == ([str(event.id) for event in reversed(events)], None)
    assert page["items"][0]["data"] == {"value": "10", "currency": "EUR"}


async def test_health_is_shown_with_its_reasons(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Any
) -> None:
    customer, other = new_id(), new_id()
    event = happened(BOUGHT, tenant, at("2011-08-01"), customer)
    await fold(event)
    rest = await analytics.get(f"/v1/customers/{customer}/health?at=2011-09-15T00:00:00Z", headers=mine)
    health = rest.json()
    assert (health["band"], health["model_version"]) == ("steady", 2)
    assert sum(part["contribution"] for part in health["contributions"]) == pytest.approx(health["score"], abs=1e-9)
    assert health["contributions"][0]["events"] == [str(event.id)]
    query = """query ($of: [_Any!]!) { _entities(representations: $of) { ... on Customer {
        health(at: "2011-09-15T00:00:00Z") { score band contributions { measure events } }
        timeline(first: 1) { nodes { type } } } } }"""
    of = [{"__typename": "Customer", "id": str(id)} for id in (customer, other)]
    answer = await ask(analytics, mine, query, of=of)
    first, second = answer["data"]["_entities"]
    assert (first["health"]["score"], first["health"]["band"]) == (health["score"], "STEADY")
    assert first["timeline"]["nodes"] == [{"type": BOUGHT.type}]
    assert second == {"health": None, "timeline": None}
    assert {error["message"] for error in answer["errors"]} == {f"There is no customer {other}."}
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"not-found"}


async def test_each_reading_needs_its_scope(analytics: httpx.AsyncClient, token: Any, tenant: str) -> None:
    stranger = token(tenant, "sales:read")
    for path in ("/metrics", "/ledger", "/freshness", f"/customers/{new_id()}/health"):
        assert (await analytics.get(f"/v1{path}", headers=stranger)).status_code == 403, path
    for query in ("{ metrics { id } }", "{ freshness { source } }"):
        refused = await ask(analytics, stranger, query)
        assert refused["errors"][0]["extensions"]["code"] == "forbidden", query
