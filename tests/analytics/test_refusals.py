"""What cannot be queried is refused by the same rule, of the same field, over REST and GraphQL."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from tests.analytics.conftest import at, happened

from kith.events.sales import OrderPlaced
from kith.ids import new_id
from kith.testing import Issuer, Tenant

SPRING = {"from": "2026-03-01T00:00:00Z", "to": "2026-06-01T00:00:00Z"}
METRIC = (
    "query($id: String!, $from: DateTime!, $to: DateTime!, %s) { metric(id: $id, from: $from, to: $to, %s) { value } }"
)
OF_A_CUSTOMER = {
    "health": "health { score }",
    "health/path": "health { path { up { words } } }",
    "value": "value { historic }",
    "timeline": "timeline { nodes { type } }",
}
"""What is queried of one, over REST and GraphQL."""
TOMORROW = (datetime.now(UTC) + timedelta(days=1)).isoformat()


@pytest.fixture
def acme(analytics: httpx.AsyncClient, issuer: Issuer, tenant: str) -> Tenant:
    return Tenant(analytics, issuer, tenant)


async def metric(acme: Tenant, declared: str, passed: str, **variables: Any) -> Any:
    """The error of the question over GraphQL."""
    answer = await acme.post("/graphql", {"query": METRIC % (declared, passed), "variables": variables})
    (error,) = answer.json()["errors"]
    return error


async def refused(answer: Any) -> tuple[int, str, str]:
    problem = answer.json()
    (error,) = problem["errors"]
    return problem["status"], error["field"], error["rule"]


@pytest.mark.parametrize(
    ("given", "kind", "rule"),
    [
        ({"zone": "localtime"}, "String", "It is not an IANA time zone."),
        ({"zone": "Factory"}, "String", "It is not an IANA time zone."),
        ({"zone": "posixrules"}, "String", "It is not an IANA time zone."),
        ({"zone": "Europe/vienna"}, "String", "For instance: Europe/Vienna"),
        ({"knownAt": TOMORROW}, "DateTime", "It is yet to come."),
        ({"knownAt": "yesterday"}, "DateTime", "It is an instant of ISO 8601 with its zone"),
        ({"filter": ["country:France"] * 500}, "[String!]", "up to 20 filters"),
        ({"filter": ["country:a\0b"]}, "[String!]", "U+0000"),
    ],
)
async def test_a_question_is_refused_alike_over_rest_and_graphql(
    acme: Tenant, given: dict[str, Any], kind: str, rule: str
) -> None:
    (name,) = given
    answer = await acme.get("/v1/metrics/revenue", **SPRING, **given)
    status, field, rule_shown = await refused(answer)
    body = {
        "query": METRIC % (f"${name}: {kind}", f"{name}: ${name}"),
        "variables": {"id": "revenue", **SPRING, **given},
    }
    (error,) = (await acme.post("/graphql", body)).json()["errors"]
    problem = error["extensions"]["problem"]
    assert (status, field.partition(".")[0]) == (422, name)
    assert rule in rule_shown
    assert problem["status"] == status
    assert problem["errors"] == [{"field": field, "rule": rule_shown}]


@pytest.mark.parametrize("field", ["from", "to"])
@pytest.mark.parametrize("instant", ["yesterday", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-03-01 00:00Z"])
async def test_instants_that_no_calendar_reaches_are_refused_with_a_zone_and_a_grain(
    acme: Tenant, field: str, instant: str
) -> None:
    query = SPRING | {field: instant}
    how = {"zone": "Pacific/Kiritimati", "grain": "year"}
    assert (await refused(await acme.get("/v1/metrics/revenue", **query, **how)))[:2] == (422, field)
    assert (await refused(await acme.get("/v1/cohorts", **query, **how)))[:2] == (422, field)
    body = {
        "query": METRIC % ("$zone: String", "zone: $zone, grain: YEAR"),
        "variables": {"id": "revenue", **query, **how},
    }
    (error,) = (await acme.post("/graphql", body)).json()["errors"]
    assert error["extensions"]["code"] == "invalid"
    assert [each["field"] for each in error["extensions"]["problem"]["errors"]] == [field]


async def test_an_unknown_metric_and_an_unknown_customer_are_named(acme: Tenant) -> None:
    nobody = new_id()
    answer = await acme.get("/v1/metrics/revenues", **SPRING)
    assert answer.status_code == 404
    assert "revenues" in answer.json()["detail"]
    query = METRIC % ("$zone: String", "zone: $zone")
    (error,) = (await acme.post("/graphql", {"query": query, "variables": {"id": "revenues", **SPRING}})).json()[
        "errors"
    ]
    assert error["extensions"]["problem"]["detail"] == answer.json()["detail"]
    for what, fields in OF_A_CUSTOMER.items():
        answer = await acme.get(f"/v1/customers/{nobody}/{what}")
        rule_shown = f"There is no customer {nobody}."
        assert await refused(answer) == (404, "id", rule_shown), what
        query = (
            'query($id: UUID!) { _entities(representations: [{__typename: "Customer", id: $id}])'
            f" {{ ... on Customer {{ {fields} }} }} }}"
        )
        (error,) = (await acme.post("/graphql", {"query": query, "variables": {"id": str(nobody)}})).json()["errors"]
        assert error["extensions"]["problem"] == answer.json(), what


async def test_a_timeline_does_not_end_before_it_begins(acme: Tenant, fold: Any, tenant: str) -> None:
    customer = new_id()
    await fold(happened(OrderPlaced(value=1, currency="EUR"), tenant, at("2026-04-01"), customer))  # type: ignore[arg-type]
    for backwards in ({"from": SPRING["to"], "to": SPRING["from"]}, {"from": SPRING["to"], "to": SPRING["to"]}):
        answer = await acme.get(f"/v1/customers/{customer}/timeline", **backwards)
        assert await refused(answer) == (422, "to", "It must be later than `from`.")
        query = (
            "query($id: UUID!, $from: DateTime, $to: DateTime) {"
            ' _entities(representations: [{__typename: "Customer", id: $id}])'
            " { ... on Customer { timeline(from: $from, to: $to) { nodes { type } } } } }"
        )
        body = {"query": query, "variables": {"id": str(customer), **backwards}}
        (error,) = (await acme.post("/graphql", body)).json()["errors"]
        assert error["extensions"]["problem"] == answer.json()
    assert len((await acme.get(f"/v1/customers/{customer}/timeline", **SPRING)).json()["items"]) == 1


async def test_a_fit_is_of_what_has_come(acme: Tenant) -> None:
    answer = await acme.post("/v1/customer-value/fits", {"until": TOMORROW})
    assert await refused(answer) == (422, "until", "It is yet to come.")


@pytest.mark.parametrize("body", ["null", '"x"', "[]", "{", '{"at": 1}', '{"at": "now"}', '{"at": null, "at": null}'])
@pytest.mark.parametrize("path", ["/v1/health:distribution", "/v1/customer-value/fits", "/v1/metrics:query"])
async def test_a_body_that_is_none_is_refused(acme: Tenant, path: str, body: str) -> None:
    headers = {**acme._authorized(), "content-type": "application/json"}
    answer = await acme.client.post(path, content=body, headers=headers)
    assert answer.status_code == 422, answer.text


@pytest.mark.parametrize("language", ["\0", "q=nan", "en;q=1_0", "de;q=", ",;,", "x" * 5000, "\u00e9"])
async def test_no_accept_language_is_a_fault(acme: Tenant, fold: Any, tenant: str, language: str) -> None:
    customer: UUID = new_id()
    await fold(happened(OrderPlaced(value=1, currency="EUR"), tenant, at("2026-01-01"), customer))  # type: ignore[arg-type]
    headers = [*acme._authorized().items(), ("Accept-Language", language.encode())]
    answer = await acme.client.get(f"/v1/customers/{customer}/health", headers=headers)  # type: ignore[arg-type]
    assert answer.status_code == 200, answer.text
