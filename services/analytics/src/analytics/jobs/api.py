"""Jobs over everybody's health, over both APIs: how far each is, and what it found. What asks for one is elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from uuid import UUID

import strawberry
from fastapi import APIRouter, Depends, Request
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response
from strawberry.scalars import JSON

from analytics.health.evaluation.distribution_reads import HealthDistribution
from analytics.health.evaluation.report import BacktestReport
from analytics.health.evaluation.what_if import WhatIfReport
from analytics.jobs import runner as jobs
from analytics.jobs.reads import HealthJobDetails, HealthJobView, details_of, page_of
from analytics.playbooks.dry_run import DryRunReport
from kith.api import Feature
from kith.graphql.context import Ctx
from kith.graphql.fields import Connection, connection_of, field
from kith.http.app import actor_with, context_of, json_response, only_known_parameters
from kith.http.auth import Actor
from kith.nouns.lists.pages import DEFAULT_PAGE
from kith.nouns.parameters import First
from kith.scalars import Cursor, Id

router = APIRouter(prefix="/v1/health-jobs", tags=["health"], dependencies=[Depends(only_known_parameters)])
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


async def accepted(connection: AsyncConnection, actor: Actor, kind: str, params: Mapping[str, Any]) -> Response:
    """Requests a job, in a transaction that writes, and returns where to look for its report."""
    id = await jobs.request(connection, actor.tenant, kind, params, by=actor.subject)
    found = await details_of(connection, actor.tenant, id)
    return json_response(found, status=HTTPStatus.ACCEPTED, headers={"Location": f"{router.prefix}/{id}"})


@router.get("", response_model=HealthJobPage, operation_id="listHealthJobs", summary="Jobs, newest first")
async def list_jobs(
    request: Request,
    first: First = DEFAULT_PAGE,
    after: Cursor | None = None,
    actor: Actor = READER,
) -> Response:
    """Without their reports. They are kept for 90 days."""
    async with context_of(request).database.read(actor.tenant) as connection:
        page = await page_of(connection, actor.tenant, first=first, after=after)
    return json_response(HealthJobPage(page.rows, page.next))


@router.get(
    "/{id:segment}", response_model=HealthJob, operation_id="getHealthJob", summary="How far a job is, and its report"
)
async def get_job(request: Request, id: Id, actor: Actor = READER) -> Response:
    """Look again until `state` is `done`, `failed` or `cancelled`."""
    async with context_of(request).database.read(actor.tenant) as connection:
        return json_response(await details_of(connection, actor.tenant, id))


@router.post("/{id:segment}:cancel", response_model=HealthJob, operation_id="cancelHealthJob", summary="Call a job off")
async def cancel_job(request: Request, id: Id, actor: Actor = WRITER) -> Response:
    """One that runs stops within some seconds. One that has ended is refused (409)."""
    async with context_of(request).database.write(actor.tenant) as transaction:
        await jobs.cancel(transaction.connection, actor.tenant, id)
        return json_response(await details_of(transaction.connection, actor.tenant, id))


@strawberry.type(name="HealthJob")
class JobType(HealthJobDetails):
    params: JSON  # type: ignore[assignment]
    report: JSON | None  # type: ignore[assignment]


@strawberry.type(name="HealthJobSummary")
class JobSummaryType(HealthJobView):
    params: JSON  # type: ignore[assignment]


@field(name="healthJob", description="How far a job over everybody's health is, and its report once it is done.")
async def one_job(info: Ctx, id: UUID) -> JobType:
    context = info.context
    context.actor.require("analytics:read")
    async with context.service.database.read(context.actor.tenant) as connection:
        return await details_of(connection, context.actor.tenant, id)  # type: ignore[return-value]


@field(name="healthJobs", description="Jobs over everybody's health, newest first, without their reports.")
async def all_jobs(info: Ctx, first: First = DEFAULT_PAGE, after: Cursor | None = None) -> Connection[JobSummaryType]:
    context = info.context
    context.actor.require("analytics:read")
    async with context.service.database.read(context.actor.tenant) as connection:
        page = await page_of(connection, context.actor.tenant, first=first, after=after)
    return connection_of(page)  # type: ignore[arg-type]  # resolved by field name


FEATURE = Feature(queries=(one_job, all_jobs), routers=(router,))
