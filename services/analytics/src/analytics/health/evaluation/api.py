"""Evaluates a model before it is published: what it would change, and how well it would have predicted. Both are
jobs."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from analytics.health.evaluation import backtest_reads as backtest
from analytics.health.model.documents import HealthModelDocument, as_kept
from analytics.health.model.form import ReviseHealthModel, health_models, named_checked
from analytics.health.model.rules import HealthModelState
from analytics.jobs.api import WRITER, HealthJob, accepted
from kith.api import Feature
from kith.errors import Conflict, NotFound
from kith.http.app import context_of, only_known_parameters
from kith.http.auth import Actor
from kith.nouns.parameters import body, body_of
from kith.scalars import Id, Instant, Whole

router = APIRouter(prefix="/v1", tags=["health"], dependencies=[Depends(only_known_parameters)])


class _Asked(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, populate_by_name=True)


class WhatIf(_Asked):
    """`at` is the instant at which all customers are scored both ways; by default now."""

    at: Instant | None = None


class WhatIfDocument(WhatIf):
    document: HealthModelDocument


class Backtest(_Asked):
    """Scores the customers that were active at instants from `from` on, every `step_days`, up to `to`: their outcome
    within `horizon_days` must be known. By default the horizon is the activity window, and the instants are those of
    the last year whose outcome is known."""

    starts_at: Annotated[Instant | None, Field(alias="from")] = None
    ends_at: Annotated[Instant | None, Field(alias="to")] = None
    step_days: Annotated[int, Whole(1, 365)] = backtest.STEP_DAYS
    horizon_days: Annotated[int, Whole(1, 1095)] | None = None


class BacktestDocument(Backtest):
    document: HealthModelDocument


_ACCEPTED: dict[str, Any] = {"status_code": HTTPStatus.ACCEPTED, "response_model": HealthJob}
Model = dict[str, Any]
"""The id, version and document of a model, in the form that a job takes."""


@router.post(
    "/health-models/{id}:what_if",
    operation_id="whatIfHealthModel",
    summary="What publishing the model would change",
    openapi_extra=body_of(WhatIf, optional=True),
    **_ACCEPTED,
)
async def what_if_model(
    request: Request, id: Id, wanted: Annotated[WhatIf, body(WhatIf, optional=True)], actor: Actor = WRITER
) -> Response:
    """Compares the whole base: who moves between bands, how scores change, by segment and with a sample of the largest
    changes. It evaluates the draft, or the published model if there is none. A worker runs it: poll the answered
    address until `state` is `done`. Publishing the model would have exactly this effect."""
    async with context_of(request).database.write(actor.tenant) as transaction:
        model = await _model(transaction.connection, actor.tenant, id)
        return await accepted(transaction.connection, actor, "what_if", _what_if(model, wanted, transaction.now))


@router.post(
    "/health:what_if",
    operation_id="whatIfHealthDocument",
    summary="What publishing a document would change",
    openapi_extra=body_of(WhatIfDocument),
    **_ACCEPTED,
)
async def what_if_document(
    request: Request, wanted: Annotated[WhatIfDocument, body(WhatIfDocument)], actor: Actor = WRITER
) -> Response:
    """The same for a document that is not saved, as a model of its own beside those in force."""
    async with context_of(request).database.write(actor.tenant) as transaction:
        model = await _unkept(transaction.connection, actor.tenant, wanted)
        return await accepted(transaction.connection, actor, "what_if", _what_if(model, wanted, transaction.now))


@router.post(
    "/health-models/{id}:backtest",
    operation_id="backtestHealthModel",
    summary="How good the model would have been",
    openapi_extra=body_of(Backtest, optional=True),
    **_ACCEPTED,
)
async def backtest_model(
    request: Request, id: Id, wanted: Annotated[Backtest, body(Backtest, optional=True)], actor: Actor = WRITER
) -> Response:
    """Compares with the churn that followed: precision and recall of *at risk*, lead times, calibration, and the gain
    over recency or frequency alone (see docs/health.md). It evaluates the draft, or the published model if there is
    none. Refused (409) where there is too little history, or too few churned to draw conclusions."""
    async with context_of(request).database.write(actor.tenant) as transaction:
        model = await _model(transaction.connection, actor.tenant, id)
        params = await _backtest(transaction.connection, actor.tenant, model, wanted)
        return await accepted(transaction.connection, actor, "backtest", params)


@router.post(
    "/health:backtest",
    operation_id="backtestHealthDocument",
    summary="How good a document would have been",
    openapi_extra=body_of(BacktestDocument),
    **_ACCEPTED,
)
async def backtest_document(
    request: Request, wanted: Annotated[BacktestDocument, body(BacktestDocument)], actor: Actor = WRITER
) -> Response:
    """The same for a document that is not saved."""
    async with context_of(request).database.write(actor.tenant) as transaction:
        model = await _unkept(transaction.connection, actor.tenant, wanted)
        params = await _backtest(transaction.connection, actor.tenant, model, wanted)
        return await accepted(transaction.connection, actor, "backtest", params)


async def _model(connection: AsyncConnection, tenant: str, id: UUID) -> Model:
    """Returns the model as a job takes it. Raises NotFound, and Conflict for one that was retired."""
    m = health_models.c
    row = (
        await connection.execute(
            select(m.state, m.number, m.draft_document, m.published_document).where(m.tenant_id == tenant, m.id == id)
        )
    ).one_or_none()
    if row is None:
        raise NotFound.of("health model", id)
    if row.state is HealthModelState.RETIRED:
        raise Conflict(f"Health model {id} was retired: it will not be published again.")
    if row.draft_document is None:
        return {"id": str(id), "version": row.number, "document": row.published_document}
    return {"id": str(id), "version": row.number + 1, "document": row.draft_document}


async def _unkept(connection: AsyncConnection, tenant: str, wanted: WhatIfDocument | BacktestDocument) -> Model:
    """Returns the model of a document that is not saved. Raises Invalid for a signal that is not defined."""
    given = ReviseHealthModel(document=wanted.document)
    check = await named_checked(connection, tenant, [given])
    check(given)
    return {"id": "document", "version": 0, "document": as_kept(wanted.document)}


def _what_if(model: Model, wanted: WhatIf, now: datetime) -> dict[str, Any]:
    return {"model": model, "at": (wanted.at or now).astimezone(UTC).isoformat()}


async def _backtest(connection: AsyncConnection, tenant: str, model: Model, wanted: Backtest) -> dict[str, Any]:
    """Starts a job. Its instants are fixed now, so a job that is restarted does the same. Raises what
    health.evaluation.backtest_reads.plan does."""
    plan = await backtest.plan(
        connection, tenant, wanted.starts_at, wanted.ends_at, wanted.step_days, wanted.horizon_days
    )
    return {
        "model": model,
        "from": plan.instants[0].astimezone(UTC).isoformat(),
        "to": plan.instants[-1].astimezone(UTC).isoformat(),
        "step_days": wanted.step_days,
        "horizon_days": plan.horizon.days,
    }


FEATURE = Feature(routers=(router,), models=(WhatIf, WhatIfDocument, Backtest, BacktestDocument))
