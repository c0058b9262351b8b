"""What every service's application does with a request before it is anyone's."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY
from starlette.types import Message

from kith.api import api_of, context_for
from kith.http.bodies import MAX_BODY, MAX_BULK_BODY
from kith.runtime.service import Service
from kith.runtime.settings import Settings
from kith.testing import Issuer
from kith_local.postgres import EmbeddedPostgres
from sales.service import SERVICE

Headers = dict[str, str]
Serve = Callable[[Service], Awaitable[httpx.AsyncClient]]
PAGE = "https://crm.example"
ID = "0190a8c0-0000-7000-8000-000000000000"
PROBLEM = "application/problem+json"
QUERY = '{"query": "{ orders { nodes { id } } }"}'


@pytest.fixture
async def sales(serve: Serve) -> httpx.AsyncClient:
    return await serve(SERVICE)


@asynccontextmanager
async def set_up(issuer: Issuer, postgres: EmbeddedPostgres, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """The service with other settings than usual."""
    own = Settings(database_url=postgres.url("kith_sales"), port=0, pool_size=4, **settings)
    context = context_for(SERVICE, own, issuer.authenticator())
    transport = httpx.ASGITransport(app=api_of(SERVICE).create(context))
    async with httpx.AsyncClient(transport=transport, base_url="http://sales") as client:
        yield client
    await context.database.close()


def refused(reason: str) -> float:
    return REGISTRY.get_sample_value("kith_requests_refused_total", {"reason": reason}) or 0.0


@pytest.mark.parametrize(("path", "limit"), [("/v1/orders", MAX_BODY), ("/v1/orders:bulk", MAX_BULK_BODY)])
@pytest.mark.parametrize("declared", [True, False], ids=["declared", "counted"])
async def test_a_body_too_big_is_refused(
    sales: httpx.AsyncClient, mine: Headers, path: str, limit: int, declared: bool
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(limit // 65_536 + 1):
            yield b" " * 65_536

    content = b" " * (limit + 1) if declared else pieces()
    answer = await sales.post(path, content=content, headers={**mine, "Content-Type": "application/json"})
    assert (answer.status_code, answer.headers["content-type"]) == (413, PROBLEM)
    assert answer.json()["code"] == "content-too-large"


@pytest.mark.parametrize("path", ["/v1/orders", "/v1/orders:bulk", "/graphql"])
@pytest.mark.parametrize(
    "kind",
    [
        None,
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "text/plain; application/json",
        "application/merge-patch+json",
    ],
)
async def test_a_body_that_is_not_said_to_be_json_is_refused(
    sales: httpx.AsyncClient, mine: Headers, path: str, kind: str | None
) -> None:
    answer = await sales.post(path, content=b"{}", headers={**mine, **({"Content-Type": kind} if kind else {})})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported-media-type")


async def test_a_compressed_body_is_refused(sales: httpx.AsyncClient, mine: Headers) -> None:
    headers = {**mine, "Content-Type": "application/json", "Content-Encoding": "gzip"}
    assert (await sales.post("/v1/orders", content=b"{}", headers=headers)).status_code == 415


@pytest.mark.parametrize("kind", ["application/json", "application/json;charset=UTF-8"])
async def test_json_is_taken_and_nothing_needs_no_type(sales: httpx.AsyncClient, mine: Headers, kind: str) -> None:
    answer = await sales.post("/graphql", content=QUERY, headers={**mine, "Content-Type": kind})
    assert (answer.status_code, answer.json()) == (200, {"data": {"orders": {"nodes": []}}})
    assert (await sales.post(f"/v1/opportunities/{ID}:win", headers=mine)).status_code == 404


async def test_an_unknown_path_is_a_problem_and_no_redirect(sales: httpx.AsyncClient, mine: Headers) -> None:
    for path in ("/v1/nothing", "/v1/orders/", "/graphql/", "/docs/"):
        answer = await sales.get(path, headers={**mine, "Host": "elsewhere.example"})
        assert (answer.status_code, answer.headers["content-type"]) == (404, PROBLEM), path
        assert "elsewhere" not in f"{answer.headers} {answer.text}"


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/v1/orders", "GET, HEAD, POST, OPTIONS"),
        (f"/v1/orders/{ID}", "GET, HEAD, OPTIONS"),
        (f"/v1/opportunities/{ID}:win", "POST, OPTIONS"),
        ("/v1/orders:export", "GET, HEAD, OPTIONS"),
        ("/v1/orders:bulk", "POST, OPTIONS"),
        ("/graphql", "GET, HEAD, POST, OPTIONS"),
        ("/livez", "GET, HEAD, OPTIONS"),
    ],
)
async def test_every_path_says_what_it_returns(
    sales: httpx.AsyncClient, mine: Headers, path: str, methods: str
) -> None:
    options = await sales.options(path)
    assert (options.status_code, options.headers["Allow"]) == (204, methods)
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        if method not in methods:
            answer = await sales.request(method, path, headers=mine)
            assert (answer.status_code, answer.headers["Allow"], answer.json()["code"]) == (
                405,
                methods,
                "method-not-allowed",
            ), method


@pytest.mark.parametrize("path", ["/livez", "/v1/orders", "/v1/orders:export", "/openapi.json", "/v1/nothing"])
async def test_head_is_get_without_the_body(sales: httpx.AsyncClient, mine: Headers, path: str) -> None:
    head, get = await sales.head(path, headers=mine), await sales.get(path, headers=mine)
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers.get("content-length") == get.headers.get("content-length")
    assert head.headers["content-type"] == get.headers["content-type"]


async def test_a_process_is_alive_without_asking_anyone(sales: httpx.AsyncClient) -> None:
    assert (await sales.get("/livez")).text == "ok"


async def test_a_process_that_stops_is_not_ready(sales: httpx.AsyncClient) -> None:
    transport = sales._transport
    assert isinstance(transport, httpx.ASGITransport)
    state = transport.app.state  # type: ignore[attr-defined]
    assert (await sales.get("/readyz")).status_code == 200
    state.not_ready["process"] = "stopping"
    try:
        answer = await sales.get("/readyz")
        assert (answer.status_code, answer.text) == (503, "process: stopping")
    finally:
        del state.not_ready["process"]


async def test_a_probe_needs_no_token_and_all_else_does(sales: httpx.AsyncClient) -> None:
    document = (await sales.get("/openapi.json")).json()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["security"], path
            answer = await sales.request(method, path.replace("{id}", ID))
            assert answer.status_code == 401, f"{method} {path}"
    for path in ("/graphql", "/v1/nothing", "/"):
        answer = await sales.get(path)
        assert (answer.status_code, answer.json()["code"], answer.headers["WWW-Authenticate"]) == (
            401,
            "unauthenticated",
            "Bearer",
        ), path


@pytest.mark.parametrize("query", [QUERY, '[{"query": "{ __typename }"}]'])
async def test_graphql_takes_no_batch_and_no_stranger(sales: httpx.AsyncClient, mine: Headers, query: str) -> None:
    headers = {"content-type": "application/json"}
    stranger = await sales.post("/graphql", content=query, headers=headers)
    assert (stranger.status_code, stranger.json()["code"]) == (401, "unauthenticated")
    answer = await sales.post("/graphql", content=query, headers={**headers, **mine})
    assert answer.status_code == (400 if query.startswith("[") else 200)


async def test_what_is_no_request_of_graphql_is_a_problem(sales: httpx.AsyncClient, mine: Headers) -> None:
    for body in ("[]", "{}"):
        answer = await sales.post("/graphql", content=body, headers={"Content-Type": "application/json", **mine})
        assert (answer.status_code, answer.headers["content-type"]) == (400, PROBLEM), body
        assert answer.json()["code"] == "bad-request"


# Limits


@pytest.mark.parametrize("over", ["REST", "GraphQL"])
async def test_a_tenant_with_too_many_requests_gets_the_time_to_try_again(
    serve: Serve, issuer: Issuer, postgres: EmbeddedPostgres, mine: Headers, theirs: Headers, over: str
) -> None:
    await serve(SERVICE)

    async def ask(headers: Headers) -> httpx.Response:
        if over == "REST":
            return await client.get("/v1/orders", headers=headers)
        return await client.post("/graphql", content=QUERY, headers={**headers, "Content-Type": "application/json"})

    async with set_up(issuer, postgres, tenant_rate=0.1, tenant_burst=2) as client:
        before = refused("rate")
        answers = [await ask(mine) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        last = answers[-1]
        assert (last.json()["code"], last.headers["content-type"]) == ("too-many-requests", PROBLEM)
        assert last.headers["Retry-After"] == "10"
        assert {answer.headers["RateLimit-Policy"] for answer in answers} == {'"tenant";q=2;w=20'}
        assert [answer.headers["RateLimit"] for answer in answers] == [
            '"tenant";r=1;t=10',
            '"tenant";r=0;t=20',
            '"tenant";r=0;t=20',
        ]
        assert refused("rate") == before + 1
        assert (await ask(theirs)).status_code == 200, "another tenant is not concerned"
        assert (await client.get("/livez")).status_code == 200


class Gate:
    """Holds every request for a page until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.opened = asyncio.Event()
        self.requests: list[str] = []
        from kith.nouns.queries import Queries

        original = Queries.page

        async def page(queries: Any, connection: Any, tenant: str, *asked: Any) -> Any:
            self.requests.append(tenant)
            await self.opened.wait()
            return await original(queries, connection, tenant, *asked)

        monkeypatch.setattr(Queries, "page", page)

    async def count(self, tenant: str, times: int) -> None:
        while self.requests.count(tenant) < times:  # noqa: ASYNC110 - it is the service that asks, in its own time
            await asyncio.sleep(0.001)


