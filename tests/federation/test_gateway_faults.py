"""What goes wrong behind the gateway, and in it: it goes on, says why, and discloses nothing that a caller has sent."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import psutil
import pytest
from tests.conftest import take_port
from tests.federation.conftest import Gateway, Start, fake_subgraph, serving
from tests.federation.test_gateway import eventually
from tests.subscriber import connected
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from kith.testing import Issuer

CHANGED = "subscription { changed { name } }"
Behaviour = Callable[[ServerConnection], Awaitable[None]]


class Upstream:
    """A subgraph that takes subscriptions, and does with each connection what a test says."""

    behaviour: Behaviour

    async def __call__(self, socket: ServerConnection) -> None:
        await self.behaviour(socket)


@pytest.fixture(scope="module")
async def upstream() -> AsyncIterator[tuple[Upstream, int]]:
    upstream = Upstream()
    async with serve(
        upstream, "127.0.0.1", 0, subprotocols=[Subprotocol("graphql-transport-ws")], close_timeout=None
    ) as server:
        yield upstream, server.sockets[0].getsockname()[1]


@pytest.fixture(scope="module")
def watched(start_gateway: Start, upstream: tuple[Upstream, int]) -> Gateway:
    bounds = {
        "KITH_GATEWAY_UPSTREAM_SECONDS": 1,
        "KITH_GATEWAY_IDLE_SECONDS": 2,
        "KITH_LIVE_MESSAGES_PER_SECOND": 20,
    }
    return start_gateway(KITH_PORT_CONTACTS=upstream[1], KITH_METRICS_PORT=take_port(), **bounds)


def workers(gateway: Gateway) -> list[int]:
    return sorted(each.pid for each in psutil.Process(gateway.process.pid).children())


async def figure(gateway: Gateway, name: str) -> float:
    port = int(psutil.Process(gateway.process.pid).environ()["KITH_METRICS_PORT"])
    async with httpx.AsyncClient() as http:
        metrics = (await http.get(f"http://127.0.0.1:{port}/metrics")).raise_for_status().text
    assert f"# TYPE {name} " in metrics
    return sum(float(line.split()[-1]) for line in metrics.splitlines() if line.startswith((f"{name} ", f"{name}{{")))


async def begun(connection: ServerConnection) -> str:
    """Up to the subscription, whose id it returns."""
    await connection.recv()
    await connection.send(json.dumps({"type": "connection_ack"}))
    subscribe: str = json.loads(await connection.recv())["id"]
    return subscribe


def closes(code: int, *, after: str) -> Behaviour:
    async def behaviour(connection: ServerConnection) -> None:
        if after == "init":
            await connection.recv()
        if after == "subscribe":
            await begun(connection)
        if after == "event":
            id = await begun(connection)
            data = {"changed": {"__typename": "Customer", "id": "1", "name": "Ada"}}
            await connection.send(json.dumps({"type": "next", "id": id, "payload": {"data": data}}))
        if code == 1006:
            connection.transport.abort()
        else:
            await connection.close(code, "why")

    return behaviour


@pytest.mark.parametrize("after", ["connect", "init", "subscribe", "event"])
@pytest.mark.parametrize(
    ("code", "close_code"),
    [(1000, 1012), (1001, 1012), (1006, 1012), (1011, 1012), (1012, 1012), (1013, 1013), (4400, 1012), (4401, 4403),
     (4408, 1013), (4429, 1012), (4500, 1012)],
)  # fmt: skip
async def test_however_its_upstream_ends_the_client_is_to_connect_again(
    watched: Gateway, upstream: tuple[Upstream, int], after: str, code: int, close_code: int
) -> None:
    before = workers(watched)
    upstream[0].behaviour = closes(code, after=after)
    async with connected(watched.port, watched.token) as client:
        await client.subscribe(CHANGED)
        if after == "event":
            assert await client.next() == {"name": "Ada"}
        assert (await client.closed())[0] == close_code
    assert workers(watched) == before
    assert await figure(watched, "kith_gateway_faults_total") == 0


@pytest.mark.parametrize("after", ["connect", "init", "subscribe"])
async def test_who_goes_while_the_upstream_ends_takes_nothing_down(
    watched: Gateway, upstream: tuple[Upstream, int], after: str
) -> None:
    before = workers(watched)
    upstream[0].behaviour = closes(1011, after=after)
    for _ in range(5):
        async with connected(watched.port, watched.token) as client:
            await client.subscribe(CHANGED)
            await client.say(type="complete", id="1")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    await client.socket.wait_closed()
    assert (await asyncio.to_thread(watched.ask, "{ __typename }")).status_code == 200
    assert workers(watched) == before
    assert await figure(watched, "kith_gateway_faults_total") == 0


async def test_an_upstream_that_never_acknowledges_is_not_waited_for(
    watched: Gateway, upstream: tuple[Upstream, int]
) -> None:
    async def silent(connection: ServerConnection) -> None:
        await connection.wait_closed()

    upstream[0].behaviour = silent
    async with connected(watched.port, watched.token) as client:
        await client.subscribe(CHANGED)
        assert (await client.closed())[0] == 1013


async def test_server_sent_events_break_off_where_the_upstream_does(
    watched: Gateway, upstream: tuple[Upstream, int]
) -> None:
    upstream[0].behaviour = closes(1006, after="event")
    headers = {"authorization": f"Bearer {watched.token}", "accept": "text/event-stream"}
    received = ""
    async with (
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{watched.port}", timeout=20) as http,
        http.stream("POST", "/graphql", json={"query": CHANGED}, headers=headers) as answer,
    ):
        lines = answer.aiter_lines()
        while '"errors"' not in received:
            received += await anext(lines)
        with pytest.raises(httpx.RemoteProtocolError):
            await all_of(lines)
    assert '{"data":{"changed":{"name":"Ada"}}}' in received
    assert '"code":"interrupted"' in received


async def test_who_leaves_server_sent_events_or_does_not_read_them_is_forgotten(
    watched: Gateway, upstream: tuple[Upstream, int]
) -> None:
    closed = asyncio.Event()
    data = {"changed": {"__typename": "Customer", "id": "1", "name": "x" * 10_000}}

    async def talking(connection: ServerConnection) -> None:
        id = await begun(connection)
        with contextlib.suppress(ConnectionClosed):
            while True:
                await connection.send(json.dumps({"type": "next", "id": id, "payload": {"data": data}}))
                await asyncio.sleep(0)  # to read, too
        await connection.wait_closed()
        closed.set()

    upstream[0].behaviour = talking
    body = json.dumps({"query": CHANGED})
    head = (
        "POST /graphql HTTP/1.1",
        "Host: x",
        f"Authorization: Bearer {watched.token}",
        "Accept: text/event-stream",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    )
    for reads in (True, False):
        closed.clear()
        reader, writer = await asyncio.open_connection("127.0.0.1", watched.port, limit=1000)
        writer.write("\r\n".join([*head, "", body]).encode())
        try:
            await reader.readuntil(b"event: next")
            if reads:
                writer.close()
            async with asyncio.timeout(60):
                await closed.wait()
        finally:
            writer.transport.abort()


async def all_of(lines: AsyncIterator[str]) -> list[str]:
    return [line async for line in lines]


async def test_a_client_is_let_go_with_its_token(
    watched: Gateway, upstream: tuple[Upstream, int], issuer: Issuer
) -> None:
    async def quiet(connection: ServerConnection) -> None:
        await begun(connection)
        await connection.wait_closed()

    upstream[0].behaviour = quiet
    async with connected(watched.port, issuer.token("t-x", exp=int(time.time()) - 28)) as client:
        await client.subscribe(CHANGED)
        assert await client.closed() == (4403, "The token has expired")


async def test_who_sends_without_measure_over_a_websocket_is_let_go(watched: Gateway) -> None:
    async with connected(watched.port, watched.token) as client:
        with contextlib.suppress(Exception):
            for _ in range(500):
                await client.say(type="ping")
        assert (await client.closed())[0] == 1008


async def test_no_tenant_takes_all_connections_and_strangers_make_room(start_gateway: Start, issuer: Issuer) -> None:
    gateway = start_gateway(KITH_LIVE_CONNECTIONS=3, KITH_LIVE_CONNECTIONS_PER_TENANT=2, KITH_METRICS_PORT=take_port())
    mine, other = gateway.token, issuer.token("t-other")
    async with connected(gateway.port, mine), connected(gateway.port, mine):
        async with connected(gateway.port) as third:
            await third.say(type="connection_init", payload={"authorization": f"Bearer {mine}"})
            assert (await third.closed())[0] == 1013
        async with connected(gateway.port) as stranger, connected(gateway.port, other) as welcome:
            assert (await stranger.closed())[0] == 1006
            await welcome.subscribe("{ __typename }")
            assert (await welcome.message())["payload"]["data"] == {"__typename": "Query"}
            with pytest.raises(InvalidStatus, match="503"):
                async with connected(gateway.port):
                    pass
    assert await figure(gateway, "kith_gateway_connections_refused_total") == 3


async def test_a_process_that_dies_is_replaced_while_the_others_go_on(start_gateway: Start) -> None:
    gateway = start_gateway(KITH_GATEWAY_PROCESSES=2, KITH_METRICS_PORT=take_port())
    assert eventually(lambda: gateway.logged().count("is ready") == 2)
    before = workers(gateway)
    os.kill(before[0], signal.SIGKILL)
    for _ in range(20):
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}") as another:
            assert (await another.get("/readyz")).status_code == 200
    assert eventually(lambda: gateway.logged().count("is ready") == 3)
    assert before[0] not in workers(gateway)
    assert before[1] in workers(gateway)
    assert await figure(gateway, "kith_gateway_deaths_total") == 1
    assert "a process of the gateway ended" in gateway.logged()


def test_what_cannot_start_says_why_and_ends(start_gateway: Start) -> None:
    with pytest.raises(AssertionError, match="KITH_GRAPHQL_COST=much: that is no positive number"):
        start_gateway(KITH_GRAPHQL_COST="much")
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(AssertionError, match="EADDRINUSE"):
        start_gateway(KITH_PORT_GATEWAY=taken.getsockname()[1])


CANARY = "canary-7f3a"


async def test_nothing_that_a_caller_sends_is_logged(start_gateway: Start, issuer: Issuer) -> None:
    handler = fake_subgraph()
    handler.answer = (500, "text/plain", f"{CANARY}-answer")
    with serving(handler) as failing, socket.create_server(("127.0.0.1", 0)) as silent:
        for contacts in (failing, take_port(), silent.getsockname()[1]):
            gateway = start_gateway(
                KITH_PORT_CONTACTS=contacts, KITH_GATEWAY_UPSTREAM_SECONDS=0.5, KITH_LOG_LEVEL="DEBUG"
            )
            await send_canaries(gateway, issuer)
            assert "subgraph does not answer" in gateway.logged()
            assert CANARY not in gateway.logged()
            assert gateway.token not in gateway.logged()
            assert "eyJ" not in gateway.logged(), "of a token, not even a part"


async def send_canaries(gateway: Gateway, issuer: Issuer) -> None:
    authorized = {
        "authorization": f"Bearer {gateway.token}",
        "x-name": CANARY,
        "traceparent": CANARY,
        "user-agent": CANARY,
    }
    by_name = f"query {CANARY.replace('-', '_')} ($n: ID!) {{ customer(id: $n) {{ name }} }}"
    bodies: list[object] = [
        {"query": f'{{ customer(id: "{CANARY}") {{ name }} }}'},
        {"query": by_name, "variables": {"n": CANARY}},
        {"query": by_name, "variables": {"n": {"a": CANARY}}},
        {"query": by_name, "variables": {"n": CANARY, CANARY: CANARY}, "operationName": CANARY},
        {"query": f"# {CANARY}\n{{ {CANARY.replace('-', '_')} }}"},
        {"query": f'mutation {{ rename(id: "1", name: "{CANARY}") {{ name }} }}'},
        {"query": "{ __typename }", CANARY: 1},
        {"query": CANARY},
        CANARY,
    ]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}", timeout=20) as http:
        for body in bodies:
            await http.post("/graphql", json=body, headers=authorized)
        await http.post("/graphql", content=CANARY, headers={**authorized, "content-type": "application/json"})
        await http.post("/graphql", json=bodies[0], headers={**authorized, "authorization": f"Bearer {CANARY}"})
        await http.post(
            "/graphql", json=bodies[0], headers={**authorized, "authorization": f"Bearer {issuer.token(CANARY, exp=1)}"}
        )
        await http.get(f"/{CANARY}?{CANARY}", headers=authorized)
        await http.get("/graphql", params={"query": bodies[0]["query"], "variables": CANARY}, headers=authorized)  # type: ignore[index]
    async with connected(gateway.port) as client:
        await client.say(type="connection_init", payload={"authorization": f"Bearer {CANARY}"})
        await client.closed()
    async with connected(gateway.port, gateway.token) as client:
        await client.subscribe(
            f'subscription {CANARY.replace("-", "_")} {{ changed(after: "{CANARY}") {{ name }} }}', CANARY
        )
        await client.closed()
    async with connected(gateway.port, gateway.token) as client:
        await client.socket.send(CANARY)
        await client.closed()
