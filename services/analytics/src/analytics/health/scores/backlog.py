"""What operators see of scoring: what waits for it, and how many customers of all tenants stand in each band. Every
worker of analytics reports the same."""

from prometheus_client import Gauge
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from analytics.health.model.definition import Band
from analytics.health.scores.tables import health_scores
from kith.runtime.tasks import Task

WAITING = Gauge(
    "kith_health_backlog_customers",
    "Customers of all tenants that wait to be scored, by why: `changed`, `silent`, or new models (`rescoring`)",
    ["kind"],
)
OVERDUE = Gauge(
    "kith_health_overdue_seconds",
    "Since the oldest change of a band by silence was due that is not scored yet; 0: none is",
)
CUSTOMERS = Gauge("kith_health_customers", "Customers of all tenants in a band, as of their last scoring", ["band"])

_BACKLOG = text("""
    SELECT (SELECT count(*) FROM health_queue) AS changed,
           (SELECT count(*) FROM health_scores WHERE due_at <= now()) AS silent,
           (SELECT coalesce(sum(coalesce(total, 1) - done), 0) FROM health_rescorings WHERE finished_at IS NULL)
               AS rescoring,
           (SELECT coalesce(greatest(extract(epoch FROM now() - min(due_at)), 0), 0)::float8 FROM health_scores)
               AS overdue
""")


async def report_backlog(engine: AsyncEngine) -> bool:
    async with engine.connect() as connection:
        found = (await connection.execute(_BACKLOG)).one()
    for kind in ("changed", "silent", "rescoring"):
        WAITING.labels(kind).set(getattr(found, kind))
    OVERDUE.set(found.overdue)
    return False


async def report_bands(engine: AsyncEngine) -> bool:
    band = health_scores.c.band
    async with engine.connect() as connection:
        rows = await connection.execute(select(band, func.count()).where(band.is_not(None)).group_by(band))
        found = {row[0]: row[1] for row in rows}
    for each in Band:
        CUSTOMERS.labels(each).set(found.get(each, 0))
    return False


TASKS = (Task("backlog of scoring", report_backlog, seconds=5), Task("customers by band", report_bands, seconds=60))
