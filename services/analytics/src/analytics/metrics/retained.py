"""What operators see of retention: customers of all tenants that are active, and what became of those of a month ago.
By the one definition of activity that is kept for every tenant, so that their numbers can be added up; a tenant's own
retention is the API's. Every worker of analytics reports the same."""

from prometheus_client import Gauge
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from analytics.projections.activity import PURCHASES
from kith.runtime.tasks import Task

ACTIVE = Gauge(
    "kith_activity_customers",
    "Customers of all tenants with a purchase within 90 days: `now`, 30 days ago (`before`), or at both (`retained`)",
    ["active"],
)

# In the order of the key, from the index alone: nothing is sorted, and no row is fetched.
_COUNTED = text("""
    SELECT count(*) FILTER (WHERE now) AS now, count(*) FILTER (WHERE before) AS before,
           count(*) FILTER (WHERE now AND before) AS retained
    FROM (
        SELECT bool_or(starts_at < now() AND ends_at >= now()) AS now,
               bool_or(starts_at < now() - interval '30 days') AS before
        FROM activity_spans
        WHERE rule = :rule AND ends_at >= now() - interval '30 days'
        GROUP BY tenant_id, rule, customer_id
    ) customers
""")


async def report_retained(engine: AsyncEngine) -> bool:
    async with engine.connect() as connection:
        found = (await connection.execute(_COUNTED, {"rule": PURCHASES.id})).one()
    for name in ("now", "before", "retained"):
        ACTIVE.labels(name).set(getattr(found, name))
    return False


TASKS = (Task("retention", report_retained, seconds=300),)
