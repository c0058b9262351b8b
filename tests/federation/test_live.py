"""Subscriptions through the gateway, to an API in a process of its own that can be killed."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.analytics.conftest import happened
from tests.conftest import free_ports
from tests.federation.conftest import compose
from tests.subscriber import Client, connected

from analytics.consumers import handle
from analytics.service import SERVICE
from kith.api import export
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.events.sales import OrderPlaced
from kith.ids import new_id
from kith.runtime.service import Service
from kith.testing import Issuer
from kith_local.layout import GATEWAY, ROOT
from kith_local.node import node
from kith_local.postgres import EmbeddedPostgres

BOUGHT = OrderPlaced(value=Decimal(10), currency="EUR")
TIMELINE = """subscription ($of: UUID!, $after: String) { timeline(customerId: $of, after: $after) {
    cursor event { id } } }"""


@dataclass
class House:
    """The gateway, and behind it the API of analytics."""

    gateway: int
    environment: dict[str, str]
    api: "subprocess.Popen[bytes] | None" = None
    door: "subprocess.Popen[bytes] | None" = None
    """The gateway's process."""

    async def open(self) -> None:
        environment = {**self.environment, "KITH_METRICS_PORT": ""}
        self.door = subprocess.Popen([node(), "gateway.mjs"], cwd=GATEWAY, env=environment)  # noqa: ASYNC220 - as below
        await answers(self.gateway, self.door)

    async def close(self) -> None:
        assert self.door is not None
        self.door.terminate()
        assert await asyncio.to_thread(self.door.wait, 10) == 0, "it stops, though somebody is still connected"

    async def turn_away_the_next(self) -> None:
        """Where the gateway is when it runs."""
        came = asyncio.Event()

        async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.transport.abort()
            came.set()

        async with await asyncio.start_server(hang_up, "127.0.0.1", self.gateway):
            await came.wait()

    async def start(self) -> None:
        command = [sys.executable, "-m", "analytics", "api"]
        self.api = subprocess.Popen(command, env=self.environment)  # noqa: ASYNC220 - it takes no time
        await answers(int(self.environment["KITH_PORT_ANALYTICS"]), self.api)

    async def connections(self) -> int:
        """From the gateway to the API."""
        async with httpx.AsyncClient() as http:
            metrics = await http.get(f"http://127.0.0.1:{self.environment['KITH_METRICS_PORT']}/metrics")
        (line,) = (each for each in metrics.text.splitlines() if each.startswith("kith_live_connections "))
        return int(float(line.split()[1]))

    def kill(self) -> None:
        assert self.api is not None
        self.api.kill()
        self.api.wait()


async def answers(port: int, process: "subprocess.Popen[bytes]") -> None:
    async with httpx.AsyncClient() as probe:
        while process.poll() is None:
            try:
                if (await probe.get(f"http://127.0.0.1:{port}/readyz")).is_success:
                    return
            except httpx.TransportError:
                await asyncio.sleep(0.05)
    raise AssertionError(f"it ended with {process.returncode}")


