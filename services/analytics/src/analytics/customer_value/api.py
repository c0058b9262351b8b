"""The value of customers, and the fits that predict it, over both APIs."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

import strawberry
from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response
from strawberry.scalars import JSON

from analytics.calendar import Interval
from analytics.customer import READ, Customer, must_be_there, must_be_there_together
from analytics.customer_value import reads
from analytics.customer_value.fit_reads import fits, one_fit
from analytics.customer_value.fits import NEEDED, KeptFit, Model
from analytics.customer_value.fitting import Fitting, NotFitted, fit, keep_fitted
from analytics.customer_value.reads import CustomerValue, purchases, values
from analytics.ledger.instants import ensure_past
from analytics.metrics.definition import Metric
from analytics.metrics.measure import Score
from analytics.metrics.question import Question
from analytics.projections.survivors import merged_among
from analytics.projections.tenants import tenant_settings
from kith.api import Feature
from kith.db.connections import Database
from kith.graphql.context import Ctx
from kith.graphql.fields import field
from kith.http.app import actor_reaching, actor_with, context_of, json_response, only_known_parameters
from kith.http.auth import Actor
from kith.http.openapi import answers
from kith.nouns.parameters import body, body_of
from kith.reach import EVERYONE
from kith.scalars import Code, Id, Instant

router = APIRouter(prefix="/v1", tags=["customer value"], dependencies=[Depends(only_known_parameters)])
READER: Any = actor_reaching(READ)
WHOLE_READER: Any = actor_with(READ)
WRITER: Any = actor_with("analytics:write")


@dataclass(slots=True)
class Fits:
    items: list[KeptFit]


class FitModels(BaseModel):
    """`until`: the fit uses purchases before this instant; by default now."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    until: Instant | None = None


async def fitted(database: Database, tenant: str, metrics: Iterable[Metric], ends_at: datetime) -> None:
    """Fits the models that these metrics need, if they must be fitted before the read (see customer_value.fitting)."""
    models = {measure.model for metric in metrics for measure in metric.measures if isinstance(measure, Score)}
    needed = {model for each in models for model in NEEDED.get(each, ())}
    if needed and ends_at.tzinfo is not None:  # else the question will be refused
        await keep_fitted(database, tenant, await _zone(database, tenant), _past(ends_at), sorted(needed))


async def values_of(
    database: Database, tenant: str, ids: list[UUID], at: datetime | None, currency: str | None
) -> dict[UUID, CustomerValue]:
    """Returns each customer's value, of a merged one its survivor's, now or as it was at an instant."""
    ends_at, unpredicted = _past(at or datetime.now(UTC)), None
    interval = Interval(ends_at - timedelta(days=365), ends_at)  # of which the values look at the end only
    try:
        await keep_fitted(database, tenant, await _zone(database, tenant), ends_at, list(Model))
    except NotFitted as error:
        unpredicted = error.detail
    async with database.read(tenant) as connection:
        settings = await tenant_settings(connection, tenant)
        # Fifths are of all customers, and a fit is of the tenant's purchases.
        question = Question(interval, settings.zone, settings.policy, reach=EVERYONE)
        models = await purchases(connection, tenant, question, currency=currency)
        merged = await merged_among(connection, tenant, ids)
    survivors = list({merged.get(each, each) for each in ids})
    found = await asyncio.to_thread(values, models, survivors, ends_at, unpredicted)
    return {id: replace(found[merged.get(id, id)], merged_into=merged.get(id)) for id in ids}


def _past(at: datetime) -> datetime:
    """Purchases in the future do not exist yet, which is no sign that customers left."""
    return min(at, datetime.now(UTC))


async def _zone(database: Database, tenant: str) -> str:
    async with database.read(tenant) as connection:
        return (await tenant_settings(connection, tenant)).zone


@router.post(
    "/customer-value/fits",
    operation_id="fitCustomerValue",
    summary="Fit the models of customer value anew",
    openapi_extra=body_of(FitModels, optional=True),
    status_code=201,
    response_model=Fitting,
)
async def fit_models(
    request: Request, wanted: Annotated[FitModels, body(FitModels, optional=True)], actor: Actor = WRITER
) -> Response:
    """Responds when it is done: some seconds for 200,000 customers. `refused` names the models that cannot be fitted to
    their purchases, and why."""
    database = context_of(request).database
    ensure_past(until=wanted.until)
    until = _past(wanted.until or datetime.now(UTC))
    return json_response(await fit(database, actor.tenant, await _zone(database, actor.tenant), until), status=201)


@router.get("/customer-value/fits", operation_id="listFits", summary="The fits, newest first", response_model=Fits)
async def list_fits(request: Request, actor: Actor = WHOLE_READER) -> Response:
    async with context_of(request).database.read(actor.tenant) as connection:
        return json_response(Fits(await fits(connection, actor.tenant)))


@router.get("/customer-value/fits/{id}", operation_id="getFit", summary="One fit", response_model=KeptFit)
async def get_fit(request: Request, id: Id, actor: Actor = WHOLE_READER) -> Response:
    """With parameters, their standard errors, and the log-likelihood."""
    async with context_of(request).database.read(actor.tenant) as connection:
        return json_response(await one_fit(connection, actor.tenant, id))


@router.get(
    "/customers/{id}/value",
    summary="What a customer is worth",
    operation_id="getValue",
    response_model=CustomerValue,
    responses=answers(HTTPStatus.CONFLICT),
)
async def get_value(
    request: Request,
    id: Id,
    at: Instant | None = None,
    currency: Annotated[Code | None, Query(description="only purchases in it")] = None,
    actor: Actor = READER,
) -> Response:
    """Now, or as it was at an instant; for an instant in the future, the value is that of now, as `at` says."""
    await must_be_there(context_of(request).database, actor, id)
    found = await values_of(context_of(request).database, actor.tenant, [id], at, currency)
    return json_response(found[id])


strawberry.enum(Model, name="CustomerValueModel")


@strawberry.type
class Rfm(reads.Rfm):
    pass


@strawberry.type
class CustomerCurrencyValue(reads.CurrencyValue):
    pass


@strawberry.type(name="CustomerValue")
class CustomerValueType(reads.CustomerValue):
    rfm: Rfm | None
    by_currency: list[CustomerCurrencyValue]  # type: ignore[assignment]


@strawberry.type
class CustomerValueFit(KeptFit):
    parameters: JSON  # type: ignore[assignment]
    standard_errors: JSON  # type: ignore[assignment]


@field(description="What it is worth, now or as it was at an instant; of purchases in one currency, if it is named.")
async def value(
    self: Customer, info: Ctx, at: datetime | None = None, currency: str | None = None
) -> CustomerValueType | None:
    context = info.context
    await must_be_there_together(info, self.id)

    async def batch(ids: Sequence[UUID]) -> Mapping[UUID, Any]:  # resolved by field name
        return await values_of(context.service.database, context.actor.tenant, list(ids), at, currency)

    return await context.load(("value", at, currency), self.id, batch)


@field(description="The fits that predict what customers are worth, newest first.")
async def customer_value_fits(info: Ctx) -> list[CustomerValueFit]:
    context = info.context
    context.actor.require("analytics:read")
    async with context.service.database.read(context.actor.tenant) as connection:
        return await fits(connection, context.actor.tenant)  # type: ignore[return-value]


FEATURE = Feature(
    queries=(customer_value_fits,), routers=(router,), models=(FitModels,), extends={"customer": (value,)}
)
