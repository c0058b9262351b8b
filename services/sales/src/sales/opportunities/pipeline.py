"""What operators see of the pipeline: open opportunities of all tenants, by stage. Every worker of sales reports the
same."""

from prometheus_client import Gauge
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from kith.runtime.tasks import Task
from sales.opportunities.form import opportunities
from sales.opportunities.rules import Stage

OPEN = Gauge("kith_pipeline_opportunities", "Open opportunities of all tenants in a stage", ["stage"])
OPEN_STAGES = [stage for stage in Stage if stage.is_open]


async def report_pipeline(engine: AsyncEngine) -> bool:
    stage = opportunities.c.stage
    async with engine.connect() as connection:
        rows = await connection.execute(select(stage, func.count()).where(stage.in_(OPEN_STAGES)).group_by(stage))
        found = {row[0]: row[1] for row in rows}
    for each in OPEN_STAGES:
        OPEN.labels(each).set(found.get(each, 0))
    return False


TASKS = (Task("pipeline", report_pipeline, seconds=300),)
