"""Positions: up to which instant all that a source has recorded has had its effect in this service.

A source publishes watermarks (kith.outbox.relay.Watermark). One is reached when the offsets of the group that reads it
are past all ends that it names; they move in the transaction of the effects.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import ARRAY, BigInteger, Column, MetaData, Table, Text, text
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.db.tables import Moment
from kith.events.envelope import Envelope
from kith.outbox.relay import Watermark


def watermarks_table(metadata: MetaData) -> Table:
    """How far each service's events are on the bus; of no tenant."""
    return Table(
        "watermarks",
        metadata,
        Column("source", Text(collation="C"), primary_key=True),
        Column("up_to", Moment, primary_key=True),
        Column("ends", ARRAY(BigInteger), nullable=False),
        Column("topic", Text(collation="C"), comment="whose ends they are; null: of before topics had generations"),
    )


async def keep_watermarks(connection: AsyncConnection, envelopes: Sequence[Envelope]) -> None:
    """Keeps the newest hundred watermarks of each source. Handler of a subscription."""
    for each in envelopes:
        if each.type == Watermark.type:
            found = msgspec.json.decode(each.data, type=Watermark)
            await connection.exec_driver_sql(_KEEP, (each.source, each.time, found.ends, found.topic))


async def reached(connection: AsyncConnection, group: str) -> dict[str, datetime]:
    """Returns, by source, the instant of the newest watermark that the group has reached."""
    rows = await connection.execute(_REACHED, {"group": group})
    return {row.source: row.up_to for row in rows}


# Of those before: the one that is noted in the same statement is none of the hundred that it sees.
_KEEP = """
    WITH forgotten AS (
        DELETE FROM watermarks WHERE source = $1 AND up_to < (
            SELECT min(up_to) FROM (
                SELECT up_to FROM watermarks WHERE source = $1 ORDER BY up_to DESC LIMIT 99
            ) newest
        )
    )
    INSERT INTO watermarks (source, up_to, ends, topic) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
"""
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
