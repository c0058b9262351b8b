"""The migrations of every service come to exactly its tables."""

import asyncio
from collections.abc import Awaitable, Callable
from importlib import import_module

import httpx
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData
from sqlalchemy.ext.asyncio import create_async_engine

from analytics.service import SERVICE as ANALYTICS
from contacts.service import SERVICE as CONTACTS
from kith import migrations
from kith.db import sqlalchemy_url
from kith.service import Service
from kith_local.postgres import EmbeddedPostgres
from sales.service import SERVICE as SALES
from service_desk.service import SERVICE as SERVICE_DESK

SERVICES = [CONTACTS, SALES, SERVICE_DESK, ANALYTICS]


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
async def test_the_migrations_come_to_the_declared_tables(
    service: Service, serve: Callable[[Service], Awaitable[httpx.AsyncClient]], postgres: EmbeddedPostgres
) -> None:
    await serve(service)
    declared: MetaData = import_module(f"{service.package}.storage.tables").metadata

    def differences(connection: Connection) -> object:
        context = MigrationContext.configure(
            connection, opts={"include_object": migrations.is_ours, "compare_type": True}
        )
        return compare_metadata(context, declared)

    engine = create_async_engine(sqlalchemy_url(postgres.url(f"kith_{service.package}")))
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


async def test_migrating_again_changes_nothing_and_at_once_is_safe(postgres: EmbeddedPostgres) -> None:
    await asyncio.to_thread(postgres.create_databases, "kith_again")
    url = postgres.url("kith_again")
    await asyncio.gather(*(migrations.migrate(url, "analytics", ANALYTICS.after_migrations) for _ in range(3)))
    assert await migrations.behind(url, "analytics") is None


async def test_a_database_that_lags_behind_is_told(postgres: EmbeddedPostgres) -> None:
    await asyncio.to_thread(postgres.create_databases, "kith_behind")
    reason = await migrations.behind(postgres.url("kith_behind"), "sales")
    assert reason == "database at revision None, code at 0001: run migrate"