async def test_a_tenants_flood_waits_behind_itself_and_others_pass(
    serve: Serve,
    issuer: Issuer,
    postgres: EmbeddedPostgres,
    monkeypatch: pytest.MonkeyPatch,
    mine: Headers,
    theirs: Headers,
    tenant: str,
    other_tenant: str,
) -> None:
    await serve(SERVICE)
    gate = Gate(monkeypatch)
    async with set_up(issuer, postgres, tenant_queue=10) as client:
        flood = [asyncio.create_task(client.get("/v1/orders", headers=mine)) for _ in range(12)]
        async with asyncio.timeout(10):
            await gate.count(tenant, 2)
            quiet = asyncio.create_task(client.get("/v1/orders", headers=theirs))
            await gate.count(other_tenant, 1)
        assert gate.requests.count(tenant) == 2, "of four slots, a tenant alone has half"
        beyond = await client.get("/v1/orders", headers=mine)
        assert (beyond.status_code, beyond.headers["Retry-After"]) == (429, "1")
        gate.opened.set()
        assert (await quiet).status_code == 200
        assert {answer.status_code for answer in await asyncio.gather(*flood)} == {200}


async def test_a_request_that_waits_too_long_for_others_of_its_tenant_is_refused_as_that(
    serve: Serve,
    issuer: Issuer,
    postgres: EmbeddedPostgres,
    monkeypatch: pytest.MonkeyPatch,
    mine: Headers,
    tenant: str,
) -> None:
    await serve(SERVICE)
    gate = Gate(monkeypatch)
    async with set_up(issuer, postgres, tenant_queue_seconds=0.01) as client:
        first = [asyncio.create_task(client.get("/v1/orders", headers=mine)) for _ in range(2)]
        async with asyncio.timeout(10):
            await gate.count(tenant, 2)
        late = await client.get("/v1/orders", headers=mine)
        assert (late.status_code, late.json()["code"]) == (429, "too-many-requests")
        gate.opened.set()
        await asyncio.gather(*first)


