"""Lists and figures of analytics for who reads all, its own or its team's customers, of a tenant that has 200,000: the
same question with a reach, beside that without one."""
# ruff: noqa: S608 - the statements are made of this file's constants

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection
from tests.bench.measure import Figure, rate

from analytics.calendar import Grain, Interval
from analytics.health.evaluation.distribution_reads import stored
from analytics.health.model.definition import Band
from analytics.health.scores.reads import scores, upcoming
from analytics.metrics.catalogue import METRICS
from analytics.metrics.question import Question
from analytics.metrics.reads import figures
from analytics.playbooks.reads import runs_of
from analytics.projections.activity import DEFAULT_POLICY
from analytics.service import SERVICE
from kith.db.connections import Database
from kith.db.migrations import migrate
from kith.reach import EVERYONE, Reach
from kith_local.postgres import EmbeddedPostgres

TENANT, CUSTOMERS, ORDERS, OWNERS, MOST_MS = "whale", 200_000, 1_000_000, 50, 200
YEAR = Interval(datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))
_EACH = f"FROM generate_series(0, {CUSTOMERS - 1}) n"
_PLAYBOOK = UUID(int=5)
_FILL = (
    f"""
    INSERT INTO facts (tenant_id, subject, version, type, time, event_id, customer_id, clock_since, state)
    SELECT '{TENANT}', md5(n::text)::uuid, 1, 'contacts.customer.created.v1', '2024-01-01', uuidv7(),
           md5(n::text)::uuid, '2024-01-01',
           jsonb_build_object('segment', 's' || n % 5, 'owner', lpad(to_hex(n % {OWNERS} + 1), 32, '0')::uuid) {_EACH}
    """,
    "INSERT INTO customer_owners SELECT tenant_id, subject, (state->>'owner')::uuid FROM facts",
    f"""
    INSERT INTO facts (tenant_id, subject, version, type, time, event_id, customer_id, amount, currency, clock_since,
                       state)
    SELECT '{TENANT}', uuidv7(), 1, 'sales.order.placed.v1', at, uuidv7(),
           md5((random() * {CUSTOMERS - 1})::int::text)::uuid, 10 + n % 90, 'EUR', at,
           jsonb_build_object('value', 10 + n % 90, 'currency', 'EUR')
    FROM (SELECT n, timestamptz '2024-01-01' + n * interval '63 seconds' AS at FROM generate_series(1, {ORDERS}) n) t
    """,
    f"""
    INSERT INTO health_scores (tenant_id, customer_id, version, model, model_version, score, band, coverage, scored_at,
                               band_since, due_at, due_band)
    SELECT '{TENANT}', md5(n::text)::uuid, 1, 'default', 1, n % 100, (ARRAY['healthy', 'steady', 'at_risk'])[1 + n % 3],
           1, now(), timestamptz '2025-01-01' + n * interval '1 second', now() + n % 1000 * interval '1 day',
           (ARRAY['at_risk', NULL])[1 + n % 2] {_EACH}
    """,
    f"""
    INSERT INTO playbooks (tenant_id, id, version, created_at, updated_at, title, document, state, fires)
    VALUES ('{TENANT}', '{_PLAYBOOK}', 1, now(), now(), 'x', '{{}}', 'started', true)
    """,
    f"""
    INSERT INTO playbook_runs (tenant_id, id, playbook_id, playbook_version, customer_id, at, recorded_at, trigger,
                               state, is_control, actions)
    SELECT '{TENANT}', uuidv7(), '{_PLAYBOOK}', 1, md5(n::text)::uuid,
           timestamptz '2025-01-01' + n * interval '1 second', now(), '{{}}', 'requested', false, '[]' {_EACH}
    """,
    *(f"VACUUM ANALYZE {each}" for each in ("facts", "customer_owners", "health_scores", "playbook_runs")),
)
Read = Callable[[AsyncConnection, Reach], Awaitable[Any]]


def _figure(id: str) -> Read:
    def read(connection: AsyncConnection, reach: Reach) -> Awaitable[Any]:
        question = Question(YEAR, "UTC", DEFAULT_POLICY, reach=reach, grain=Grain.MONTH)
        return figures(connection, TENANT, [METRICS[id]], question)

    return read


_READS: dict[str, Read] = {
    "health scores": lambda connection, reach: scores(connection, TENANT, reach),
    "health scores at risk": lambda connection, reach: scores(connection, TENANT, reach, band=Band.AT_RISK),
    "changes to come": lambda connection, reach: upcoming(connection, TENANT, reach),
    "runs of playbooks": lambda connection, reach: runs_of(connection, TENANT, reach),
    "distribution of health": lambda connection, reach: stored(connection, TENANT, reach, None, datetime.now(UTC)),
    "orders, 12 months": _figure("orders"),
    "revenue, 12 months": _figure("revenue"),
}
_REACHES = {
    "own, of 4,000": Reach((UUID(int=1),)),
    "a team's, of 80,000": Reach(tuple(UUID(int=n) for n in range(1, 21))),
    "none": Reach((UUID(int=999),)),
}


async def run(postgres: EmbeddedPostgres, _: str | None) -> list[Figure]:
    connection = await asyncpg.connect(postgres.url("postgres"))
    await connection.execute("CREATE DATABASE reach")
    await connection.close()
    url = postgres.url("reach")
    await migrate(url, SERVICE.package, SERVICE.after_migrations)
    connection = await asyncpg.connect(url)
    for statement in _FILL:
        await connection.execute(statement)
    await connection.close()
    database, found = Database(url, pool_size=2, application="bench"), []
    try:
        for name, read in _READS.items():
            of_all = await _milliseconds(database, read, EVERYONE)
            for whose, reach in _REACHES.items():
                its = await _milliseconds(database, read, reach)
                found.append(Figure(f"{name}, {whose}", its, "of everybody", of_all, MOST_MS, False, unit="ms"))
    finally:
        await database.close()
    return found


async def _milliseconds(database: Database, read: Read, reach: Reach) -> float:
    async def once() -> None:
        async with database.read(TENANT, by_values=reach.is_limited) as connection:
            await read(connection, reach)

    return 1000 / await rate(once)
