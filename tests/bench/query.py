"""Metrics over 12 months, by month, for a tenant of 200,000 customers and 5 million events: how long they take,
warm, against a bare index-only count of the same tenant's orders of the same months."""
# ruff: noqa: S608 - the statements are made of this file's constants

from collections.abc import Sequence
from datetime import UTC, datetime

import asyncpg
from sqlalchemy.ext.asyncio import create_async_engine
from tests.bench.measure import Figure, rate

from analytics.calendar import Grain, Interval
from analytics.metrics.catalogue import METRICS
from analytics.metrics.question import Question
from analytics.metrics.reads import figures
from analytics.metrics.rollups import mark_all_stale, settle_days
from analytics.projections.activity import DEFAULT_POLICY, PURCHASES
from analytics.service import SERVICE
from kith.db.connections import Database
from kith.db.login import sqlalchemy_url
from kith.db.migrations import migrate
from kith.reach import EVERYONE
from kith_local.postgres import EmbeddedPostgres

TENANT = "whale"
CUSTOMERS, ORDERS, TOUCHPOINTS = 200_000, 1_000_000, 3_800_000
ASKED = (
    "revenue",
    "orders",
    "retention.crr",
    "arpu",
    "sales.new_customers",
    "sales.new_revenue",
    "marketing.response_rate",
    "ror",
)
YEAR = Interval(datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))

# Customers differ in how much they do: most do little, a few a lot.
_WHO = f"md5(((random() ^ 3) * {CUSTOMERS})::int::text)::uuid"
_FILL = (
    f"""
    INSERT INTO facts (tenant_id, subject, version, type, time, event_id, customer_id, clock_since, state)
    SELECT '{TENANT}', md5(n::text)::uuid, 1, 'contacts.customer.created.v1', '2024-01-01', uuidv7(),
           md5(n::text)::uuid, '2024-01-01', jsonb_build_object('segment', 's' || n % 5, 'country', 'c' || n % 30)
    FROM generate_series(0, {CUSTOMERS}) n
    """,
    f"""
    INSERT INTO facts (tenant_id, subject, version, type, time, event_id, customer_id, amount, currency, clock_since,
                       state)
    SELECT '{TENANT}', uuidv7(), 1, 'sales.order.placed.v1', at, uuidv7(), {_WHO}, 10 + n % 90, 'EUR', at,
           jsonb_build_object('value', 10 + n % 90, 'currency', 'EUR', 'country', 'c' || n % 30)
    FROM (SELECT n, timestamptz '2024-01-01' + n * interval '63 seconds' AS at FROM generate_series(1, {ORDERS}) n) t
    """,
    f"""
    INSERT INTO facts (tenant_id, subject, version, type, time, event_id, customer_id, clock_since, state)
    SELECT '{TENANT}', uuidv7(), 1, 'contacts.touchpoint.recorded.v1', at, uuidv7(), {_WHO}, at,
           jsonb_build_object('channel', CASE n % 3 WHEN 0 THEN 'email' WHEN 1 THEN 'phone' ELSE 'web' END,
                              'direction', CASE n % 4 WHEN 0 THEN 'inbound' ELSE 'outbound' END, 'responded', n % 7 = 0)
    FROM (
        SELECT n, timestamptz '2024-01-01' + n * interval '16.5 seconds' AS at FROM generate_series(1, {TOUCHPOINTS}) n
    ) t
    """,
    f"""
    INSERT INTO activity_spans (tenant_id, rule, customer_id, starts_at, ends_at)
    SELECT tenant_id, '{PURCHASES.id}', customer_id, min(time), max(time) + interval '90 days'
    FROM (
        SELECT *, sum(opens) OVER (PARTITION BY customer_id ORDER BY time) AS span
        FROM (
            SELECT tenant_id, customer_id, time,
                   (time > lag(time) OVER (PARTITION BY customer_id ORDER BY time) + interval '90 days')::int AS opens
            FROM facts WHERE type = 'sales.order.placed.v1'
        ) gaps
    ) spans
    GROUP BY tenant_id, customer_id, span
    """,
    "VACUUM ANALYZE facts",
    "VACUUM ANALYZE activity_spans",
)


async def fill(url: str) -> None:
    connection = await asyncpg.connect(url)
    for statement in _FILL:
        await connection.execute(statement)
    await connection.close()
    engine = create_async_engine(sqlalchemy_url(url))
    async with engine.begin() as owner:
        await mark_all_stale(owner)
    while await settle_days(engine):
        pass
    await engine.dispose()


async def run(postgres: EmbeddedPostgres, _: str | None) -> list[Figure]:
    connection = await asyncpg.connect(postgres.url("postgres"))
    await connection.execute("CREATE DATABASE query")
    await connection.close()
    url = postgres.url("query")
    await migrate(url, SERVICE.package, SERVICE.after_migrations)
    await fill(url)
    return await measured(url, ASKED)


async def measured(url: str, ids: Sequence[str]) -> list[Figure]:
    database = Database(url, pool_size=2, application="bench")
    query = Question(YEAR, "Europe/Berlin", DEFAULT_POLICY, reach=EVERYONE, grain=Grain.MONTH)

    async def bare() -> None:
        async with database.read(TENANT) as connection:
            await connection.exec_driver_sql(
                "SELECT count(*) FROM facts WHERE tenant_id = $1 AND type = $2 AND time >= $3 AND time < $4",
                (TENANT, "sales.order.placed.v1", YEAR.starts_at, YEAR.ends_at),
            )

    found = []
    try:
        ceiling = 1000 / await rate(bare)
        for id in ids:

            async def once(id: str = id) -> None:
                async with database.read(TENANT) as connection:
                    await figures(connection, TENANT, [METRICS[id]], query)

            found.append(
                Figure(f"{id}, 12 months", 1000 / await rate(once), "bare count", ceiling, 200, False, unit="ms")
            )
    finally:
        await database.close()
    return found
