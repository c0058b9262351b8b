"""The freshness of the figures: per source, the instant up to which all events are counted."""

import time
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from prometheus_client import Gauge
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from analytics.ledger.sources import GROUP, SOURCES
from kith.consumer.positions import reached
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
    instants = await reached(connection, GROUP)
    return [Freshness(source, instants.get(source)) for source in SOURCES]


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
