"""What goes wrong at the gateway raises the alert that says so: a real gateway, and the committed rules."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest
from tests.conftest import take_port
from tests.federation.conftest import Gateway, Start
from tests.federation.test_gateway import eventually
from tests.reliability.alerts.firing import Scrape, firing, require_promtool, scrape
from tests.subscriber import connected
from websockets.exceptions import InvalidStatus

CUSTOMER = '{ customer(id: "1") { name } }'


@dataclass
class Watched:
    gateway: Gateway
    port: int
    client: httpx.AsyncClient
    folder: Path
    before: Scrape

    async def scrape(self) -> Scrape:
        return await scrape(self.client, "kith-gateway", self.port)

    async def fires(self, name: str) -> None:
        assert await asyncio.to_thread(firing, name, self.before, await self.scrape(), self.folder)


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def watched(start: Start, stack: AsyncExitStack, folder: Path, **settings: object) -> Watched:
    require_promtool()
    port = take_port()
    gateway = start(KITH_METRICS_PORT=port, **settings)
    client = await stack.enter_async_context(httpx.AsyncClient(timeout=20))
    return Watched(gateway, port, client, folder, await scrape(client, "kith-gateway", port))


async def test_a_subgraph_that_does_not_answer_is_heard_of(
    start_gateway: Start, stack: AsyncExitStack, tmp_path: Path
) -> None:
    gateway = await watched(start_gateway, stack, tmp_path, KITH_PORT_CONTACTS=take_port())
    for _ in range(3):
        assert "errors" in (await asyncio.to_thread(gateway.gateway.ask, CUSTOMER)).json()
    await gateway.fires("KithGatewaySubgraphFailing")


async def test_queries_above_the_limits_are_heard_of(
    start_gateway: Start, stack: AsyncExitStack, tmp_path: Path
) -> None:
    gateway = await watched(start_gateway, stack, tmp_path)
    costly = "{ customers(first: 50) { nodes { friends(first: 5000) { name } } } }"
    for _ in range(20):
        answer = (await asyncio.to_thread(gateway.gateway.ask, costly)).json()
        assert answer["errors"][0]["extensions"]["code"] == "query-too-costly"
    await gateway.fires("KithQueriesRefused")


async def test_a_process_that_dies_is_heard_of(start_gateway: Start, stack: AsyncExitStack, tmp_path: Path) -> None:
    gateway = await watched(start_gateway, stack, tmp_path)
    (worker,) = psutil.Process(gateway.gateway.process.pid).children()
    os.kill(worker.pid, signal.SIGKILL)

    assert eventually(lambda: gateway.gateway.logged().count("is ready") == 2)
    await gateway.fires("KithGatewayProcessDied")


async def test_websockets_that_find_no_place_are_heard_of(
    start_gateway: Start, stack: AsyncExitStack, tmp_path: Path
) -> None:
    gateway = await watched(start_gateway, stack, tmp_path, KITH_LIVE_CONNECTIONS=1)
    await stack.enter_async_context(connected(gateway.gateway.port, gateway.gateway.token))
    with pytest.raises(InvalidStatus, match="503"):
        async with connected(gateway.gateway.port, gateway.gateway.token):
            pass
    await gateway.fires("KithWebSocketsRefused")


async def test_an_issuer_that_is_away_burns_the_budget_of_the_gateway(
    start_gateway: Start, stack: AsyncExitStack, tmp_path: Path
) -> None:
    gateway = await watched(start_gateway, stack, tmp_path, KITH_JWKS_URL=f"http://127.0.0.1:{take_port()}")
    for _ in range(5):
        assert (await asyncio.to_thread(gateway.gateway.ask, CUSTOMER)).status_code == 503
    await gateway.fires("KithGatewayAvailabilityBurn")