@pytest.fixture(scope="module")
def supergraph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the schemas as they are committed, and that of analytics as the code has it."""
    services = tmp_path_factory.mktemp("services")
    for name in ("contacts", "sales", "service-desk", "analytics"):
        (services / name).mkdir()
        shutil.copy(ROOT / "services" / name / "schema.graphql", services / name)
    export(SERVICE, services / "analytics")
    return compose(services)


@pytest.fixture(scope="module")
async def house(
    keys: str, supergraph: Path, postgres: EmbeddedPostgres, serve: Callable[[Service], Awaitable[httpx.AsyncClient]]
) -> AsyncIterator[House]:
    await serve(SERVICE)  # which migrates its database
    port, analytics, figures = free_ports(3)
    environment = {
        "KITH_SUPERGRAPH": str(supergraph),
        "KITH_PORT_GATEWAY": str(port),
        "KITH_PORT_ANALYTICS": str(analytics),
        "KITH_DATABASE_URL_ANALYTICS": postgres.url("kith_analytics"),
        "KITH_METRICS_PORT": str(figures),
        "KITH_JWKS_URL": keys,
        "KITH_GATEWAY_PROCESSES": "1",
        "KITH_LIVE_SUBSCRIPTIONS_PER_CONNECTION": "2",
    }
    house = House(port, {**os.environ, **environment})
    await house.open()
    try:
        await house.start()
        yield house
    finally:
        house.kill()
        await house.close()


@pytest.fixture
async def fold(house: House, postgres: EmbeddedPostgres) -> AsyncIterator[Callable[..., Awaitable[None]]]:
    worker: AsyncEngine = create_engine(
        postgres.url("kith_analytics"), role=WORKER_ROLE, pool_size=1, application="test worker"
    )

    async def apply(*events: Any) -> None:
        async with worker.begin() as connection:
            await handle(connection, events)

    yield apply
    await worker.dispose()


@pytest.fixture
async def client(house: House, issuer: Issuer, tenant: str) -> AsyncIterator[Client]:
    async with connected(house.gateway, issuer.token(tenant)) as client:
        yield client


def bought(tenant: str, customer: UUID) -> Any:
    return happened(BOUGHT, tenant, datetime.now(UTC), customer)


async def test_a_client_goes_on_after_its_cursor_though_the_api_was_killed(
    house: House, client: Client, issuer: Issuer, tenant: str, fold: Any
) -> None:
    customer = new_id()
    events = [bought(tenant, customer) for _ in range(6)]
    await client.subscribe(TIMELINE, of=str(customer))
    assert (await client.next())["event"] is None
    seen = []
    await fold(*events[:2])
    for _ in range(2):
        event = await client.event()
        seen.append(event["event"]["id"])
    house.kill()
    assert (await client.closed())[0] == 1012, "it is not connected again behind its back"
    await fold(*events[2:4])
    async with connected(house.gateway, issuer.token(tenant)) as too_early:
        await too_early.subscribe(TIMELINE, of=str(customer), after=event["cursor"])
        assert await too_early.closed() == (
            1013,
            "analytics does not answer now. Subscribe again, after the last cursor.",
        )
    await house.start()
    async with connected(house.gateway, issuer.token(tenant)) as again:
        await again.subscribe(TIMELINE, of=str(customer), after=event["cursor"])
        await fold(*events[4:])
        seen += [(await again.event())["event"]["id"] for _ in events[2:]]
    assert sorted(seen) == sorted(str(each.id) for each in events)


# What the guide's example is given: a query, tokens, and somebody to show changes to.
OF_BROWSER = """
import { WebSocket } from 'ws';
globalThis.WebSocket ??= WebSocket;
const QUERY = process.env.QUERY;
const token = async () => process.env.TOKEN;
const show = (change) => console.log(change.id);
"""
# The same with the package for server-sent events, to which an answer's errors do not mean the end either.
BY_EVENTS = """
import { createClient } from 'graphql-sse';
const payload = { query: process.env.QUERY, variables: {} };
const client = createClient({
  url: process.env.URL,
  headers: async () => ({ authorization: `Bearer ${process.env.TOKEN}` }),
  retryAttempts: Infinity,
  retry: () => new Promise((resolve) => setTimeout(resolve, 300)),
});
client.subscribe(payload, {
  next({ data }) {
    if (!data?.healthChanged) return;
    payload.variables.after = data.healthChanged.cursor;
    if (data.healthChanged.change) console.log(data.healthChanged.change.id);
  },
  error: console.error,
  complete: () => console.error('over'),
});
"""
# As timeline, under the name that the guide's example looks for.
NAMED = """subscription ($after: String) { healthChanged: timeline(customerId: "%s", after: $after) {
    cursor change: event { id } } }"""


def documented(house: House) -> str:
    """The guide's example of graphql-ws."""
    example: str
    (example,) = re.findall(
        r"```js\n(import \{ createClient \}.*?)```", (ROOT / "docs/guide/live.md").read_text(), re.DOTALL
    )
    return OF_BROWSER + example.replace("127.0.0.1:8000", f"127.0.0.1:{house.gateway}")


