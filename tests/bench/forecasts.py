"""Forecasts, as 200 overrides adjust them, of a tenant with 10,000 open opportunities of 100 users in 40 teams, half of
them within others: how long they take, warm, against a bare count of what is open."""
# ruff: noqa: S608 - the statements are made of this file's constants

from datetime import UTC, datetime

import asyncpg
from tests.bench.measure import Figure, rate

from analytics.calendar import Interval
from analytics.metrics.catalogue import METRICS
from analytics.metrics.question import Question
from analytics.metrics.reads import figures
from analytics.projections.activity import DEFAULT_POLICY
from analytics.service import SERVICE
from kith.db.connections import Database
from kith.db.migrations import migrate
from kith.reach import EVERYONE
from kith_local.postgres import EmbeddedPostgres

TENANT, DEALS, USERS, TEAMS, OVERRIDES = "whale", 10_000, 100, 40, 100
ASKED: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("sales.period_forecast", ()),
    ("sales.adjusted_forecast", ("opportunity_owner",)),
    ("sales.team_adjusted_forecast", ()),
    ("sales.team_adjusted_forecast", ("opportunity_team",)),
)
QUARTER = Interval(datetime(2025, 4, 1, tzinfo=UTC), datetime(2025, 7, 1, tzinfo=UTC))
_FACTS = (
    "INSERT INTO facts (tenant_id, subject, version, type, time, event_id, clock_since, amount, currency, phase, state)"
)
_AT = "'2025-01-01', uuidv7(), '2025-01-01'"
_MONTH = "date '2025-04-01' + (n / {0}) % 3 * interval '1 month'"
_FILL = (
    f"""{_FACTS}
    SELECT '{TENANT}', md5('t' || n)::uuid, 1, 'contacts.team.created.v1', {_AT}, NULL, NULL, NULL,
           CASE WHEN n % 2 = 0 THEN '{{}}' ELSE jsonb_build_object('parent_id', md5('t' || n - 1)::uuid) END
    FROM generate_series(0, {TEAMS - 1}) n
    """,
    f"""{_FACTS}
    SELECT '{TENANT}', md5('u' || n)::uuid, 1, 'contacts.user.invited.v1', {_AT}, NULL, NULL, NULL,
           jsonb_build_object('team_id', md5('t' || n % {TEAMS})::uuid)
    FROM generate_series(0, {USERS - 1}) n
    """,
    f"""{_FACTS}
    SELECT '{TENANT}', uuidv7(), 1, 'sales.opportunity.opened.v1', {_AT}, 1 + n % 1000, 'EUR', 'offer',
           jsonb_build_object('owner', md5('u' || n % {USERS})::uuid, 'currency', 'EUR', 'stage', 'offer',
                              'forecast_category', CASE n % 3 WHEN 0 THEN 'pipeline' ELSE 'commit' END,
                              'expected_close', ({_MONTH.format(USERS)} + n % 28 * interval '1 day')::date)
    FROM generate_series(0, {DEALS - 1}) n
    """,
    *(
        f"""{_FACTS}
        SELECT '{TENANT}', uuidv7(), 1, 'sales.forecast-adjustment.created.v1', {_AT}, 500, 'EUR', NULL,
               jsonb_build_object('{whose}', md5('{whose[0] if whose == "team_id" else "u"}' || n % {number})::uuid,
                                  'direction', 'override', 'currency', 'EUR', 'forecast_category', 'commit',
                                  'starts_on', at::date, 'ends_on', (at + interval '1 month - 1 day')::date)
        FROM generate_series(0, {OVERRIDES - 1}) n, LATERAL (SELECT {_MONTH.format(number)} AS at) t
        """
        for whose, number in (("owner", USERS), ("team_id", TEAMS))
    ),
    "VACUUM ANALYZE facts",
)


async def run(postgres: EmbeddedPostgres, _: str | None) -> list[Figure]:
    connection = await asyncpg.connect(postgres.url("postgres"))
    await connection.execute("CREATE DATABASE forecasts")
    await connection.close()
    url = postgres.url("forecasts")
    await migrate(url, SERVICE.package, SERVICE.after_migrations)
    connection = await asyncpg.connect(url)
    for statement in _FILL:
        await connection.execute(statement)
    await connection.close()
    database = Database(url, pool_size=2, application="bench")

    async def bare() -> None:
        async with database.read(TENANT) as connection:
            await connection.exec_driver_sql(
                "SELECT count(*) FROM facts WHERE tenant_id = $1 AND type = 'sales.opportunity.opened.v1'", (TENANT,)
            )

    found = []
    try:
        ceiling = 1000 / await rate(bare)
        for id, by in ASKED:
            question = Question(QUARTER, "Europe/Berlin", DEFAULT_POLICY, reach=EVERYONE, group_by=by)

            async def once(id: str = id, question: Question = question) -> None:
                async with database.read(TENANT) as connection:
                    await figures(connection, TENANT, [METRICS[id]], question)

            name = " ".join([id, *(f"by {each}" for each in by)])
            found.append(Figure(name, 1000 / await rate(once), "bare count", ceiling, 500, False, unit="ms"))
    finally:
        await database.close()
    return found