async def test_one_request_does_not_take_the_pool_by_asking_for_much_at_once(
    serve: Serve,
    issuer: Issuer,
    postgres: EmbeddedPostgres,
    monkeypatch: pytest.MonkeyPatch,
    mine: Headers,
    theirs: Headers,
    tenant: str,
    other_tenant: str,
) -> None:
    await serve(SERVICE)
    gate = Gate(monkeypatch)
    greedy = "{ " + " ".join(f"p{n}: products {{ nodes {{ id }} }}" for n in range(20)) + " }"
    async with set_up(issuer, postgres) as client:
        much = asyncio.create_task(client.post("/graphql", json={"query": greedy}, headers=mine))
        async with asyncio.timeout(10):
            await gate.count(tenant, 2)
            quiet = asyncio.create_task(client.get("/v1/orders", headers=theirs))
            await gate.count(other_tenant, 1)
        assert gate.requests.count(tenant) == 2
        gate.opened.set()
        assert (await quiet).status_code == 200
        assert "errors" not in (await much).json()


async def test_a_stranger_takes_no_place(
    serve: Serve, issuer: Issuer, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch, mine: Headers
) -> None:
    await serve(SERVICE)
    gate = Gate(monkeypatch)
    async with set_up(issuer, postgres, tenant_queue=1) as client:
        held = [asyncio.create_task(client.get("/v1/orders", headers=mine)) for _ in range(3)]
        answers = await asyncio.gather(*(client.get("/v1/orders") for _ in range(50)))
        assert {answer.status_code for answer in answers} == {401}
        gate.opened.set()
        assert {answer.status_code for answer in await asyncio.gather(*held)} == {200}


