"""Recurring revenue over 12 months, by month, of a tenant with 200,000 subscriptions of 100,000 customers, each with
some three steps: how long it takes, warm, against a bare count of the steps."""
# ruff: noqa: S608 - the statements are made of this file's constants

from datetime import UTC, datetime

import asyncpg
from tests.bench.measure import Figure, rate

from analytics.calendar import Grain, Interval
from analytics.metrics.catalogue import METRICS
from analytics.metrics.question import Question
from analytics.metrics.reads import figures
from analytics.projections.activity import DEFAULT_POLICY
from analytics.service import SERVICE
from kith.db.connections import Database
from kith.db.migrations import migrate
from kith.reach import EVERYONE
from kith_local.postgres import EmbeddedPostgres

TENANT, SUBSCRIPTIONS, STEPS = "whale", 200_000, 3
ASKED: tuple[tuple[str, Grain | None, tuple[str, ...]], ...] = (
    ("mrr", None, ()),
    ("mrr", Grain.MONTH, ()),
    ("mrr", Grain.MONTH, ("plan",)),
    ("nrr", Grain.MONTH, ()),
    ("mrr.paying_customers", None, ("segment",)),
)
YEAR = Interval(datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))
_FILL = (
    f"""
    INSERT INTO facts (tenant_id, subject, version, type, time, event_id, customer_id, clock_since, state)
    SELECT '{TENANT}', md5(n::text)::uuid, 1, 'contacts.customer.created.v1', '2024-01-01', uuidv7(),
           md5(n::text)::uuid, '2024-01-01', jsonb_build_object('segment', 's' || n % 5)
    FROM generate_series(0, {SUBSCRIPTIONS // 2 - 1}) n
    """,
    f"""
    INSERT INTO subscription_spans (tenant_id, subject, starts_at, ends_at, customer_id, status, mrr, currency, plan,
                                    seats)
    SELECT '{TENANT}', md5('s' || n)::uuid, at + step * interval '150 days',
           CASE WHEN step < {STEPS - 1} OR n % 4 = 0 THEN at + (step + 1) * interval '150 days' END,
           md5((n / 2)::text)::uuid, 'active', 50 * (1 + (n + step) % 7), 'EUR', 'p' || n % 3, 1 + n % 20
    FROM generate_series(0, {SUBSCRIPTIONS - 1}) n, generate_series(0, {STEPS - 1}) step,
         LATERAL (SELECT timestamptz '2024-01-01' + n % 700 * interval '1 day' AS at) t
    """,
    "VACUUM ANALYZE facts",
    "VACUUM ANALYZE subscription_spans",
)


async def run(postgres: EmbeddedPostgres, _: str | None) -> list[Figure]:
    connection = await asyncpg.connect(postgres.url("postgres"))
    await connection.execute("CREATE DATABASE recurring")
    await connection.close()
    url = postgres.url("recurring")
    await migrate(url, SERVICE.package, SERVICE.after_migrations)
    connection = await asyncpg.connect(url)
    for statement in _FILL:
        await connection.execute(statement)
    await connection.close()
    database = Database(url, pool_size=2, application="bench")

    async def bare() -> None:
        async with database.read(TENANT) as connection:
            await connection.exec_driver_sql(
                "SELECT count(*) FROM subscription_spans WHERE tenant_id = $1 AND mrr > 0", (TENANT,)
            )

    found = []
    try:
        ceiling = 1000 / await rate(bare)
        for id, grain, by in ASKED:
            question = Question(YEAR, "Europe/Berlin", DEFAULT_POLICY, reach=EVERYONE, grain=grain, group_by=by)

            async def once(id: str = id, question: Question = question) -> None:
                async with database.read(TENANT) as connection:
                    await figures(connection, TENANT, [METRICS[id]], question)

            name = " ".join([id, *(("12 months",) if grain else ()), *(f"by {each}" for each in by)])
            found.append(Figure(name, 1000 / await rate(once), "bare count", ceiling, 200, False, unit="ms"))
    finally:
        await database.close()
    return found
