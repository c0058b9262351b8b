"""A database that was restored in another cluster begins a new epoch: what came before came before everything."""

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from tests.analytics.conftest import happened

from analytics.ledger.ledger import record
from analytics.live.reads import CursorLost, horizon_of
from analytics.service import SERVICE
from analytics.tables import metadata
from kith.db.login import sqlalchemy_url
from kith.db.migrations import migrate
from kith.db.tables import Xid8
from kith.events.contacts import CustomerCreated
from kith.ids import new_id
from kith_local.postgres import EmbeddedPostgres

ELSEWHERE = text("UPDATE live_epoch SET system_identifier = 'another'")
CHANGED = text("""
    INSERT INTO health_changes (tenant_id, id, customer_id, at, recorded_at, cause, coverage, drivers)
    VALUES ('t', :id, :id, now(), now(), 'silence', 1, '[]')
""")
ARRIVED = text("SELECT count(*) FILTER (WHERE arrived IS NOT NULL) FROM ledger")


async def test_migrating_elsewhere_begins_a_new_epoch(postgres: EmbeddedPostgres) -> None:
    await asyncio.to_thread(postgres.create_databases, "kith_epoch")
    url = postgres.url("kith_epoch")
    await migrate(url, "analytics", SERVICE.after_migrations)
    engine = create_async_engine(sqlalchemy_url(url))
    event = happened(CustomerCreated(kind="person"), "t", datetime.now(UTC), new_id())
    async with engine.begin() as connection:
        before = await horizon_of(connection)
        await record(connection, [event])
        await connection.execute(CHANGED, {"id": event.id})
    await migrate(url, "analytics", SERVICE.after_migrations)
    async with engine.begin() as connection:
        assert (await horizon_of(connection)).epoch == before.epoch, "migrating again changes nothing"
        assert await connection.scalar(ARRIVED) == 1
        await connection.execute(ELSEWHERE)
        with pytest.raises(CursorLost, match="migrate"):
            await horizon_of(connection)
    await migrate(url, "analytics", SERVICE.after_migrations)
    async with engine.begin() as connection:
        assert (await horizon_of(connection)).epoch != before.epoch
        assert await connection.scalar(ARRIVED) == 0
        assert await connection.scalar(text("SELECT count(*) FROM arrivals")) == 0
        assert await connection.scalar(text("SELECT arrived::text FROM health_changes")) == "1"
        await record(connection, [happened(CustomerCreated(kind="person"), "t", datetime.now(UTC), new_id())])
        assert await connection.scalar(ARRIVED) == 1
    await engine.dispose()


def test_every_table_that_is_followed_is_known_by_its_column() -> None:
    followed = {table.name for table in metadata.tables.values() if "arrived" in table.c}
    assert followed == {
        table.name for table in metadata.tables.values() if any(isinstance(each.type, Xid8) for each in table.c)
    }
