"""Row-level security, as PostgreSQL itself reports it of every table of every service."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from analytics.service import SERVICE as ANALYTICS
from contacts.service import SERVICE as CONTACTS
from kith.db.connections import Database, UnsafeRole, checked
from kith.db.sessions import create_engine
from kith.db.tenancy import APP_ROLE, WORKER_ROLE
from kith.ids import new_id
from kith.runtime.service import Service
from kith_local.postgres import EmbeddedPostgres
from sales.service import SERVICE as SALES
from service_desk.service import SERVICE as SERVICE_DESK

SERVICES = [CONTACTS, SALES, SERVICE_DESK, ANALYTICS]
OF_NO_TENANT = {"alembic_version", "blinding", "consumer_offsets", "live_epoch", "side_table_fills", "watermarks"}
"""What requests may not write, and where there is nothing of a tenant to read."""
WRITE = text("INSERT INTO idempotency VALUES (:tenant, :key, 1, :id, NULL, now())")


@pytest.fixture(params=SERVICES, ids=lambda service: service.name)
async def url(
    request: pytest.FixtureRequest,
    serve: Callable[[Service], Awaitable[httpx.AsyncClient]],
    postgres: EmbeddedPostgres,
) -> str:
    service: Service = request.param
    await serve(service)
    return postgres.url(f"kith_{service.package}")


async def test_every_table_forces_row_level_security_on_its_tenant(url: str) -> None:
    engine = create_engine(url, role=APP_ROLE, pool_size=1, application="test")
    async with engine.connect() as connection:
        rows = await connection.execute(
            text("""
            SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity AS forced,
                   (SELECT string_agg(p.polname || ' ' || pg_get_expr(p.polqual, c.oid)
                           || ' / ' || pg_get_expr(p.polwithcheck, c.oid), '; ')
                    FROM pg_policy p
                    WHERE p.polrelid = c.oid AND 'kith_app'::regrole = ANY(p.polroles) AND p.polpermissive) AS policy,
                   (SELECT bool_or(has_table_privilege('kith_app', c.oid, privilege))
                    FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS privilege) AS reachable,
                   (SELECT bool_or(has_table_privilege('kith_app', c.oid, privilege))
                    FROM unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS privilege) AS writable,
                   pg_get_userbyid(c.relowner) IN ('kith_app', 'kith_worker') AS owned
            FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
            """)
        )
        own = "(tenant_id = NULLIF(current_setting('kith.tenant_id'::text, true), ''::text))"
        tables = {row.relname: row for row in rows}
    await engine.dispose()
    assert len(tables) > 5
    for name, table in tables.items():
        assert not table.owned, name
        if name in OF_NO_TENANT:
            assert not table.writable, name
        elif table.reachable:
            assert table.forced, name
            assert table.policy == f"tenant {own} / {own}", name


async def test_without_a_tenant_a_transaction_sees_and_writes_nothing(url: str) -> None:
    engine = create_engine(url, role=APP_ROLE, pool_size=1, application="test")
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM outbox")) == 0
        with pytest.raises(ProgrammingError, match="row-level security"):
            await connection.execute(WRITE, {"tenant": "t", "key": "k", "id": new_id()})
    await engine.dispose()


async def test_a_tenants_transaction_cannot_write_for_another(url: str) -> None:
    database = Database(url, pool_size=1, application="test")
    async with database.read("one") as connection:
        with pytest.raises(ProgrammingError, match="row-level security"):
            await connection.execute(WRITE, {"tenant": "two", "key": "k", "id": new_id()})
    await database.close()


async def test_the_tenant_ends_with_its_transaction(url: str) -> None:
    database = Database(url, pool_size=1, application="test")
    async with database.write("one") as (connection, _, __):
        await connection.execute(WRITE, {"tenant": "one", "key": str(new_id()), "id": new_id()})
        assert await connection.scalar(text("SELECT count(*) FROM idempotency")) >= 1
    async with database.engine.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM idempotency")) == 0
    await database.close()


async def test_an_api_refuses_to_run_as_a_role_that_sees_all(postgres: EmbeddedPostgres) -> None:
    database = Database(postgres.url("postgres"), pool_size=1, application="test")
    await database.engine.dispose()
    database.engine = create_engine(postgres.url("postgres"), role="postgres", pool_size=1, application="test")
    with pytest.raises(UnsafeRole, match="postgres"):
        await database.check_role()
    await database.close()


async def test_the_roles_of_requests_and_workers_bypass_nothing(url: str) -> None:
    engine = create_engine(url, role=WORKER_ROLE, pool_size=1, application="test")
    async with engine.connect() as connection:
        unsafe = await connection.scalar(
            text("SELECT bool_or(rolsuper OR rolbypassrls) FROM pg_roles WHERE rolname LIKE 'kith%'")
        )
    await engine.dispose()
    assert unsafe is False


@pytest.mark.parametrize("name", ["", "A", "a b", "a'; DROP TABLE outbox; --", "x" * 64, "-a", "a\n"])
def test_what_is_no_tenants_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a tenant"):
        checked(name)


async def test_the_database_tells_the_time(url: str) -> None:
    database = Database(url, pool_size=1, application="test")
    async with database.write("one") as transaction:
        assert abs((datetime.now(UTC) - transaction.now).total_seconds()) < 60
    await database.close()
