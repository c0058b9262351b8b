"""Exports from a real streaming replica, which lags; all else is read where it was written."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import TypeAlias

import asyncpg
import httpx
import pytest
from tests.conftest import take_port
from tests.postgres.server import SUPERUSER, SUPERUSER_PASSWORD, Server, tls_server

from kith.api import api_of, context_for
from kith.db import migrations
from kith.testing import Issuer, Tenant
from sales.service import SERVICE
from sales.settings import SalesSettings

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
SECONDS = 20


@pytest.fixture(scope="module")
def primary() -> Iterator[Server]:
    with tls_server() as running:
        yield running


@pytest.fixture(scope="module")
async def replica(primary: Server) -> AsyncIterator[Server]:
    await migrations.migrate(url_of(primary), SERVICE.package, SERVICE.after_migrations)
    running = await asyncio.to_thread(primary.replica, take_port())
    yield running
    await asyncio.to_thread(running.stop)


def url_of(server: Server) -> str:
    return f"{server.url('postgres', SUPERUSER, password=SUPERUSER_PASSWORD)}?sslmode=require"


@pytest.fixture
async def mine(primary: Server, replica: Server, issuer: Issuer, tenant: str) -> AsyncIterator[Tenant]:
    settings = SalesSettings(database_url=url_of(primary), database_replica_url=url_of(replica), pool_size=2)
    context = context_for(SERVICE, settings, issuer.authenticator())
    transport = httpx.ASGITransport(app=api_of(SERVICE).create(context))
    async with httpx.AsyncClient(transport=transport, base_url="http://sales") as client:
        yield Tenant(client, issuer, tenant)
    await context.database.close()


@pytest.fixture
async def on_replica(replica: Server) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(url_of(replica))
    yield connection
    await connection.execute("SELECT pg_wal_replay_resume()")
    await connection.close()


async def must_become(connection: Connection, question: str, *values: object) -> None:
    async with asyncio.timeout(SECONDS):
        while not await connection.fetchval(question, *values):
            pass


async def catch_up(primary: Server, on_replica: Connection) -> None:
    there = await asyncpg.connect(url_of(primary))
    reached = await there.fetchval("SELECT pg_current_wal_lsn()::text")
    await there.close()
    await must_become(on_replica, "SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn", reached)


def position_of(answer: object) -> str:
    headers: dict[str, str] = answer.headers  # type: ignore[attr-defined]
    return headers["Kith-Position"].partition("@")[2]


async def test_an_export_may_lag_and_says_up_to_when_it_is_complete(
    mine: Tenant, primary: Server, on_replica: Connection
) -> None:
    await mine.made("/v1/products", name="Before", price="1", currency="EUR")
    await catch_up(primary, on_replica)
    await on_replica.execute("SELECT pg_wal_replay_pause()")
    await must_become(on_replica, "SELECT pg_get_wal_replay_pause_state() = 'paused'")
    written = await mine.post("/v1/products", {"name": "After", "price": "1", "currency": "EUR"})
    assert written.status_code == 201
    listed = (await mine.get("/v1/products")).json()
    assert "After" in str(listed), "who has written reads what is written"
    behind = await mine.get("/v1/products:export")
    assert ("Before" in behind.text, "After" in behind.text) == (True, False)
    assert position_of(behind) < position_of(written)
    await on_replica.execute("SELECT pg_wal_replay_resume()")
    await catch_up(primary, on_replica)
    now = await mine.get("/v1/products:export")
    assert "After" in now.text
    assert position_of(now) >= position_of(written)


async def test_what_is_no_replica_is_not_asked(primary: Server, issuer: Issuer, tenant: str) -> None:
    settings = SalesSettings(database_url=url_of(primary), database_replica_url=url_of(primary))
    database = context_for(SERVICE, settings, issuer.authenticator()).database
    async with database.snapshot(tenant) as snapshot:
        assert snapshot.now is not None
    await database.close()
