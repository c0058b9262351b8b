"""Two logins: one owns the tables and migrates, the other serves, and can be nothing but kith_app and kith_worker."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest

from kith.db import migrations
from kith.db.tenancy import APP_ROLE, WORKER_ROLE
from kith.ids import new_id
from kith.testing import Issuer, Tenant, serving
from kith_local.postgres import EmbeddedPostgres
from sales.service import SERVICE

OWNER, RUNTIME = "kith_test_owner", "kith_test_runtime"

# As docs/operations.md has it, but for passwords: the embedded server trusts its socket.
PREPARE = f"""
CREATE ROLE {OWNER} LOGIN;
CREATE ROLE {RUNTIME} LOGIN NOINHERIT;
GRANT kith_app, kith_worker TO {OWNER};
GRANT kith_app, kith_worker TO {RUNTIME} WITH INHERIT FALSE, SET TRUE;
"""
ROLES = """
DO $$ BEGIN CREATE ROLE kith_app NOLOGIN NOBYPASSRLS; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
DO $$ BEGIN CREATE ROLE kith_worker NOLOGIN NOBYPASSRLS; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
"""


@dataclass(frozen=True)
class Logins:
    owner: str
    runtime: str


@pytest.fixture(scope="module")
async def logins(postgres: EmbeddedPostgres) -> AsyncIterator[Logins]:
    name = f"owned_{new_id().hex}"
    superuser = await asyncpg.connect(postgres.url("postgres"))
    await superuser.execute(ROLES + PREPARE)
    await superuser.execute(f"CREATE DATABASE {name} OWNER {OWNER}")
    url = postgres.url(name)
    found = Logins(*(url.replace("postgres@", f"{login}@") for login in (OWNER, RUNTIME)))
    await migrations.migrate(found.owner, SERVICE.package, SERVICE.after_migrations)
    yield found
    await superuser.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await superuser.execute(f"DROP ROLE {OWNER}; DROP ROLE {RUNTIME}")
    await superuser.close()


async def test_the_runtime_login_serves(logins: Logins, tenant: str, issuer: Issuer) -> None:
    assert await migrations.behind(logins.runtime, SERVICE.package, role=APP_ROLE) is None
    async with serving(SERVICE, logins.runtime, issuer) as client:
        mine = Tenant(client, issuer, tenant)
        made = await mine.made("/v1/products", name="Espresso", price="12.50", currency="EUR")
        assert (await mine.get(f"/v1/products/{made['id']}")).status_code == 200


@pytest.mark.parametrize("role", ["none", APP_ROLE, WORKER_ROLE])
@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (id int)",
        "CREATE SCHEMA mine",
        "ALTER TABLE products ADD COLUMN mine int",
        "ALTER TABLE products DISABLE ROW LEVEL SECURITY",
        "DROP POLICY tenant ON products",
        "DROP TABLE products",
        "TRUNCATE products",
        "CREATE INDEX ON products (tenant_id)",
    ],
)
async def test_the_runtime_login_can_do_no_ddl(logins: Logins, role: str, statement: str) -> None:
    connection = await asyncpg.connect(logins.runtime)
    try:
        await connection.execute(f"SET ROLE {role}")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    finally:
        await connection.close()


async def test_the_runtime_login_can_become_no_other_role_and_sees_nothing_as_itself(logins: Logins) -> None:
    connection = await asyncpg.connect(logins.runtime)
    try:
        for other in (OWNER, "postgres"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"SET ROLE {other}")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("SELECT FROM products")
    finally:
        await connection.close()


async def test_a_database_that_was_never_migrated_says_so_to_the_runtime_login(postgres: EmbeddedPostgres) -> None:
    name = f"empty_{new_id().hex}"
    await asyncio.to_thread(postgres.create_databases, name)
    assert "run migrate" in (await migrations.behind(postgres.url(name), SERVICE.package, role="no_such_role") or "")
