"""Watermarks: how far each source's events have come (see kith.outbox.relay.Watermark)."""

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.events.envelope import Envelope
from kith.outbox.relay import Watermark


async def note_watermark(connection: AsyncConnection, watermark: Envelope) -> None:
    """Keeps the newest few watermarks of each source: the newest one reached gives the freshness of the figures."""
    found = msgspec.json.decode(watermark.data, type=Watermark)
    await connection.exec_driver_sql(
        "INSERT INTO watermarks (source, up_to, ends, topic) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        (watermark.source, watermark.time, found.ends, found.topic),
    )
    await connection.exec_driver_sql(
        """
        DELETE FROM watermarks WHERE source = $1 AND up_to < (
            SELECT min(up_to) FROM (SELECT up_to FROM watermarks WHERE source = $1 ORDER BY up_to DESC LIMIT 100) newest
        )
        """,
        (watermark.source,),
    )