@pytest.mark.parametrize("script", [documented, lambda _: BY_EVENTS], ids=["graphql-ws", "graphql-sse"])
async def test_the_clients_people_use_go_on_by_themselves(
    house: House, issuer: Issuer, tenant: str, fold: Any, script: Callable[[House], str]
) -> None:
    customer = new_id()
    events = [bought(tenant, customer) for _ in range(8)]
    environment = {
        "QUERY": NAMED % customer,
        "TOKEN": issuer.token(tenant),
        "URL": f"http://127.0.0.1:{house.gateway}/graphql",
    }
    client = await asyncio.create_subprocess_exec(
        node(),
        "--input-type=module",
        "-e",
        script(house),
        cwd=GATEWAY,
        env={**os.environ, **environment},
        stdout=PIPE,
        stderr=PIPE,
    )
    assert client.stdout is not None
    try:
        seen = []
        async with asyncio.timeout(60):
            while await house.connections() == 0:  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.05)
            await fold(*events[:2])
            seen += [await client.stdout.readline() for _ in range(2)]
            house.kill()
            await fold(*events[2:4])
            await house.start()
            await fold(*events[4:6])
            seen += [await client.stdout.readline() for _ in range(4)]
            await house.close()
            await house.turn_away_the_next()
            await fold(*events[6:])
            await house.open()
            seen += [await client.stdout.readline() for _ in range(2)]
    finally:
        client.terminate()
        more, complaints = await client.communicate()
    assert sorted(each.decode().strip() for each in seen) == sorted(str(each.id) for each in events)
    assert more == b""
    assert b"over" not in complaints


async def test_who_may_not_subscribe_gets_the_reason(house: House, client: Client, issuer: Issuer, tenant: str) -> None:
    for payload, words in (
        ({}, "Send a bearer token in the Authorization header."),
        ({"authorization": "Bearer nonsense"}, "The token's signature is not the issuer's."),
    ):
        async with connected(house.gateway) as nobody:
            await nobody.say(type="connection_init", payload=payload)
            assert await nobody.closed() == (4403, words)
    async with connected(house.gateway, issuer.token(tenant, "sales:read")) as stranger:
        await stranger.subscribe(TIMELINE, of=str(new_id()))
        assert (await stranger.error())["code"] == "forbidden"
    await client.subscribe(TIMELINE, of=str(new_id()), after="nonsense")
    refused = await client.error()
    assert (refused["code"], refused["problem"]["errors"]) == (
        "invalid",
        [{"field": "after", "rule": "It is not a cursor."}],
    )


async def test_a_connection_has_so_many_subscriptions_and_gives_them_back(
    house: House, client: Client, tenant: str
) -> None:
    customer = str(new_id())
    for id in ("1", "2"):
        await client.subscribe(TIMELINE, id, of=customer)
        await client.next(id)
    await client.subscribe(TIMELINE, "3", of=customer)
    assert (await client.error("3"))["code"] == "too-many-subscriptions"
    await client.say(type="complete", id="1")
    await client.subscribe(TIMELINE, "4", of=customer)
    assert (await client.next("4"))["event"] is None


async def test_server_sent_events_will_do_as_well(house: House, token: Any, tenant: str, fold: Any) -> None:
    customer = new_id()
    event = bought(tenant, customer)
    body = {"query": TIMELINE, "variables": {"of": str(customer)}}
    headers = {**token(tenant), "accept": "text/event-stream"}
    async with (
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{house.gateway}", timeout=20) as http,
        http.stream("POST", "/graphql", json=body, headers=headers) as answer,
    ):
        lines = (json.loads(line.removeprefix("data: ")) async for line in answer.aiter_lines() if "timeline" in line)
        assert (await anext(lines))["data"]["timeline"]["event"] is None
        await fold(event)
        assert (await anext(lines))["data"]["timeline"]["event"] == {"id": str(event.id)}


async def test_a_burst_comes_whole_and_who_has_gone_is_forgotten(
    house: House, client: Client, issuer: Issuer, tenant: str, fold: Any
) -> None:
    customer = new_id()
    await client.subscribe(TIMELINE, of=str(customer))
    after = (await client.next())["cursor"]
    events = [bought(tenant, customer) for _ in range(1200)]
    await fold(*events)
    async with connected(house.gateway, issuer.token(tenant)) as late:
        await late.subscribe(TIMELINE, of=str(customer), after=after)
        for watching in (client, late):
            seen = [(await watching.event())["event"]["id"] for _ in events]
            assert sorted(seen) == sorted(str(each.id) for each in events)
        assert await house.connections() >= 2
    async with asyncio.timeout(20):
        while await house.connections() > 1:  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.05)
