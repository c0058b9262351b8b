"""What a service lets in, shown on sales: the same rules in a body, a row, a query string and GraphQL."""

import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from kith.ids import new_id
from kith.runtime.service import Service
from sales.service import SERVICE

Headers = dict[str, str]
ORDER = {"value": "10.50", "currency": "EUR"}
OPEN = """mutation($input: OpenOpportunityInput!) {
    openOpportunity(input: $input) { ... on Problem { status errors { field rule } } }
}"""


def cursor(at: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([at, str(new_id())]).encode()).decode().rstrip("=")


@pytest.fixture
async def sales(serve: Callable[[Service], Awaitable[httpx.AsyncClient]]) -> httpx.AsyncClient:
    return await serve(SERVICE)


def row(external_id: str, **fields: Any) -> dict[str, Any]:
    return {"external_id": external_id, "occurred_at": "2026-01-31T12:00:00Z", **ORDER, **fields}


async def bulk(sales: httpx.AsyncClient, mine: Headers, rows: str) -> Any:
    headers = {**mine, "Content-Type": "application/json"}
    answer = await sales.post("/v1/orders:bulk", content=rows.encode("utf-8", "surrogateescape"), headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (row("wrong", country="a\0b"), "country"),
        (row("wrong", occurred_at="0001-01-01T00:00:00Z"), "occurred_at"),
        (row("wrong", value=9223372036855), "value"),
        (row("wrong", value="10.505"), "value"),
        (row("wrong", currency="EUX"), "currency"),
        (row("wrong\0"), "external_id"),
    ],
)
async def test_a_row_that_is_refused_does_not_stop_the_others(
    sales: httpx.AsyncClient, mine: Headers, wrong: dict[str, Any], field: str
) -> None:
    done = await bulk(sales, mine, json.dumps({"rows": [row("a"), wrong, row("b")]}))
    assert [each["status"] for each in done["results"]] == ["accepted", "rejected", "accepted"]
    assert [each["field"] for each in done["results"][1]["problem"]["errors"]] == [field]
    listed = (await sales.get("/v1/orders", headers=mine)).json()["items"]
    assert {each["external_id"] for each in listed} == {"a", "b"}


@pytest.mark.parametrize(
    "wrong",
    [
        '{"external_id": "x", "external_id": "y"}',
        '{"external_id": "\\ud800"}',
        '{"external_id": "\udcff"}',
        '{"external_id": ' + "[" * 500 + "]" * 500 + "}",
        "null",
        '"x"',
        "[]",
        "1e999",
        '{"external_id": 5}',
        '{"command": "place\\u0000"}',
    ],
)
async def test_a_row_that_cannot_be_read_does_not_stop_the_others(
    sales: httpx.AsyncClient, mine: Headers, wrong: str
) -> None:
    good = json.dumps(row("a")), json.dumps(row("b"))
    done = await bulk(sales, mine, f'{{"rows": [{good[0]}, {wrong}, {good[1]}]}}')
    assert [each["status"] for each in done["results"]] == ["accepted", "rejected", "accepted"]
    assert done["results"][1]["problem"]["status"] == 422


@pytest.mark.parametrize(
    "body", ["null", '"x"', "[]", "7", "", "{", "[" * 1000, '{"rows": null}', '{"rows": [}', '{"value": 1, "value": 2}']
)
@pytest.mark.parametrize("path", ["/v1/orders", "/v1/orders:bulk", "/graphql"])
async def test_a_body_that_is_none_is_refused(sales: httpx.AsyncClient, mine: Headers, path: str, body: str) -> None:
    headers = {**mine, "content-type": "application/json"}
    refused = await sales.post(path, content=body, headers=headers)
    if path == "/graphql" and body.startswith('{"'):
        assert refused.status_code in (400, 422)
        return
    assert refused.status_code in ((400, 422) if path == "/graphql" else (422,)), refused.text


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"source": "\0"}, "source"),
        ({"customer_id": "urn:uuid:019ca000-0000-7000-8000-000000000002"}, "customer_id"),
        ({"first": "1_0"}, "first"),
        ({"first": "\uff15"}, "first"),
        ({"first": "+5"}, "first"),
        ({"first": " 5"}, "first"),
        ({"after": "%"}, "after"),
        ({"after": cursor("0001-01-01T00:00:00+14:00")}, "after"),
        ({"after": cursor("9999-12-31T23:59:59-14:00")}, "after"),
        ({"after": "WzEsMl0"}, "after"),
        ({"after": "bnVsbA"}, "after"),
    ],
)
async def test_a_query_string_is_read_by_the_same_rules(
    sales: httpx.AsyncClient, mine: Headers, query: dict[str, str], field: str
) -> None:
    refused = await sales.get("/v1/opportunities", params=query, headers=mine)
    assert (refused.status_code, [each["field"] for each in refused.json()["errors"]]) == (422, [field])


@pytest.mark.parametrize(
    "id", ["%00", "7", "urn:uuid:019ca000-0000-7000-8000-000000000002", "019ca00000007000800000000000002a"]
)
async def test_a_path_is_read_by_the_same_rules(sales: httpx.AsyncClient, mine: Headers, id: str) -> None:
    refused = await sales.get(f"/v1/orders/{id}", headers=mine)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "id")


