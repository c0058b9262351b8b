"""The age of the outbox is known where nothing relays it: that is what it is watched for."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.ids import new_id
from kith.outbox.age import report_age
from kith.runtime.service import Service
from sales.service import SERVICE

EVENT = text("""
    INSERT INTO outbox (id, tenant_id, type, subject, aggregate_version, time, recorded_at, data, published_at)
    VALUES (:id, 'acme', 'sales.order.placed.v1', :id, 1, now(),
            clock_timestamp() - CAST(CAST(:age AS text) AS interval), '{}',
            CAST(CAST(:published AS text) AS timestamptz))
""")


@pytest.fixture
async def url(fresh_database: Callable[[Service], Awaitable[str]]) -> str:
    return await fresh_database(SERVICE)


@pytest.fixture
async def engine(url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(url, role=WORKER_ROLE, pool_size=1, application="test worker")
    yield engine
    await engine.dispose()


async def test_the_age_is_that_of_the_oldest_event_that_is_not_published(engine: AsyncEngine, url: str) -> None:
    async def reported() -> float:
        async with engine.connect() as connection:
            await report_age(connection, SERVICE.name, SERVICE.outbox)
        return REGISTRY.get_sample_value("kith_outbox_oldest_unpublished_seconds", {"service": "sales"}) or 0.0

    async def write(age: str, *, published: str | None = None) -> None:
        async with owner.begin() as connection:
            await connection.execute(EVENT, {"id": new_id(), "age": age, "published": published})

    owner = create_engine(url, role="postgres", pool_size=1, application="test owner")
    assert await reported() == 0
    await write("1 hour", published="2026-01-01T00:00:00Z")
    assert await reported() == 0
    await write("infinity")  # as a row was once written: -infinity is no age
    assert await reported() == 0
    await write("90 seconds")
    await write("1 second")
    first = await reported()
    assert 90 <= first < 120
    assert await reported() > first
    await owner.dispose()
