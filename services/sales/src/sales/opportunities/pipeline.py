"""What operators see of the pipelines: open opportunities of all tenants, by forecast category, as stages are each
tenant's own. Every worker of sales reports the same."""

from prometheus_client import Gauge
from sqlalchemy import case, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from kith.runtime.tasks import Task
from sales.opportunities.form import opportunities
from sales.pipelines.values import BUILT_IN, ForecastCategory

OPEN = Gauge(
    "kith_pipeline_opportunities", "Open opportunities of all tenants in a forecast category", ["forecast_category"]
)
_OF_BEFORE = {each.key: each.forecast_category for each in BUILT_IN.stages}
"""Of rows from before there were pipelines."""


async def report_pipeline(engine: AsyncEngine) -> bool:
    c = opportunities.c
    category = func.coalesce(c.forecast_category, case(_OF_BEFORE, value=c.stage))
    async with engine.connect() as connection:
        rows = select(category, func.count()).where(c.closed_at.is_(None)).group_by(category)
        found = {row[0]: row[1] for row in await connection.execute(rows)}
    for each in ForecastCategory:
        OPEN.labels(each).set(found.get(each, 0))
    return False


TASKS = (Task("pipeline", report_pipeline, seconds=300),)
