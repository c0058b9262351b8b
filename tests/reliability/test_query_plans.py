"""What a metric costs grows with the rows it looks at, also for a tenant that the planner knows nothing of yet."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from analytics.domain.metric import METRICS, Interval, Metric
from analytics.queries.bases import COUNT
from analytics.service import SERVICE
from kith.db import sqlalchemy_url
from kith.service import Service
from kith_local.postgres import EmbeddedPostgres

CUSTOMERS = 500
INTERVAL = Interval(datetime(2025, 6, 1, tzinfo=UTC), datetime(2025, 9, 1, tzinfo=UTC))

_SPANS = text("""
    INSERT INTO activity_spans (tenant_id, definition, customer_id, starts_at, ends_at)
    SELECT 'newcomer', 'purchases', md5(n::text)::uuid, CAST(:from AS timestamptz) - interval '1 day', :to
    FROM generate_series(1, :customers) n
""")
_EVENTS = text("""
    INSERT INTO ledger (tenant_id, id, type, source, subject, aggregate_version, customer_id, time, recorded_at, data)
    SELECT 'newcomer', uuidv7(), type, 'sales', gen_random_uuid(), 1, md5(n::text)::uuid, :from, now(),
           '{"value": 1, "currency": "EUR", "referred_by": "someone"}'
    FROM generate_series(1, :customers) n,
         unnest(ARRAY['sales.order.placed.v1', 'sales.order.placed.v1', 'contacts.customer.created.v1']) type
""")


@pytest.fixture
async def connection(
    serve: Callable[[Service], Awaitable[httpx.AsyncClient]], postgres: EmbeddedPostgres
) -> AsyncIterator[AsyncConnection]:
    """In a transaction that is rolled back: a tenant with many customers, and no statistics of it."""
    await serve(SERVICE)
    engine = create_async_engine(sqlalchemy_url(postgres.url("kith_analytics")))
    async with engine.connect() as connection:
        given = {"from": INTERVAL.starts_at, "to": INTERVAL.ends_at, "customers": CUSTOMERS}
        await connection.execute(_SPANS, given)
        await connection.execute(_EVENTS, given)
        await connection.execute(text("DELETE FROM pg_statistic WHERE starelid >= 16384"))
        yield connection
        await connection.rollback()
    await engine.dispose()


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.id)
async def test_no_metric_looks_again_for_every_customer(connection: AsyncConnection, metric: Metric) -> None:
    ran: list[tuple[str, Any]] = []
    assert connection.sync_connection is not None
    event.listen(connection.sync_connection, "before_cursor_execute", lambda *call: ran.append((call[2], call[3])))
    counts = await COUNT[metric.base](connection, "newcomer", INTERVAL)
    assert max(counts.values()) >= CUSTOMERS
    ((statement, parameters),) = ran
    plan = (await connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters)).scalar_one()
    (tree,) = json.loads(plan) if isinstance(plan, str) else plan
    assert max(node["Actual Loops"] for node in nodes(tree["Plan"])) < 10


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)
