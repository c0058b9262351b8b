"""The migrations of every service come to exactly its tables."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path

import asyncpg
import httpx
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.ext.asyncio import create_async_engine
from tests.conftest import FreshDatabase
from tests.kith.db.former import database_at

from analytics.service import SERVICE as ANALYTICS
from contacts.service import SERVICE as CONTACTS
from kith.api import api_of
from kith.db import migrations
from kith.db.connections import Database
from kith.db.login import sqlalchemy_url
from kith.db.sessions import create_engine
from kith.db.tenancy import APP_ROLE, WORKER_ROLE, create_roles
from kith.runtime.service import Service
from kith_local.postgres import EmbeddedPostgres
from sales.service import SERVICE as SALES
from service_desk.service import SERVICE as SERVICE_DESK

SERVICES = [CONTACTS, SALES, SERVICE_DESK, ANALYTICS]


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
async def test_the_migrations_come_to_the_declared_tables(
    service: Service, serve: Callable[[Service], Awaitable[httpx.AsyncClient]], postgres: EmbeddedPostgres
) -> None:
    await serve(service)
    declared: MetaData = import_module(f"{service.package}.tables").metadata

    def differences(connection: Connection) -> object:
        context = MigrationContext.configure(
            connection, opts={"include_object": migrations.is_ours, "compare_type": True}
        )
        return compare_metadata(context, declared)

    engine = create_async_engine(sqlalchemy_url(postgres.url(f"kith_{service.package}")))
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


NOT_AS_COMPARED = """
    SELECT indrelid::regclass::text AS table, attname AS column
    FROM pg_index JOIN pg_attribute ON attrelid = indexrelid JOIN pg_collation ON pg_collation.oid = attcollation
    WHERE indrelid = ANY($1::text[]::regclass[]) AND collname <> 'C' AND NOT indisunique
