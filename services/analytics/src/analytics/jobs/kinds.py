"""Where the jobs over everybody's health are wired together, kind by kind (see jobs.runner).

What a kind takes is loaded when there is one to do: a worker starts without.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from analytics.jobs.runner import Jobs, Progress, Run
from analytics.projections.snapshot import snapshot, snapshots
from kith.runtime.offload import BACKGROUND
from kith.runtime.tasks import Task

# ruff: noqa: PLC0415 - see above


async def what_if(engine: AsyncEngine, tenant: str, params: Mapping[str, Any], progress: Progress) -> Any:
    """`model`: id, version and document; `at`."""
    from analytics.health.evaluation.what_if_reads import what_if
    from analytics.health.model.definition import HealthModel

    at = datetime.fromisoformat(params["at"])
    return await what_if(snapshots(engine), tenant, HealthModel.from_document(**params["model"]), at, progress)


async def backtest(engine: AsyncEngine, tenant: str, params: Mapping[str, Any], progress: Progress) -> Any:
    """`model`: id, version and document; `from`, `to`, `step_days` and `horizon_days`, as
    health.evaluation.backtest_reads.plan has settled them."""
    from analytics.health.evaluation import backtest_reads as backtest
    from analytics.health.model.definition import HealthModel

    model = HealthModel.from_document(**params["model"])
    starts_at, ends_at = (datetime.fromisoformat(params[name]) for name in ("from", "to"))
    async with snapshot(engine) as connection:
        planned = await backtest.plan(
            connection, tenant, starts_at, ends_at, params["step_days"], params["horizon_days"]
        )
    seen = await backtest.observe(snapshots(engine), tenant, model, planned, progress)
    return await backtest.judge(model, planned, seen)


async def distribution(engine: AsyncEngine, tenant: str, params: Mapping[str, Any], progress: Progress) -> Any:
    """`groupBy`, and `at`."""
    from analytics.health.evaluation.distribution_reads import By, computed

    by = By(params["groupBy"]) if params["groupBy"] else None
    at = datetime.fromisoformat(params["at"])
    return await computed(snapshots(engine), tenant, by, at, BACKGROUND, progress)


async def dry_run(engine: AsyncEngine, tenant: str, params: Mapping[str, Any], progress: Progress) -> Any:
    """`playbook`: its id; its `document`; `from` and `to`."""
    from uuid import UUID

    from analytics.playbooks.dry_run import dry_run
    from analytics.playbooks.plan import Plan

    starts_at, ends_at = (datetime.fromisoformat(params[name]) for name in ("from", "to"))
    plan = Plan.from_document(params["document"])
    return await dry_run(snapshots(engine), tenant, UUID(params["playbook"]), plan, starts_at, ends_at, progress)


KINDS: dict[str, Run] = {"what_if": what_if, "backtest": backtest, "distribution": distribution, "dry_run": dry_run}
TASKS = (Task("health jobs", Jobs(KINDS).step, seconds=2),)
