"""What a GraphQL request may ask of a service, on its own port."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from kith.graphql import limits as graphql_limits
from kith.graphql.limits import GraphQLLimits, QueryTooCostly, read
from kith.ids import new_id
from kith.runtime.service import Service
from kith.runtime.setting_list import entries
from kith.runtime.settings import Settings
from sales.service import SERVICE

Headers = dict[str, str]
Serve = Callable[[Service], Awaitable[httpx.AsyncClient]]


@pytest.fixture
async def ask(serve: Serve, mine: Headers) -> Callable[..., Awaitable[Any]]:
    sales = await serve(SERVICE)

    async def ask(query: str, **variables: object) -> Any:
        answer = await sales.post("/graphql", json={"query": query, "variables": variables}, headers=mine)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return ask


def within(levels: int, page: int) -> str:
    inner = "id"
    for _ in range(levels - 1):
        inner = f"customer {{ orders(first: {page}) {{ nodes {{ {inner} }} }} }}"
    return f"{{ orders(first: {page}) {{ nodes {{ {inner} }} }} }}"


async def test_what_would_cost_too_much_is_refused_with_its_cost(ask: Callable[..., Awaitable[Any]]) -> None:
    for query, cost in ((within(4, 500), 62_875_751_501), (within(2, 150), 22_951)):
        answer = await ask(query)
        (error,) = answer["errors"]
        assert error["extensions"]["code"] == "query-too-costly"
        assert (error["extensions"]["measure"], error["extensions"]["limit"]) == ("cost", 20_000)
        assert answer["extensions"]["cost"] == {"requested": cost, "limit": 20_000}
        assert answer["data"] is None
    assert "errors" not in await ask(within(2, 100))


async def test_a_variable_counts_as_what_it_is(ask: Callable[..., Awaitable[Any]]) -> None:
    query = "query ($n: Int!) { orders(first: $n) { nodes { customer { orders(first: $n) { nodes { id } } } } } }"
    assert "errors" not in await ask(query, n=10)
    assert (await ask(query, n=500))["errors"][0]["extensions"]["measure"] == "cost"


async def test_fragments_count_where_they_are_put_in(ask: Callable[..., Awaitable[Any]]) -> None:
    links = " ".join(f"fragment F{i} on Order {{ ...F{i + 1} ...F{i + 1} }}" for i in range(60))
    bomb = f"{{ orders(first: 1) {{ nodes {{ ...F0 }} }} }} {links} fragment F60 on Order {{ id }}"
    assert (await ask(bomb))["errors"][0]["extensions"]["measure"] == "fields"
    circle = "{ orders { nodes { ...A } } } fragment A on Order { id ...A }"
    assert (await ask(circle))["errors"][0]["extensions"]["code"] == "invalid-query"


async def test_a_gateway_may_ask_for_many_entities_at_once(ask: Callable[..., Awaitable[Any]]) -> None:
    many = "query ($of: [_Any!]!) { _entities(representations: $of) { ... on Customer { orders { nodes { id } } } } }"
    of = [{"__typename": "Customer", "id": str(new_id())} for _ in range(900)]
    answer = await ask(many, of=of)
    assert "errors" not in answer
    assert len(answer["data"]["_entities"]) == 900
    assert (await ask(many, of=of * 2))["errors"][0]["extensions"]["requested"] == 1800 * 22


@pytest.mark.parametrize(
    ("query", "measure"),
    [
        ("{" + "".join(f" a{i}: __typename" for i in range(200)) + " }", "rootFields"),
        ("{ ... {" + "".join(f" a{i}: __typename" for i in range(100)) + " } }", "rootFields"),
        ("{ orders { nodes {" + "".join(f" a{i}: id" for i in range(200)) + " } } }", "aliases"),
        ("{ orders { nodes {" + " id" * 41 + " } } }", "repeats"),
        ("{ orders { nodes {" + " id" * 1600 + " } } }", "fields"),
        ("{ orders { nodes { id" + " @skip(if: false)" * 151 + " } } }", "directives"),
        ("{ a" + "{ a " * 16 + "}" * 17, "depth"),
        ("{ orders }" + "".join(f" fragment F{i} on Order {{ id }}" for i in range(150)), "definitions"),
        ("{" + " a" * 6001 + "}", "tokens"),
        ("#" + "x" * 100_000 + "\n{ __typename }", "documentCharacters"),
    ],
)
async def test_each_measure_has_its_limit(ask: Callable[..., Awaitable[Any]], query: str, measure: str) -> None:
    (error,) = (await ask(query))["errors"]
    assert (error["extensions"]["code"], error["extensions"]["measure"]) == ("query-too-costly", measure)


async def test_a_document_is_read_and_validated_once(
    ask: Callable[..., Awaitable[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def noting(step: str, does: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*given: Any, **named: Any) -> Any:
            done.append(step)
            return does(*given, **named)

        return noted

    for step in ("parse", "validate_document"):
        monkeypatch.setattr(graphql_limits, step, noting(step, getattr(graphql_limits, step)))
    for _ in range(3):
        assert "errors" not in await ask("query Once ($n: Int) { orders(first: $n) { nodes { id } } }", n=1)
    assert done == ["parse", "validate_document"]


def test_documents_are_kept_up_to_so_many_characters() -> None:
    kept = graphql_limits._Kept()
    for each in range(100):
        query = f"#{each:>9999}"
        kept.put((query, None, GraphQLLimits()), graphql_limits._Document(read("{ a }", GraphQLLimits())))
    assert len(kept.documents) == 20
    assert kept.characters == 200_000


def test_limits_are_settings() -> None:
    settings = Settings(database_url="postgresql:///none", port=0, graphql_cost=5, graphql_tokens=4)
    limits = GraphQLLimits.of(settings)
    assert (limits.cost, limits.tokens) == (5, 12), "a gateway makes more of a query"
    assert limits == GraphQLLimits.of(
        Settings(database_url="postgresql:///none", port=0, graphql_cost=5, graphql_tokens=4)
    )
    with pytest.raises(QueryTooCostly):
        read("{" + " a" * 13 + "}", limits)
    assert GraphQLLimits.of(Settings(database_url="postgresql:///none", port=0)) == GraphQLLimits()


def test_the_gateways_limits_are_the_same() -> None:
    from kith_local.settings_page import of_gateway

    of_the_gateway = {each.name: each.default for each in of_gateway()}
    ours = {each.name: each.default for each in entries(Settings) if each.name.startswith("KITH_GRAPHQL_")}
    assert ours
    assert ours.items() <= of_the_gateway.items()
