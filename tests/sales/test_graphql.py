"""What every noun gets from its form in the subgraph, and what a gateway asks of it."""

import re
from typing import Any

import httpx
import pytest
from tests.statements import statements

from kith.ids import new_id

Headers = dict[str, str]

OPEN = """mutation ($input: OpenOpportunityInput!, $key: String) {
    openOpportunity(input: $input, idempotencyKey: $key) {
        ... on Opportunity { id version stage value }
        ... on Problem { status title errors { field rule } }
    }
}"""
WIN = """mutation ($id: UUID!, $version: Int) {
    winOpportunity(id: $id, ifVersion: $version) {
        ... on Opportunity { id version stage }
        ... on Problem { status type }
    }
}"""
CHAIRS = {"name": "Ten chairs", "currency": "EUR", "value": "12.5"}


async def ask(sales: httpx.AsyncClient, headers: Headers, query: str, **variables: Any) -> Any:
    answer = await sales.post("/graphql", json={"query": query, "variables": variables}, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def opened(sales: httpx.AsyncClient, headers: Headers, **fields: Any) -> Any:
    answer = await sales.post("/v1/opportunities", json={**CHAIRS, **fields}, headers=headers)
    return answer.json()


async def test_a_mutation_returns_the_thing(sales: httpx.AsyncClient, mine: Headers) -> None:
    made = await ask(sales, mine, OPEN, input={**CHAIRS, "stage": "engaging"})
    assert made["data"]["openOpportunity"].items() >= {"version": 1, "stage": "engaging", "value": "12.5000"}.items()
    won = await ask(sales, mine, WIN, id=made["data"]["openOpportunity"]["id"], version=1)
    assert won["data"]["winOpportunity"].items() >= {"version": 2, "stage": "won"}.items()


async def test_a_mutation_returns_why_not(sales: httpx.AsyncClient, mine: Headers) -> None:
    refused = await ask(sales, mine, OPEN, input={**CHAIRS, "productId": str(new_id()), "expectedClose": "2026-01-01"})
    problem = refused["data"]["openOpportunity"]
    assert (problem["status"], [error["field"] for error in problem["errors"]]) == (422, ["productId"])
    it = await opened(sales, mine)
    stale = await ask(sales, mine, WIN, id=it["id"], version=7)
    assert stale["data"]["winOpportunity"] == {"status": 412, "type": "urn:kith:problem:version-mismatch"}


async def test_a_mutation_under_a_key_happens_once(sales: httpx.AsyncClient, mine: Headers) -> None:
    first = await ask(sales, mine, OPEN, input=CHAIRS, key="k")
    assert await ask(sales, mine, OPEN, input=CHAIRS, key="k") == first


async def test_without_a_token_there_is_no_graphql(sales: httpx.AsyncClient) -> None:
    assert (await sales.post("/graphql", json={"query": "{ __typename }"})).status_code == 401


async def test_a_list_goes_page_by_page(sales: httpx.AsyncClient, mine: Headers) -> None:
    made = [(await opened(sales, mine, stage="engaging"))["id"] for _ in range(3)]
    await opened(sales, mine)
    query = """query ($after: String) { opportunities(first: 2, after: $after, where: {stage: {eq: "engaging"}}) {
        nodes { id } pageInfo { hasNextPage endCursor } } }"""
    first = (await ask(sales, mine, query))["data"]["opportunities"]
    second = (await ask(sales, mine, query, after=first["pageInfo"]["endCursor"]))["data"]["opportunities"]
    assert [node["id"] for page in (first, second) for node in page["nodes"]] == made[::-1]
    assert (first["pageInfo"]["hasNextPage"], second["pageInfo"]["hasNextPage"]) == (True, False)


async def test_a_customers_dealings_are_the_newest_first(sales: httpx.AsyncClient, mine: Headers) -> None:
    one, other = str(new_id()), str(new_id())
    dealings = [(await opened(sales, mine, customer_id=one))["id"] for _ in range(3)]
    await opened(sales, mine, customer_id=other)
    found = await entities(sales, mine, [one, other, str(new_id())], "opportunities(first: 2) { nodes { id } }")
    assert [each["id"] for each in found[0]["opportunities"]["nodes"]] == dealings[:0:-1]
    assert [len(customer["opportunities"]["nodes"]) for customer in found] == [2, 1, 0]


async def test_another_tenants_customer_has_no_dealings(
    sales: httpx.AsyncClient, mine: Headers, theirs: Headers
) -> None:
    customer = str(new_id())
    await opened(sales, theirs, customer_id=customer)
    assert await entities(sales, mine, [customer], "opportunities { nodes { id } }") == [
        {"opportunities": {"nodes": []}}
    ]


async def test_the_dealings_of_many_customers_are_one_select(sales: httpx.AsyncClient, mine: Headers) -> None:
    customers = [str(new_id()) for _ in range(20)]
    for customer in customers[:3]:
        await opened(sales, mine, customer_id=customer)
    with statements() as sent:
        await entities(sales, mine, customers, "opportunities { nodes { id } }")
    assert len([statement for statement in sent if "opportunities" in statement]) == 1


async def test_pages_of_any_length_are_one_statement(sales: httpx.AsyncClient, mine: Headers) -> None:
    """With its limit as a parameter. With a number written out, PostgreSQL would come to read all rows for a page."""
    page = """query ($first: Int!) {
        opportunities(first: $first, where: {stage: {eq: "engaging"}}) { nodes { id } } }"""
    with statements() as sent:
        for first in (1, 50):
            await ask(sales, mine, page, first=first)
            await entities(sales, mine, [str(new_id())], f"opportunities(first: {first}) {{ nodes {{ id }} }}")
    limited = {statement for statement in sent if "LIMIT" in statement}
    assert len(limited) == 2
    assert all(re.search(r"LIMIT \$\d", statement) for statement in limited)


async def entities(sales: httpx.AsyncClient, headers: Headers, ids: list[str], fields: str) -> Any:
    query = f"""query ($of: [_Any!]!) {{ _entities(representations: $of) {{ ... on Customer {{ {fields} }} }} }}"""
    answer = await ask(sales, headers, query, of=[{"__typename": "Customer", "id": id} for id in ids])
    assert "errors" not in answer, answer
    return answer["data"]["_entities"]


async def test_an_entity_is_found_by_its_id(sales: httpx.AsyncClient, mine: Headers) -> None:
    it = await opened(sales, mine)
    query = "query ($of: [_Any!]!) { _entities(representations: $of) { ... on Opportunity { name } } }"
    found = await ask(sales, mine, query, of=[{"__typename": "Opportunity", "id": it["id"]}])
    assert found["data"]["_entities"] == [{"name": "Ten chairs"}]


@pytest.mark.parametrize("first", [0, 501])
async def test_a_page_that_is_no_page_is_refused(sales: httpx.AsyncClient, mine: Headers, first: int) -> None:
    refused = await ask(sales, mine, f"{{ orders(first: {first}) {{ nodes {{ id }} }} }}")
    error = refused["errors"][0]
    assert (error["extensions"]["code"], error["extensions"]["problem"]["errors"][0]["field"]) == ("invalid", "first")


async def test_an_internal_error_says_nothing_of_itself(
    sales: httpx.AsyncClient, mine: Headers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("password=secret")

    monkeypatch.setattr("kith.nouns.queries.Queries.page", broken)
    answer = await ask(sales, mine, "{ orders { nodes { id } } }")
    (error,) = answer["errors"]
    id = error["extensions"]["problem"]["instance"].removeprefix("urn:uuid:")
    assert (error["message"], error["extensions"]["code"]) == (
        f"This is an internal error; it has been logged as {id}.",
        "internal",
    )
    assert id in capsys.readouterr().out
    assert "secret" not in str(answer)
    over_rest = await sales.get("/v1/orders", headers=mine)
    assert (over_rest.status_code, "secret" in over_rest.text) == (500, False)
    assert over_rest.json()["code"] == "internal"
    assert over_rest.json()["instance"].removeprefix("urn:uuid:") in capsys.readouterr().out


async def test_a_query_too_deep_is_refused(sales: httpx.AsyncClient, mine: Headers) -> None:
    deep = "{ opportunities { nodes { " + "customer { opportunities { nodes { " * 7 + "id" + " } } }" * 7 + " } } }"
    refused = await ask(sales, mine, deep)
    assert refused["errors"][0]["message"] == "A query has at most 15 levels of fields; this has 24."
