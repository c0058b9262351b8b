"""Jobs over everybody's health, over both APIs: how far each is, and what it found. What asks for one is elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import strawberry
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response
from strawberry.scalars import JSON

from analytics.health.evaluation.distribution_reads import HealthDistribution
from analytics.health.evaluation.report import BacktestReport
from analytics.health.evaluation.what_if import WhatIfReport
from analytics.jobs.reads import HealthJobDetails, HealthJobView
from analytics.jobs.tables import health_jobs
from analytics.playbooks.dry_run import DryRunReport
from kith.api import Feature
from kith.http.app import actor_with
from kith.http.auth import Actor
from kith.jobs.api import JobsApi
from kith.jobs.changes import request

READER: Any = actor_with("analytics:read")
WRITER: Any = actor_with("analytics:write")


@dataclass(slots=True)
class HealthJobPage:
    items: list[HealthJobView]
    next: str | None


@dataclass(slots=True)
class HealthJob(HealthJobView):
    report: WhatIfReport | BacktestReport | HealthDistribution | DryRunReport | None
    """Of its kind, once it is done."""


@strawberry.type(name="HealthJob")
class JobType(HealthJobDetails):
    params: JSON  # type: ignore[assignment]
    report: JSON | None  # type: ignore[assignment]


@strawberry.type(name="HealthJobSummary")
class JobSummaryType(HealthJobView):
    params: JSON  # type: ignore[assignment]


JOBS = JobsApi(
    health_jobs,
    "analytics",
    "health_job",
    "health_jobs",
    "health",
    HealthJobView,
    HealthJobDetails,
    HealthJobPage,
    HealthJob,
    JobSummaryType,
    JobType,
    {
        "list": "Without their reports. They are kept for 90 days.",
        "healthJob": "How far a job over everybody's health is, and its report once it is done.",
        "healthJobs": "Jobs over everybody's health, newest first, without their reports.",
    },
)


async def accepted(connection: AsyncConnection, actor: Actor, kind: str, params: Mapping[str, Any]) -> Response:
    """Requests a job, in a transaction that writes, and returns where to look for its report."""
    id = await request(connection, health_jobs, actor.tenant, kind, params, by=actor.subject)
    return await JOBS.accepted(connection, actor, id)


FEATURE = Feature(queries=JOBS.queries(), routers=(JOBS.router(),))
