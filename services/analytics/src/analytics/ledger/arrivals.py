"""Deletes arrivals after an hour: subscribers read them several times a second."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from kith.runtime.tasks import Task

KEPT_MINUTES = 60
_ROWS = 10_000

# An arrival is kept while some subscriber may not see it yet, because an earlier transaction still runs.
_OLD = text("""
    DELETE FROM arrivals WHERE seq IN (
        SELECT seq FROM arrivals
        WHERE recorded_at < now() - make_interval(mins => :minutes)
          AND arrived < pg_snapshot_xmin(pg_current_snapshot())
        ORDER BY seq LIMIT :rows
    )
""")


async def prune_arrivals(engine: AsyncEngine) -> bool:
    async with engine.begin() as connection:
        gone = await connection.execute(_OLD, {"minutes": KEPT_MINUTES, "rows": _ROWS})
    return gone.rowcount == _ROWS


TASKS = (Task("arrivals", prune_arrivals, seconds=60),)
