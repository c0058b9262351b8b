"""Where the jobs over everybody's health are wired together, kind by kind (see kith.jobs.runner).

What a kind takes is loaded when there is one to do: a worker starts without.
"""

from datetime import datetime
from typing import Any

from analytics.jobs.tables import health_jobs
from analytics.projections.snapshot import snapshot, snapshots
from kith.jobs.runner import Jobs, Run, Work
from kith.runtime.offload import BACKGROUND
from kith.runtime.tasks import Task

# ruff: noqa: PLC0415 - see above


async def what_if(work: Work) -> Any:
    """`model`: id, version and document; `at`."""
    from analytics.health.evaluation.what_if_reads import what_if
    from analytics.health.model.definition import HealthModel

    at = datetime.fromisoformat(work.params["at"])
    return await what_if(
        snapshots(work.engine), work.tenant, HealthModel.from_document(**work.params["model"]), at, work.progress
    )


async def backtest(work: Work) -> Any:
    """`model`: id, version and document; `from`, `to`, `step_days` and `horizon_days`, as
    health.evaluation.backtest_reads.plan has settled them."""
    from analytics.health.evaluation import backtest_reads as backtest
    from analytics.health.model.definition import HealthModel

    model = HealthModel.from_document(**work.params["model"])
    starts_at, ends_at = (datetime.fromisoformat(work.params[name]) for name in ("from", "to"))
    async with snapshot(work.engine) as connection:
        planned = await backtest.plan(
            connection, work.tenant, starts_at, ends_at, work.params["step_days"], work.params["horizon_days"]
        )
    seen = await backtest.observe(snapshots(work.engine), work.tenant, model, planned, work.progress)
    return await backtest.judge(model, planned, seen)


async def distribution(work: Work) -> Any:
    """`groupBy`, and `at`."""
    from analytics.health.evaluation.distribution_reads import By, computed

    by = By(work.params["groupBy"]) if work.params["groupBy"] else None
    at = datetime.fromisoformat(work.params["at"])
    return await computed(snapshots(work.engine), work.tenant, by, at, BACKGROUND, work.progress)


async def dry_run(work: Work) -> Any:
    """`playbook`: its id; its `document`; `from` and `to`."""
    from uuid import UUID

    from analytics.playbooks.dry_run import dry_run
    from analytics.playbooks.plan import Plan

    starts_at, ends_at = (datetime.fromisoformat(work.params[name]) for name in ("from", "to"))
    plan = Plan.from_document(work.params["document"])
    return await dry_run(
        snapshots(work.engine), work.tenant, UUID(work.params["playbook"]), plan, starts_at, ends_at, work.progress
    )


KINDS: dict[str, Run] = {"what_if": what_if, "backtest": backtest, "distribution": distribution, "dry_run": dry_run}
JOBS = Jobs(health_jobs, KINDS)
TASKS = (Task("health jobs", JOBS.step, seconds=2),)
