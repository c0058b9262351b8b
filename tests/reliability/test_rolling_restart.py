"""Each replica is restarted in its turn, as a rolling update does it, while requests come: none is lost, and what they
record is counted once."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import asyncpg
import httpx
import pytest
from tests.conftest import FreshDatabase
from tests.reliability.processes import PATIENCE, Process, keys_of, running

import analytics.service
import sales.service
from kith.ids import new_id
from kith.runtime.service import Service
from kith.testing import Issuer
from kith_local.postgres import EmbeddedPostgres

SALES, ANALYTICS = sales.service.SERVICE, analytics.service.SERVICE
RESTARTS = int(os.environ.get("KITH_RESTARTS", "3"))
"""One of each kind; twenty in `make prove`."""
PROBE_SECONDS = 0.05
AT_ONCE = 4
PAUSE_SECONDS = 0.05
"""Of one that places orders: some are under way at each instant of a restart, and the rest of the tests go on."""

pytestmark = pytest.mark.timeout(600)


@dataclass
class Replica:
    """One of several processes of a kind, that is stopped by SIGTERM and started again."""

    service: Service
    what: str
    settings: dict[str, str]
    keys: str
    folder: Path
    client: httpx.AsyncClient | None = None
    """While it is ready. As a load balancer has it: connections are kept, and none is used once it is not ready."""
    _is_ready: asyncio.Event = field(default_factory=asyncio.Event)
    _process: Process | None = None
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def start(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self._is_ready.clear()
        url = self.settings[f"KITH_DATABASE_URL_{self.service.package.upper()}"]
        started = running(self.service, url, self.keys, self.folder, self.what, **self.settings)
        self._process = await self._stack.enter_async_context(started)
        if self.what == "api":
            http = await self._stack.enter_async_context(httpx.AsyncClient(base_url=self._process.url, timeout=30))
            self._stack.callback(asyncio.create_task(self._probe(http)).cancel)
            async with asyncio.timeout(PATIENCE):
                await self._is_ready.wait()

    async def stop(self) -> None:
        assert self._process is not None
        child = self._process.child
        assert child is not None
        child.terminate()
        assert await child.wait() == 0, self._process.logged[-2000:]
        await self._stack.aclose()

    async def _probe(self, http: httpx.AsyncClient) -> None:
        assert self._process is not None
        async with httpx.AsyncClient() as probe:
            while True:
                ready = False
                with suppress(httpx.TransportError):
                    ready = (await probe.get(f"{self._process.url}/readyz")).is_success
                self.client = http if ready else None
                if ready:
                    self._is_ready.set()
                await asyncio.sleep(PROBE_SECONDS)


@asynccontextmanager
async def replicas_of(replicas: list[Replica]) -> AsyncIterator[list[Replica]]:
    async with AsyncExitStack() as stack:
        for each in replicas:
            stack.push_async_callback(each._stack.aclose)
        await asyncio.gather(*(each.start() for each in replicas))
        yield replicas


async def place_orders(apis: list[Replica], headers: dict[str, str], stop: asyncio.Event, numbers: "count[int]") -> int:
    """One order after the other, each by the next API that is ready. Returns how many were answered 201: all."""
    placed = 0
    while not stop.is_set():
        number = next(numbers)
        ready = [each.client for each in apis if each.client is not None]
        order = {"external_id": f"order {number}", "value": "10", "currency": "EUR", "customer_id": str(new_id())}
        answer = await ready[number % len(ready)].post("/v1/orders", json=order, headers=headers)
        assert answer.status_code == 201, answer.text
        placed += 1
        await asyncio.sleep(PAUSE_SECONDS)
    return placed


async def test_no_request_is_lost_and_nothing_counts_twice_while_all_are_restarted(
    fresh_database: FreshDatabase, postgres: EmbeddedPostgres, issuer: Issuer, tenant: str, tmp_path: Path
) -> None:
    urls = {each.package: await fresh_database(each) for each in (SALES, ANALYTICS)}
    bus = f"bus_{new_id().hex}"
    await asyncio.to_thread(postgres.create_databases, bus)
    settings = {f"KITH_DATABASE_URL_{package.upper()}": url for package, url in urls.items()}
    settings["KITH_DATABASE_URL_BUS"] = postgres.url(bus)
    headers = {"Authorization": f"Bearer {issuer.token(tenant)}"}
    stop, numbers = asyncio.Event(), count()
    async with keys_of(issuer) as keys:
        kinds = ((SALES, "api"), (SALES, "worker"), (ANALYTICS, "worker"))
        all_of = [
            Replica(service, what, settings, keys, tmp_path / f"{service.name}-{what}-{number}")
            for number in range(2)
            for service, what in kinds
        ]
        async with replicas_of(all_of):
            apis = [each for each in all_of if each.what == "api"]
            placing = [asyncio.create_task(place_orders(apis, headers, stop, numbers)) for _ in range(AT_ONCE)]
            for number in range(RESTARTS):
                await all_of[number % len(all_of)].stop()
                await all_of[number % len(all_of)].start()
            stop.set()
            placed = sum(await asyncio.gather(*placing))
            await until_counted(urls["analytics"], tenant, placed)

    async with connected(urls["sales"]) as connection:
        assert await connection.fetchval("SELECT count(*) FROM orders WHERE tenant_id = $1", tenant) == placed
    async with connected(urls["analytics"]) as connection:
        counted = "SELECT count(*) AS events, count(DISTINCT subject) AS orders, sum(amount) AS revenue FROM facts"
        (found,) = await connection.fetch(f"{counted} WHERE tenant_id = $1 AND type LIKE 'sales.%'", tenant)
        assert tuple(found) == (placed, placed, 10 * placed)
        assert await connection.fetchval("SELECT count(*) FROM dead_letters") == 0


@asynccontextmanager
async def connected(url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def until_counted(url: str, tenant: str, events: int) -> None:
    async with asyncio.timeout(PATIENCE), connected(url) as connection:
        query = "SELECT count(*) FROM ledger WHERE tenant_id = $1 AND source = 'sales'"
        while True:
            if await connection.fetchval(query, tenant) >= events:
                return
            await asyncio.sleep(PROBE_SECONDS)
