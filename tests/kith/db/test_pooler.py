"""Requests by a real pgbouncer in transaction mode: its connections are shared by all, and tenants stay apart."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import asyncpg
import httpx
import pytest
from sqlalchemy import text
from tests.conftest import take_port
from tests.postgres.pgbouncer import PgBouncer
from tests.postgres.server import SUPERUSER, SUPERUSER_PASSWORD, Server, needed, tls_server

from kith.api import api_of, context_for
from kith.db import migrations
from kith.db.connections import Database, UnsafeRole
from kith.db.sessions import session_of
from kith.db.tenancy import APP_ROLE
from kith.testing import Issuer, Tenant
from sales.service import SERVICE
from sales.settings import SalesSettings

LOGIN, UNPREPARED, PASSWORD = "kith_api", "kith_unprepared", "secret"
PRODUCT = {"price": "12.50", "currency": "EUR"}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with tls_server() as running:
        yield running


@pytest.fixture(scope="module")
def pooler(server: Server) -> Iterator[PgBouncer]:
    running = PgBouncer(server, take_port(), {LOGIN: PASSWORD, UNPREPARED: PASSWORD}, connections=2)
    with needed():
        running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
async def settings(server: Server, pooler: PgBouncer) -> SalesSettings:
    owner = server.url("postgres", SUPERUSER, password=SUPERUSER_PASSWORD)
    await migrations.migrate(f"{owner}?sslmode=require", SERVICE.package, SERVICE.after_migrations)
    superuser = await asyncpg.connect(f"{owner}?sslmode=require")
    for login in (LOGIN, UNPREPARED):
        await superuser.execute(f"CREATE ROLE {login} LOGIN NOINHERIT PASSWORD '{PASSWORD}'")
        await superuser.execute(f"GRANT kith_app TO {login} WITH INHERIT FALSE, SET TRUE")
    for name, value in session_of(APP_ROLE).items():
        await superuser.execute(f"ALTER ROLE {LOGIN} SET {name} = '{value}'")
    await superuser.close()
    return SalesSettings(
        database_url=f"{server.url('postgres', LOGIN, password=PASSWORD)}?sslmode=require",
        database_pooler_url=f"{with_password(pooler.url('postgres', LOGIN))}?sslmode=require",
        pool_size=8,
    )


def with_password(url: str) -> str:
    return url.replace("@", f":{PASSWORD}@")


@asynccontextmanager
async def pooled(settings: SalesSettings) -> AsyncIterator[Database]:
    database = Database(settings.database, pool_size=8, application="test", pooler=settings.pooler)
    try:
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def client_of(settings: SalesSettings, issuer: Issuer) -> AsyncIterator[httpx.AsyncClient]:
    context = context_for(SERVICE, settings, issuer.authenticator())
    transport = httpx.ASGITransport(app=api_of(SERVICE).create(context))
    try:
        await context.database.check_role()
        async with httpx.AsyncClient(transport=transport, base_url="http://sales") as client:
            yield client
    finally:
        await context.database.close()


async def test_tenants_stay_apart_on_shared_connections(
    settings: SalesSettings, issuer: Issuer, tenant: str, other_tenant: str
) -> None:
    async with client_of(settings, issuer) as client:
        both = [Tenant(client, issuer, name) for name in (tenant, other_tenant)]

        async def use(mine: Tenant, number: int) -> None:
            name = f"{mine.name} {number}"
            made = await mine.made("/v1/products", name=name, **PRODUCT)
            assert (await mine.get(f"/v1/products/{made['id']}")).json()["name"] == name
            found = await mine.ask("{ products(first: 100) { nodes { name } } }")
            assert {each["name"].split()[0] for each in found["products"]["nodes"]} == {mine.name}

        await asyncio.gather(*(use(mine, number) for number in range(25) for mine in both))
        for mine in both:
            exported = (await mine.get("/v1/products:export")).text.splitlines()
            assert len(exported) == 26
            assert all(mine.name in each for each in exported[:-1])


async def test_a_tenant_does_not_outlive_its_transaction(settings: SalesSettings, tenant: str) -> None:
    async with pooled(settings) as database, database.write(tenant) as transaction:
        await transaction.connection.execute(
            text(
                "INSERT INTO products (tenant_id, id, version, name, price, currency, created_at, updated_at) "
                "VALUES (:tenant, gen_random_uuid(), 1, 'Espresso', 1, 'EUR', now(), now())"
            ),
            {"tenant": tenant},
        )
    async with pooled(settings) as database:
        async with database.read(tenant) as connection:
            assert await connection.scalar(text("SELECT count(*) FROM products")) == 1
        for _ in range(4):  # there are two connections, and one has served the tenant
            async with database.engine.connect() as connection:
                assert await connection.scalar(text("SELECT count(*) FROM products")) == 0


async def test_a_login_whose_sessions_are_not_set_is_refused_with_what_to_do(
    settings: SalesSettings, pooler: PgBouncer
) -> None:
    url = f"{with_password(pooler.url('postgres', UNPREPARED))}?sslmode=require"
    async with pooled(settings.model_copy(update={"database_pooler_url": url})) as database:
        with pytest.raises(UnsafeRole, match=f"ALTER ROLE {UNPREPARED} SET role = 'kith_app'; ALTER ROLE"):
            await database.check_role()
