"""The freshness of the figures: per source, the instant up to which all events are counted."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.ledger.sources import GROUP, SOURCES
from kith.outbox.relay import topic_of


@dataclass(slots=True)
class Freshness:
    source: str
    counted_up_to: datetime | None
    """Every event that the source recorded up to here is counted. Null before its first watermark."""


async def freshness(connection: AsyncConnection) -> list[Freshness]:
    """Returns the newest watermark of each source that was reached: every partition's offset is past the end it
    names."""
    rows = await connection.execute(_REACHED, {"group": GROUP, "topics": [topic_of(source) for source in SOURCES]})
    reached = {row.source: row.up_to for row in rows}
    return [Freshness(source, reached.get(source)) for source in SOURCES]


_REACHED = text("""
    WITH read AS (
        SELECT topic, partition, next_offset FROM consumer_offsets
        WHERE group_name = :group AND topic = ANY(:topics)
    )
    SELECT source, max(up_to) AS up_to
    FROM watermarks w
    WHERE NOT EXISTS (
        SELECT FROM unnest(w.ends) WITH ORDINALITY AS e(ends, number)
        LEFT JOIN read r ON r.topic = 'kith.' || w.source AND r.partition = e.number - 1
        WHERE e.ends > coalesce(r.next_offset, 0)
    )
    GROUP BY source
""")
