"""What operators see of the cases: those of all tenants that are not resolved, by state and priority. Every worker of
service-desk reports the same."""

from itertools import product

from prometheus_client import Gauge
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from kith.runtime.tasks import Task
from service_desk.cases.form import cases
from service_desk.cases.rules import CaseState, Priority

UNRESOLVED = Gauge(
    "kith_cases_unresolved", "Cases of all tenants that are not resolved, by state and priority", ["state", "priority"]
)
STATES = (CaseState.NEW, CaseState.OPEN, CaseState.PENDING)


async def report_cases(engine: AsyncEngine) -> bool:
    state, priority = cases.c.state, cases.c.priority
    async with engine.connect() as connection:
        rows = await connection.execute(
            select(state, priority, func.count()).where(state.in_(STATES)).group_by(state, priority)
        )
        found = {(row[0], row[1]): row[2] for row in rows}
    for each in product(STATES, Priority):
        UNRESOLVED.labels(*each).set(found.get(each, 0))
    return False


TASKS = (Task("cases", report_cases, seconds=300),)
