"""A database with the tables that a subscription needs."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from tests.kith.consumer.world import METADATA, World

from kith.consumer import run
from kith.db.login import sqlalchemy_url
from kith_local.postgres import EmbeddedPostgres


@pytest.fixture(scope="session")
def consumer_database_url(postgres: EmbeddedPostgres) -> str:
    name = f"consumer_{uuid4().hex}"
    postgres.create_databases(name)
    return sqlalchemy_url(postgres.url(name))


@pytest.fixture
async def engine(consumer_database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(consumer_database_url)
    async with engine.begin() as connection:
        await connection.run_sync(METADATA.create_all)
    yield engine
    await engine.dispose()


@pytest.fixture
def world(engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setitem(run.__globals__, "_WAIT_MAX", 0.05)  # patience is not what is tested
    return World(engine)
