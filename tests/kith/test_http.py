"""What every service's application does with a request before it is anyone's."""

from collections.abc import Awaitable, Callable

import httpx
import pytest

from kith.http import MAX_BODY
from kith.service import Service
from sales.service import SERVICE

Headers = dict[str, str]


@pytest.fixture
async def sales(serve: Callable[[Service], Awaitable[httpx.AsyncClient]]) -> httpx.AsyncClient:
    return await serve(SERVICE)


async def test_a_body_too_big_is_refused(sales: httpx.AsyncClient, mine: Headers) -> None:
    refused = await sales.post("/v1/orders", content=b" " * (MAX_BODY + 1), headers=mine)
    assert (refused.status_code, refused.headers["content-type"]) == (413, "application/problem+json")


async def test_an_unknown_path_and_a_wrong_method_are_problems(sales: httpx.AsyncClient, mine: Headers) -> None:
    for method, path, status in (("GET", "/v1/nothing", 404), ("DELETE", "/v1/orders", 405)):
        refused = await sales.request(method, path, headers=mine)
        assert (refused.status_code, refused.headers["content-type"]) == (status, "application/problem+json")


async def test_a_process_is_alive_without_asking_anyone(sales: httpx.AsyncClient) -> None:
    assert (await sales.get("/livez")).text == "ok"


async def test_a_process_that_stops_is_not_ready(sales: httpx.AsyncClient) -> None:
    transport = sales._transport
    assert isinstance(transport, httpx.ASGITransport)
    state = transport.app.state  # type: ignore[attr-defined]
    assert (await sales.get("/readyz")).status_code == 200
    state.not_ready["process"] = "stopping"
    try:
        refused = await sales.get("/readyz")
        assert (refused.status_code, refused.text) == (503, "process: stopping")
    finally:
        del state.not_ready["process"]


async def test_no_token_is_asked_of_a_probe_and_of_nothing_else(sales: httpx.AsyncClient) -> None:
    document = (await sales.get("/openapi.json")).json()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["security"], path
            refused = await sales.request(method, path.replace("{id}", "0190a8c0-0000-7000-8000-000000000000"))
            assert refused.status_code == 401, f"{method} {path}"


@pytest.mark.parametrize("query", ['{"query": "{ orders { nodes { id } } }"}', '[{"query": "{ __typename }"}]'])
async def test_graphql_takes_no_batch_and_no_stranger(sales: httpx.AsyncClient, mine: Headers, query: str) -> None:
    headers = {"content-type": "application/json"}
    assert (await sales.post("/graphql", content=query, headers=headers)).status_code == 401
    answer = await sales.post("/graphql", content=query, headers={**headers, **mine})
    assert answer.status_code == (400 if query.startswith("[") else 200)