"""


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
async def test_every_text_that_lists_are_sorted_by_is_indexed_as_it_is_compared(
    service: Service, serve: Callable[[Service], Awaitable[httpx.AsyncClient]], postgres: EmbeddedPostgres
) -> None:
    """In a database of another collation an index without this one would serve no list."""
    await serve(service)
    nouns = {each.table.name: each for each in api_of(service).resources}
    connection = await asyncpg.connect(postgres.url(f"kith_{service.package}"))
    try:
        found = await connection.fetch(NOT_AS_COMPARED, list(nouns))
    finally:
        await connection.close()
    # Enumerations are compared as the database does.
    assert [tuple(row) for row in found if row["column"] not in nouns[row["table"]].stored_enums] == []


async def test_migrating_again_changes_nothing_and_at_once_is_safe(postgres: EmbeddedPostgres) -> None:
    await asyncio.to_thread(postgres.create_databases, "kith_again")
    url = postgres.url("kith_again")
    await asyncio.gather(*(migrations.migrate(url, "analytics", ANALYTICS.after_migrations) for _ in range(3)))
    assert await migrations.behind(url, "analytics") is None


async def test_a_database_that_lags_behind_is_reported(postgres: EmbeddedPostgres) -> None:
    await asyncio.to_thread(postgres.create_databases, "kith_behind")
    reason = await migrations.behind(postgres.url("kith_behind"), "sales")
    assert reason == f"database at revision None, code at {HEAD}: run migrate"


async def test_a_login_without_privileges_migrates_and_serves(postgres: EmbeddedPostgres) -> None:
    superuser = await asyncpg.connect(postgres.url("postgres"))
    try:
        for role in create_roles()[:2]:
            await superuser.execute(role)
        await superuser.execute("CREATE ROLE plain LOGIN; GRANT kith_app, kith_worker TO plain")
        await superuser.execute("CREATE DATABASE kith_plain OWNER plain")
    finally:
        await superuser.close()
    url = postgres.url("kith_plain").replace("postgres@", "plain@")
    await migrations.migrate(url, "sales")
    database = Database(url, pool_size=1, application="test")
    await database.check_role()
    async with database.write("one") as transaction:
        assert await transaction.connection.scalar(text("SELECT current_user")) == "kith_app"
    await database.close()


async def test_a_login_that_makes_the_roles_may_act_as_them() -> None:
    with tempfile.TemporaryDirectory(prefix="kith-test-", ignore_cleanup_errors=True) as folder:
        fresh = await asyncio.to_thread(EmbeddedPostgres(Path(folder) / "pg").start)
        try:
            superuser = await asyncpg.connect(fresh.url("postgres"))
            await superuser.execute("CREATE ROLE maker LOGIN CREATEROLE")
            await superuser.execute("CREATE DATABASE kith_maker OWNER maker")
            await superuser.close()
            url = fresh.url("kith_maker").replace("postgres@", "maker@")
            for _ in range(2):
                await migrations.migrate(url, "sales")
            engine = create_engine(url, role=WORKER_ROLE, pool_size=1, application="test")
            async with engine.connect() as connection:
                assert await connection.scalar(text("SELECT current_user")) == "kith_worker"
            await engine.dispose()
        finally:
            await asyncio.to_thread(fresh.stop)


async def test_an_index_is_built_beside_writers(postgres: EmbeddedPostgres) -> None:
    url = await database_at(postgres, "sales", "0005")
    slow, quick = [await asyncpg.connect(url) for _ in range(2)]
    row = """INSERT INTO opportunities (tenant_id, id, version, created_at, updated_at, name, stage, currency)
             VALUES ('one', gen_random_uuid(), 1, now(), now(), 'Beans', 'engaging', 'EUR')"""
    waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid())"
    try:
        # As if an earlier try had broken off: of this index it is not known whether it is whole.
        await quick.execute("CREATE INDEX tasks_by_state ON tasks (tenant_id, state, created_at, id)")
        await quick.execute("SET lock_timeout = '1s'")
        transaction = slow.transaction()
        await transaction.start()
        await slow.execute(row)
        migrating = asyncio.create_task(migrations.migrate(url, "sales"))
        while not await quick.fetchval(waiting):  # noqa: ASYNC110 - the database sends no event for it
            await asyncio.sleep(0.01)
        await quick.execute(row)
        assert not migrating.done()
        await transaction.rollback()
        await migrating
        invalid = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"
        assert await quick.fetchval(invalid) == 0
    finally:
        await slow.close()
        await quick.close()
    assert await migrations.behind(url, "sales") is None


TOO_OLD = "the code is older than its database: bring it up to date"
HEAD = ScriptDirectory.from_config(migrations.configuration("sales")).get_current_head()


@pytest.mark.parametrize(
    ("comment", "said"),
    [
        (None, TOO_OLD),
        ("oldest code: 9998", TOO_OLD),
        (f"oldest code: {HEAD}", None),
        ("oldest code: 0001", None),
    ],
)
async def test_code_that_is_older_than_its_database_works_with_it_where_the_database_serves_it(
    comment: str | None, said: str | None, fresh_database: FreshDatabase
) -> None:
    url = await fresh_database(SALES)
    session = await asyncpg.connect(url)
    await session.execute("UPDATE alembic_version SET version_num = '9999'")
    await session.execute(f"COMMENT ON TABLE alembic_version IS {'NULL' if comment is None else repr(comment)}")
    for role in (None, APP_ROLE, WORKER_ROLE):
        reason = await migrations.behind(url, "sales", role=role)
        assert reason == (said and f"database at revision 9999, code at {HEAD}: {said}")
    # So does what migrates before it starts: a pod of the version before that is restarted, say.
    with pytest.raises(migrations.CodeTooOld, match=said) if said else nullcontext():
        await migrations.migrate(url, "sales")
    assert await session.fetchval("SELECT obj_description('alembic_version'::regclass)") == comment
    await session.close()


async def test_a_database_says_which_code_it_serves(fresh_database: FreshDatabase) -> None:
    session = await asyncpg.connect(await fresh_database(SALES))
    comment = await session.fetchval("SELECT obj_description('alembic_version'::regclass)")
    await session.close()
    assert comment == "oldest code: 0002"  # which took INSERT on dead_letters from requests