async def test_a_client_that_hangs_up_is_no_fault(
    sales: httpx.AsyncClient, mine: Headers, capsys: pytest.CaptureFixture[str]
) -> None:
    transport = sales._transport
    assert isinstance(transport, httpx.ASGITransport)
    messages: list[Message] = [
        {"type": "http.request", "body": b'{"cust', "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    headers = {**mine, "content-type": "application/json", "content-length": "100"}
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": "/v1/orders",
        "raw_path": b"/v1/orders",
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }
    await transport.app(scope, receive, send)
    assert (sent, capsys.readouterr().out) == ([], "")


# Pages of other sites


async def preflight(client: httpx.AsyncClient, origin: str) -> httpx.Response:
    preflight = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    return await client.options("/v1/orders", headers=preflight)


async def test_no_page_may_ask_unless_it_is_named(sales: httpx.AsyncClient, mine: Headers) -> None:
    for answer in (await preflight(sales, PAGE), await sales.get("/v1/orders", headers={**mine, "Origin": PAGE})):
        assert not [name for name in answer.headers if name.startswith("access-control-")]


async def test_pages_that_are_named_may_ask_and_others_may_not(
    serve: Serve, issuer: Issuer, postgres: EmbeddedPostgres, mine: Headers
) -> None:
    await serve(SERVICE)
    async with set_up(issuer, postgres, cors_origins=f"{PAGE}, http://localhost:3000") as client:
        allowed = await preflight(client, PAGE)
        assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, PAGE)
        assert "GET, HEAD, POST" in allowed.headers["access-control-allow-methods"]
        for name in ("Authorization", "Content-Type", "Idempotency-Key", "If-Match"):
            assert name in allowed.headers["access-control-allow-headers"]
        for headers, status in ((mine, 200), ({}, 401)):
            answer = await client.get("/v1/orders", headers={**headers, "Origin": PAGE})
            assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (status, PAGE)
            assert "Origin" in answer.headers["vary"]
            for name in ("ETag", "Location", "Kith-Position", "Retry-After", "RateLimit", "RateLimit-Policy"):
                assert name in answer.headers["access-control-expose-headers"]
            assert "access-control-allow-credentials" not in answer.headers
        for stranger in ("https://crm.example.evil", "null", "https://crm.example:444", "http://crm.example"):
            answer = await client.get("/v1/orders", headers={**mine, "Origin": stranger})
            assert "access-control-allow-origin" not in (await preflight(client, stranger)).headers
            assert "access-control-allow-origin" not in answer.headers
            assert "Origin" in answer.headers["vary"]
        assert "Origin" in (await client.get("/v1/orders", headers=mine)).headers["vary"], "of no page at all"


@pytest.mark.parametrize("origin", ["*", "crm.example", "https://crm.example/", "https://CRM.example", "https://a b"])
def test_what_is_no_origin_is_no_setting(origin: str) -> None:
    with pytest.raises(ValueError, match="is not an origin"):
        Settings(database_url="postgresql:///none", port=0, cors_origins=f"{PAGE},{origin}")


@pytest.mark.parametrize(("origin", "accepted"), [(PAGE, True), (None, True), ("https://evil.example", False)])
async def test_a_websocket_is_opened_to_pages_that_are_named(origin: str | None, accepted: bool) -> None:
    from kith.http.origins import Origins

    reached: list[str] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        reached.append(scope["type"])

    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [] if origin is None else [(b"origin", origin.encode())]
    await Origins(app, allowed=[PAGE])({"type": "websocket", "headers": headers}, receive, send)
    assert (reached == ["websocket"], [message["type"] for message in sent] == []) == (accepted, accepted)
