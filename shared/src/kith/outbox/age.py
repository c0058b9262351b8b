"""The age of the oldest event that is not on the bus yet. Every worker of the service reports it, whether or not its
relay owns the outbox: where none does, it grows."""

from prometheus_client import Gauge
from sqlalchemy import Double, Table, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

OLDEST = Gauge(
    "kith_outbox_oldest_unpublished_seconds",
    "Age of the oldest event that is not on the bus; every worker reports the same",
    ["service"],
)


async def report_age(connection: AsyncConnection, service: str, outbox: Table) -> None:
    columns = outbox.c
    age = cast(func.extract("epoch", func.clock_timestamp() - columns.recorded_at), Double)
    unpublished = columns.published_at.is_(None) & func.isfinite(columns.recorded_at)
    oldest = await connection.scalar(select(age).where(unpublished).order_by(columns.seq).limit(1))
    OLDEST.labels(service).set(max(0.0, oldest or 0.0))
