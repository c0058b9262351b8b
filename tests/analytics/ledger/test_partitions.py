"""The ledger's months, also when they come late."""

import asyncio

import asyncpg

from analytics.service import SERVICE
from kith.db.migrations import migrate
from kith.ids import new_id
from kith_local.postgres import EmbeddedPostgres


async def test_what_came_before_its_month_was_made_moves_into_it(postgres: EmbeddedPostgres) -> None:
    await asyncio.to_thread(postgres.create_databases, "kith_months")
    url = postgres.url("kith_months")
    await migrate(url, SERVICE.package)
    connection = await asyncpg.connect(url)
    try:
        for _ in range(3):
            await connection.execute(
                "INSERT INTO ledger VALUES ('t', $1, 'x.y.z.v1', 'x', $1, 1, NULL, now(), now(), '{}')", new_id()
            )
        assert await connection.fetchval("SELECT count(*) FROM ledger_default") == 3
        for _ in range(2):
            await migrate(url, SERVICE.package, SERVICE.after_migrations)
        assert await connection.fetchval("SELECT count(*) FROM ledger_default") == 0
        month = await connection.fetchval("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM')")
        assert await connection.fetchval(f"SELECT count(*) FROM ledger_{month}") == 3  # noqa: S608 - a month
        assert await connection.fetchval("SELECT count(*) FROM ledger") == 3
    finally:
        await connection.close()
