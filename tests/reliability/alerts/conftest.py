"""Processes of their own for each cause: what is broken here is nobody else's."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import asyncpg
import httpx
import pytest
from tests.conftest import FreshDatabase, take_port
from tests.reliability.alerts.firing import Scrape, firing, require_promtool, scrape
from tests.reliability.processes import Process, keys_of, running

from kith.ids import new_id
from kith.runtime.service import Service
from kith.testing import Issuer
from kith_local.postgres import EmbeddedPostgres

PATIENCE = 60.0


@dataclass
class Watched:
    """A process, its database, and what Prometheus has seen of it."""

    process: Process
    metrics_port: int
    job: str
    database: "asyncpg.Connection[asyncpg.Record]"
    holder: "asyncpg.Connection[asyncpg.Record]"
    """Another session, in a transaction: what it locks stays locked."""
    client: httpx.AsyncClient
    folder: Path
    headers: dict[str, str]
    before: Scrape | None = None

    async def scrape(self) -> Scrape:
        return await scrape(self.client, self.job, self.metrics_port)

    async def until(self, name: str, holds: Callable[[float], bool]) -> Scrape:
        """A scrape in which some series of that name is so."""
        deadline = monotonic() + PATIENCE
        while True:
            found = await self.scrape()
            if any(holds(value) for series, value in found.items() if series.startswith(name)):
                return found
            assert monotonic() < deadline, f"{name}: waited in vain; {self.process.logged[-2000:]}"
            await asyncio.sleep(0.1)

    async def fires(self, *names: str, after: Scrape | None = None) -> None:
        after = after or await self.scrape()
        assert self.before is not None
        for name in names:
            assert await asyncio.to_thread(firing, name, self.before, after, self.folder)


Start = Callable[..., Awaitable[Watched]]


@pytest.fixture
async def start(
    fresh_database: FreshDatabase, postgres: EmbeddedPostgres, issuer: Issuer, tmp_path: Path
) -> AsyncIterator[Start]:
    """Starts an API or a worker on a database of its own, and scrapes it once. What prepares its database is run
    before."""
    require_promtool()
    async with AsyncExitStack() as stack:
        keys = await stack.enter_async_context(keys_of(issuer))
        client = await stack.enter_async_context(
            httpx.AsyncClient(timeout=30, limits=httpx.Limits(max_connections=200))
        )

        async def begin(service: Service, what: str, *prepared: str, held: str = "", **settings: str) -> Watched:
            url, bus = await fresh_database(service), f"bus_{new_id().hex}"
            await asyncio.to_thread(postgres.create_databases, bus)
            database, holder = await asyncpg.connect(url), await asyncpg.connect(url)
            stack.push_async_callback(database.close)
            for statement in prepared:
                await database.execute(statement)
            await holder.execute(f"BEGIN; {held}")
            given = {"KITH_DATABASE_URL_BUS": postgres.url(bus), **settings}
            metrics_port = take_port()
            if what == "api":
                given["KITH_METRICS_PORT"] = str(metrics_port)
            process = await stack.enter_async_context(running(service, url, keys, tmp_path, what, **given))
            stack.push_async_callback(holder.close)  # before the process ends: it may wait for what is locked
            if what == "worker":
                metrics_port = process.port
            token, job = issuer.token("acme"), f"kith-{service.name}-{what}"
            watched = Watched(
                process, metrics_port, job, database, holder, client, tmp_path, {"Authorization": f"Bearer {token}"}
            )
            found = await watched.until("up{", lambda up: up == 1)
            # What was prepared it may have reported by now: before that, all was 0.
            watched.before = {name: value for name, value in found.items() if not prepared or name.startswith("up{")}
            return watched

        yield begin
