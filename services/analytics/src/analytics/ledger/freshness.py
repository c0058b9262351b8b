"""The freshness of the figures: per source, the instant up to which all events are counted."""

import time
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from prometheus_client import Gauge
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from analytics.ledger.sources import GROUP, SOURCES
from kith.runtime.tasks import Task

BEHIND = Gauge(
    "kith_freshness_seconds", "Since the instant up to which all that the source recorded is counted", ["source"]
)


@dataclass(slots=True)
class Freshness:
    source: str
    counted_up_to: datetime | None
    """Every event that the source recorded up to here is counted. Null before its first watermark."""


async def freshness(connection: AsyncConnection) -> list[Freshness]:
    """Returns the newest watermark of each source that was reached: every partition's offset is past the end it
    names."""
    rows = await connection.execute(_REACHED, {"group": GROUP})
    reached = {row.source: row.up_to for row in rows}
    return [Freshness(source, reached.get(source)) for source in SOURCES]


async def report_freshness(engine: AsyncEngine) -> bool:
    async with engine.connect() as connection:
        found = await freshness(connection)
    for each in found:
        if each.counted_up_to is not None:
            # When it is scraped: it grows although nothing can be asked any more.
            BEHIND.labels(each.source).set_function(partial(_since, each.counted_up_to.timestamp()))
    return False


def _since(instant: float) -> float:
    return max(0.0, time.time() - instant)


TASKS = (Task("freshness", report_freshness),)

_REACHED = text("""
    WITH read AS (
        SELECT topic, partition, next_offset FROM consumer_offsets
        WHERE group_name = :group
    )
    SELECT source, max(up_to) AS up_to
    FROM watermarks w
    WHERE NOT EXISTS (
        SELECT FROM unnest(w.ends) WITH ORDINALITY AS e(ends, number)
        LEFT JOIN read r ON r.topic = coalesce(w.topic, 'kith.' || w.source) AND r.partition = e.number - 1
        WHERE e.ends > coalesce(r.next_offset, 0)
    )
    GROUP BY source
""")
