"""What a metric costs grows with the rows it looks at, also for a tenant that the planner knows nothing of yet."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from analytics.calendar import Interval
from analytics.metrics.catalogue import METRICS
from analytics.metrics.cohorts import cohorts
from analytics.metrics.definition import Metric
from analytics.metrics.filtering import FilterBy
from analytics.metrics.measure import Score
from analytics.metrics.question import Question
from analytics.metrics.reads import figures
from analytics.projections.activity import DEFAULT_POLICY, PURCHASES, ActivityPolicy, ActivityRule
from analytics.service import SERVICE
from kith.db.login import sqlalchemy_url
from kith.events.catalogue import EVENTS
from kith.events.sales import OrderPlaced
from kith.reach import EVERYONE
from kith.runtime.service import Service
from kith_local.postgres import EmbeddedPostgres

CUSTOMERS = 500
INTERVAL = Interval(datetime(2025, 6, 1, tzinfo=UTC), datetime(2025, 9, 1, tzinfo=UTC))

_SPANS = text("""
    INSERT INTO activity_spans (tenant_id, rule, customer_id, starts_at, ends_at)
    SELECT 'newcomer', :rule, md5(n::text)::uuid, CAST(:from AS timestamptz) - interval '1 day', :to
    FROM generate_series(1, :customers) n
""")
_EVENTS = text("""
    INSERT INTO facts (tenant_id, subject, version, type, time, event_id, customer_id, amount, currency, phase,
                       clock_since, state)
    SELECT 'newcomer',
           CASE WHEN type = 'contacts.customer.created.v1' THEN md5(n::text)::uuid ELSE gen_random_uuid() END, 1,
           type, :from, uuidv7(), md5(n::text)::uuid, 1, 'EUR', 'open', :from,
           '{"referred_by": "someone", "segment": "gold", "seconds_in_phase": 1, "seconds_since_start": 1,
             "seconds_to_resolve": 1, "from_phase": "new", "sla_met": true, "direction": "outbound"}'
    FROM generate_series(1, :customers) n, unnest(CAST(:types AS text[])) type
""")


@pytest.fixture(scope="module")
async def unknown(
    serve: Callable[[Service], Awaitable[httpx.AsyncClient]], postgres: EmbeddedPostgres
) -> AsyncIterator[AsyncConnection]:
    """In a transaction that is rolled back: a tenant with many customers, and no statistics of it."""
    await serve(SERVICE)
    engine = create_async_engine(sqlalchemy_url(postgres.url("kith_analytics")))
    async with engine.connect() as connection:
        given = {"from": INTERVAL.starts_at, "customers": CUSTOMERS}
        await connection.execute(_SPANS, given | {"rule": PURCHASES.id, "to": INTERVAL.ends_at})
        await connection.execute(_EVENTS, given | {"types": [*EVENTS, OrderPlaced.type]})
        await connection.execute(text("DELETE FROM pg_statistic WHERE starelid >= 16384"))
        yield connection
        await connection.rollback()
    await engine.dispose()


@pytest.fixture
async def connection(unknown: AsyncConnection) -> AsyncIterator[AsyncConnection]:
    async with unknown.begin_nested() as undone:
        yield unknown
        await undone.rollback()


@pytest.mark.parametrize(
    "metric",
    [each for each in METRICS.values() if not any(isinstance(measure, Score) for measure in each.measures)],
    ids=lambda metric: metric.id,
)
async def test_no_metric_looks_again_for_every_customer(connection: AsyncConnection, metric: Metric) -> None:
    by = "segment" if {"segment"} & {each.name for each in metric.dimensions} else metric.dimensions[0].name
    query = Question(INTERVAL, "UTC", DEFAULT_POLICY, reach=EVERYONE, group_by=(by,))
    await looks_once(connection, figures(connection, "newcomer", [metric], query))


async def test_a_tree_of_customers_is_made_once(connection: AsyncConnection) -> None:
    within = FilterBy("within", ("00000000-0000-0000-0000-000000000001",))
    query = Question(INTERVAL, "UTC", DEFAULT_POLICY, reach=EVERYONE, group_by=("ultimate_parent",), filters=(within,))
    await looks_once(connection, figures(connection, "newcomer", [METRICS["revenue"]], query))


@pytest.mark.parametrize("segments", [{}, {"gold": ActivityRule.of({OrderPlaced.type}, 30)}], ids=["", "by segment"])
async def test_a_cohort_matrix_looks_once_at_each_fact(
    connection: AsyncConnection, segments: dict[str, ActivityRule]
) -> None:
    query = Question(
        INTERVAL,
        "UTC",
        ActivityPolicy(1, PURCHASES, segments),
        reach=EVERYONE,
        filters=(FilterBy("segment", ("gold",)),),
    )
    await looks_once(connection, cohorts(connection, "newcomer", query))


async def looks_once(connection: AsyncConnection, asking: Awaitable[Any]) -> None:
    ran: list[tuple[str, Any]] = []

    def note(*call: Any) -> None:
        ran.append((call[2], call[3]))

    assert connection.sync_connection is not None
    event.listen(connection.sync_connection, "before_cursor_execute", note)
    await asking
    event.remove(connection.sync_connection, "before_cursor_execute", note)
    assert ran
    for statement, parameters in [each for each in ran if each[0].lstrip().startswith(("SELECT", "WITH"))]:
        explained = await connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters)
        plan = explained.scalar_one()
        (tree,) = json.loads(plan) if isinstance(plan, str) else plan
        # Each row is held against the instants of the query: they are few, and no table.
        looks = [node["Actual Loops"] for node in nodes(tree["Plan"]) if node["Node Type"] != "Function Scan"]
        assert max(looks) < 10, statement


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)