@pytest.mark.parametrize("key", ["", "\t", "é", "x" * 256])
async def test_a_key_that_is_none_is_refused(sales: httpx.AsyncClient, mine: Headers, key: str) -> None:
    headers = [*mine.items(), ("Idempotency-Key", key.encode())]
    refused = await sales.post("/v1/orders", json=ORDER, headers=headers)  # type: ignore[arg-type]  # bytes are, too
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "idempotency-key")


@pytest.mark.parametrize("tag", ["3", '"03"', '"\uff13"', '"3" ,"4"', 'W/"3"', '"99999999999"', "é"])
async def test_a_version_that_is_none_is_refused(sales: httpx.AsyncClient, mine: Headers, tag: str) -> None:
    headers = [*mine.items(), ("If-Match", tag.encode())]
    path = f"/v1/opportunities/{new_id()}:lose"
    refused = await sales.post(path, json={}, headers=headers)  # type: ignore[arg-type]  # bytes are, too
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "If-Match")


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": "a\0b"}, "name"),
        ({"occurredAt": "yesterday"}, "occurredAt"),
        ({"occurredAt": 5}, "occurredAt"),
        ({"occurredAt": "0001-01-01T00:00:00Z"}, "occurredAt"),
        ({"value": "1_000"}, "value"),
        ({"value": "NaN"}, "value"),
        ({"value": "10.505"}, "value"),
        ({"customerId": "{019ca000-0000-7000-8000-000000000002}"}, "customerId"),
        ({"expectedClose": "2026-02-30"}, "expectedClose"),
    ],
)
async def test_a_mutation_returns_a_problem_by_the_same_rules(
    sales: httpx.AsyncClient, mine: Headers, given: dict[str, Any], field: str
) -> None:
    variables = {"input": {"name": "Chairs", "currency": "EUR", **given}}
    answer = (await sales.post("/graphql", json={"query": OPEN, "variables": variables}, headers=mine)).json()
    problem = answer["data"]["openOpportunity"]
    assert (problem["status"], [each["field"] for each in problem["errors"]]) == (422, [field])


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ('after: "%"', "after"),
        ('where: {customerId: {eq: "7"}}', "where.customerId.eq"),
        ('where: {source: {eq: "a\\u0000b"}}', "where.source.eq"),
    ],
)
async def test_a_query_returns_the_same_problem_as_an_error(
    sales: httpx.AsyncClient, mine: Headers, arguments: str, field: str
) -> None:
    query = f"{{ opportunities({arguments}) {{ nodes {{ id }} }} }}"
    answer = (await sales.post("/graphql", json={"query": query}, headers=mine)).json()
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "invalid"
    assert [each["field"] for each in error["extensions"]["problem"]["errors"]] == [field]


ENTITIES = "query($of: [_Any!]!) { _entities(representations: $of) { __typename } }"


@pytest.mark.parametrize(
    ("named", "field"),
    [
        ({"__typename": "Nothing", "id": str(new_id())}, "representations"),
        ({"__typename": "Query", "id": str(new_id())}, "representations"),
        ({"id": str(new_id())}, "representations"),
        ({"__typename": ["Order"], "id": str(new_id())}, "representations"),
        ("Order", "representations"),
        ({"__typename": "Order"}, "id"),
        ({"__typename": "Order", "id": "7"}, "id"),
        ({"__typename": "Order", "id": 7}, "id"),
        ({"__typename": "Customer", "id": None}, "id"),
        ({"__typename": "Customer", "id": "\0", "info": 1, "self": 2}, "id"),
    ],
)
async def test_what_names_no_entity_is_an_error_in_its_place(
    sales: httpx.AsyncClient, mine: Headers, named: Any, field: str
) -> None:
    variables = {"of": [{"__typename": "Customer", "id": str(new_id())}, named]}
    answer = (await sales.post("/graphql", json={"query": ENTITIES, "variables": variables}, headers=mine)).json()
    (error,) = answer["errors"]
    assert (error["path"], error["extensions"]["code"]) == (["_entities", 1], "invalid")
    assert [each["field"] for each in error["extensions"]["problem"]["errors"]] == [field]
    assert answer["data"]["_entities"] == [{"__typename": "Customer"}, None]


async def test_an_amount_fits_the_currency_of_what_it_changes(sales: httpx.AsyncClient, mine: Headers) -> None:
    chairs = {"name": "Chairs", "currency": "JPY", "value": "10"}
    id = (await sales.post("/v1/opportunities", json=chairs, headers=mine)).json()["id"]
    for command in ("amend", "win"):
        refused = await sales.post(f"/v1/opportunities/{id}:{command}", json={"value": "10.5"}, headers=mine)
        assert refused.status_code == 422
        assert refused.json()["errors"] == [
            {"field": "value", "rule": "JPY has no minor unit: an amount in it is a whole number."}
        ]
    of_it = await sales.post("/v1/orders", json={"opportunity_id": id, "value": "10.5"}, headers=mine)
    assert (of_it.status_code, of_it.json()["errors"][0]["field"]) == (422, "value")
    assert (await sales.post(f"/v1/opportunities/{id}:win", json={"value": "11"}, headers=mine)).status_code == 200
