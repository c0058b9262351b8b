"""The Hive Router in place of the Node gateway, with the configuration of its image: over the APIs of three services in
processes of their own, and a service desk that only records its requests. `make hive-router` builds it."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from tests.conftest import free_ports
from tests.federation.conftest import Subgraph, fake_subgraph, serving
from tests.hive_router import ROUTER, running_router
from tests.subscriber import connected

import analytics.service
import contacts.service
import sales.service
from kith.error_codes import ErrorCode
from kith.ids import new_id
from kith.runtime.service import Service
from kith.testing import Issuer
from kith_local.postgres import EmbeddedPostgres

# Its build takes ten minutes of two cores and a Rust toolchain, which no fresh machine is given: so these tests are for
# who works on its configuration. The Node gateway, which is the default, is tested in any case.
pytestmark = pytest.mark.skipif(
    not ROUTER.exists(), reason="the Hive Router is not here: `make hive-router` builds it in ten minutes"
)
SERVICES = (contacts.service.SERVICE, sales.service.SERVICE, analytics.service.SERVICE)
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
CREATE = """mutation ($name: String!) { createCustomer(input: {kind: PERSON, name: $name}) {
    ... on Customer { id } ... on Problem { code detail } } }"""
WHOLE = "query ($id: UUID!) { customer(id: $id) { name opportunities { nodes { name } } health { band } } }"
TIMELINE = "subscription ($of: UUID!) { timeline(customerId: $of) { cursor event { id } } }"


@dataclass(frozen=True)
class House:
    port: int
    metrics: int
    process: psutil.Process
    client: httpx.AsyncClient
    service_desk: type[Subgraph]

    async def ask(self, query: str, headers: dict[str, str], **variables: object) -> Any:
        body = {"query": query, "variables": variables}
        return (await self.client.post("/graphql", json=body, headers=headers)).json()


@pytest.fixture(scope="module")
async def house(
    keys: str,
    postgres: EmbeddedPostgres,
    serve: Callable[[Service], Awaitable[httpx.AsyncClient]],
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[House]:
    service_desk = fake_subgraph()
    with contextlib.ExitStack() as stack:
        settings = {"KITH_JWKS_URL": keys, "ROUTER_DOCUMENTS_ONLY": "false"}
        settings["KITH_URL_SERVICE_DESK"] = f"http://127.0.0.1:{stack.enter_context(serving(service_desk))}"
        for service in SERVICES:
            await serve(service)  # which migrates its database
            name = service.name.upper()
            (port,) = free_ports(1)
            environment = {
                f"KITH_PORT_{name}": str(port),
                f"KITH_DATABASE_URL_{name}": postgres.url(f"kith_{service.package}"),
                "KITH_JWKS_URL": keys,
            }
            settings[f"KITH_URL_{name}"] = f"http://127.0.0.1:{port}"
            await answers(stack.enter_context(api(service.package, environment)), f"http://127.0.0.1:{port}/readyz")
        port, metrics = free_ports(2)
        router = stack.enter_context(running_router(tmp_path_factory.mktemp("router"), port, metrics, **settings))
        await answers(router, f"http://127.0.0.1:{port}/readiness")
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            yield House(port, metrics, psutil.Process(router.pid), client, service_desk)


@contextlib.contextmanager
def api(package: str, environment: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen([sys.executable, "-m", package, "api"], env={**os.environ, **environment})
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def answers(process: "subprocess.Popen[bytes]", url: str) -> None:
    async with httpx.AsyncClient() as probe:
        while process.poll() is None:
            with contextlib.suppress(httpx.TransportError):
                if (await probe.get(url)).is_success:
                    return
            await asyncio.sleep(0.05)
    raise AssertionError(f"it ended with {process.returncode}")


@pytest.fixture
async def customer(house: House, mine: dict[str, str]) -> str:
    created = await house.ask(CREATE, mine, name="Ada")
    found: str = created["data"]["createCustomer"]["id"]
    return found


async def test_a_customer_is_made_of_what_the_services_know(house: House, mine: dict[str, str], customer: str) -> None:
    whole = await house.ask(WHOLE, mine, id=customer)
    assert whole["data"] == {"customer": {"name": "Ada", "opportunities": {"nodes": []}, "health": None}}
    (unknown,) = whole["errors"]  # to analytics, which has heard of no event of it
    assert (unknown["extensions"]["code"], unknown["extensions"]["service"]) == (ErrorCode.NOT_FOUND, "analytics")
    other = await house.ask(
        'mutation { createCustomer(input: {kind: PERSON, name: ""}) { ... on Problem { code } } }', mine
    )
    assert other["data"]["createCustomer"]["code"] == "INVALID"


async def test_a_service_is_asked_in_the_name_of_who_asks_and_in_their_trace(
    house: House, mine: dict[str, str]
) -> None:
    house.service_desk.answer = (200, "application/json", {"data": {"cases": {"nodes": []}}})
    assert await house.ask("{ cases { nodes { id } } }", {**mine, "traceparent": TRACE}) == {
        "data": {"cases": {"nodes": []}}
    }
    received, _ = house.service_desk.requests[-1]
    assert received["authorization"] == mine["Authorization"]
    assert received["traceparent"].split("-")[1] == TRACE.split("-")[1]


async def test_a_service_that_fails_is_named_and_the_rest_comes(
    house: House, mine: dict[str, str], customer: str
) -> None:
    house.service_desk.answer = (502, "text/html", "")
    answer = await house.ask(
        "query ($id: UUID!) { customer(id: $id) { name cases { nodes { id } } } }", mine, id=customer
    )
    assert answer["data"] == {"customer": {"name": "Ada", "cases": None}}
    assert answer["errors"][0]["extensions"]["service"] == "service-desk"


async def test_what_a_service_refuses_has_its_code(house: House, token: Any, tenant: str) -> None:
    answer = await house.ask("{ opportunities { nodes { id } } }", token(tenant, "contacts:read"))
    assert answer["errors"][0]["extensions"]["code"] == ErrorCode.FORBIDDEN


async def test_a_subscription_comes_over_both_protocols(
    house: House, issuer: Issuer, tenant: str, mine: dict[str, str]
) -> None:
    of = str(new_id())
    async with connected(house.port, issuer.token(tenant)) as client:
        await client.subscribe(TIMELINE, of=of)
        assert (await client.next())["event"] is None
    body = {"query": TIMELINE, "variables": {"of": of}}
    headers = {**mine, "accept": "text/event-stream"}
    async with house.client.stream("POST", "/graphql", json=body, headers=headers) as answer:
        assert "timeline" in await anext(line async for line in answer.aiter_lines() if line.startswith("data:"))
    async with connected(house.port, issuer.token(tenant, "sales:read")) as stranger:
        await stranger.subscribe(TIMELINE, of=of)
        assert (await stranger.error())["code"] == ErrorCode.FORBIDDEN


async def test_nobody_is_let_in_without_a_token(house: House, issuer: Issuer, tenant: str) -> None:
    for query in ("{ customers { nodes { id } } }", "{ __schema { queryType { name } } }"):
        answer = await house.client.post("/graphql", json={"query": query})
        assert answer.status_code == 401
        assert "data" not in answer.json()
    for forged in (
        Issuer().token(tenant),
        issuer.token(tenant, exp=int(time.time()) - 120),
        issuer.token(tenant, aud="elsewhere"),
        issuer.token(tenant, iss="https://elsewhere.example"),
    ):
        answer = await house.client.post("/graphql", json={"query": "{ __typename }"}, headers=bearer(forged))
        assert answer.status_code == 403
    # The router takes any token of the issuer; the service, which is asked with it, an access token alone.
    answer = await house.client.post(
        "/graphql", json={"query": "{ customers { nodes { id } } }"}, headers=bearer(issuer.token(tenant, typ="JWT"))
    )
    assert answer.json()["data"] == {"customers": None} or answer.json()["data"] is None
    async with connected(house.port) as nobody:
        await nobody.say(type="connection_init")
        await nobody.subscribe(TIMELINE, of=str(new_id()))
        assert (await nobody.closed())[0] == 4403


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{ customers { nodes " + 14 * "{ mergedInto " + "{ id }" + 14 * "}" + " } }", "MAX_DEPTH_EXCEEDED"),
        ("{" + 2001 * " __typename" + "}", "TOKEN_LIMIT_EXCEEDED"),
        ("{" + "".join(f" a{each}: __typename" for each in range(61)) + "}", "MAX_ALIASES_EXCEEDED"),
        ("{ __typename " + 51 * "@include(if: true)" + "}", "MAX_DIRECTIVES_EXCEEDED"),
    ],
)
async def test_a_query_is_held_to_the_limits_that_the_router_has(
    house: House, mine: dict[str, str], query: str, code: str
) -> None:
    assert (await house.ask(query, mine))["errors"][0]["extensions"]["code"] == code


async def test_a_body_and_the_headers_are_bounded(house: House, mine: dict[str, str]) -> None:
    assert (await house.client.post("/graphql", json={"query": 300_000 * "x"}, headers=mine)).status_code == 413
    assert (await house.client.get("/graphql", headers={"x": 20_000 * "y"})).status_code == 431


async def test_the_router_is_watched_by_its_metrics(house: House) -> None:
    async with httpx.AsyncClient() as http:
        assert "http_server_request_duration" in (await http.get(f"http://127.0.0.1:{house.metrics}/metrics")).text


def spreads(levels: int) -> str:
    """A query that names a field 2 ** levels times."""
    chain = " ".join(f"fragment F{n} on Customer {{ ...F{n + 1} ...F{n + 1} }}" for n in range(levels))
    return f"{{ customers {{ nodes {{ ...F0 }} }} }} {chain} fragment F{levels} on Customer {{ id }}"


async def test_a_fragment_that_is_spread_often_keeps_the_router_busy(house: House) -> None:
    """Without a token, too, for it checks tokens late. If this fails, the router has been mended: so should be what is
    said of it in deploy/README.md, and ADR 54."""

    async def seconds(levels: int) -> float:
        before = house.process.cpu_times().user
        assert (await house.client.post("/graphql", json={"query": spreads(levels)})).status_code == 401
        return house.process.cpu_times().user - before

    assert await seconds(17) > 5 * await seconds(10), "128 times as many spreads"


async def test_with_a_list_of_documents_it_reads_no_other(keys: str, tmp_path: Path, mine: dict[str, str]) -> None:
    documents = tmp_path / "documents.json"
    documents.write_text(json.dumps({"root": "{ __schema { queryType { name } } }"}))
    port, metrics = free_ports(2)
    with running_router(tmp_path, port, metrics, ROUTER_DOCUMENTS=str(documents), KITH_JWKS_URL=keys) as router:
        await answers(router, f"http://127.0.0.1:{port}/readiness")
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            found = await client.post("/graphql", json={"documentId": "root"}, headers=mine)
            assert found.json() == {"data": {"__schema": {"queryType": {"name": "Query"}}}}
            assert (await client.post("/graphql", json={"documentId": "root"})).status_code == 401
            # As many spreads as would take it days.
            for more in ({}, {"documentId": "elsewhere"}):
                refused = await client.post("/graphql", json={"query": spreads(40), **more}, headers=mine)
                assert refused.json()["errors"][0]["extensions"]["code"].startswith("PERSISTED_DOCUMENT_")
        async with connected(port) as nobody:
            await nobody.say(type="connection_init")
            await nobody.subscribe(spreads(40))
            assert (await nobody.error())["code"] == "PERSISTED_DOCUMENT_ID_REQUIRED"
