"""The distribution of the tenant's health, over both APIs; for large bases in the past as a job."""

from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

import strawberry
from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from analytics.customer import READ
from analytics.health.evaluation import distribution as domain
from analytics.health.evaluation import distribution_reads as queries
from analytics.health.evaluation.distribution_reads import By, HealthDistribution, distribution
from analytics.health.evaluation.what_if import Counts
from analytics.jobs.api import WRITER, HealthJob, accepted
from kith.api import Feature
from kith.graphql.context import Ctx
from kith.graphql.fields import field
from kith.http.app import actor_reaching, context_of, json_response, only_known_parameters
from kith.http.auth import Actor
from kith.nouns.parameters import body, body_of
from kith.scalars import Instant

router = APIRouter(prefix="/v1", tags=["health"], dependencies=[Depends(only_known_parameters)])
_READER: Any = actor_reaching(READ)
GroupBy = Annotated[By | None, Query(alias="groupBy", description="of the customer, as its record said then")]


class DistributionAsked(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, populate_by_name=True)

    group_by: Annotated[By | None, Field(alias="groupBy")] = None
    at: Instant | None = None


@router.get(
    "/health/distribution",
    operation_id="getHealthDistribution",
    summary="How many are in which band, and how their scores lie",
    response_model=HealthDistribution,
)
async def get_distribution(
    request: Request, group_by: GroupBy = None, at: Instant | None = None, actor: Actor = _READER
) -> Response:
    """Whole, and by group, now or at an instant, by the models in force now; with the change over 30 days. A base of
    over 10,000 customers is counted by stored scores (`source` is `stored`), without the trend; for an instant of the
    past of such a base, start the job."""
    reads = partial(context_of(request).database.read, actor.tenant)
    return json_response(await distribution(reads, actor.tenant, actor.reach(READ), group_by, at, datetime.now(UTC)))


@router.post(
    "/health:distribution",
    status_code=HTTPStatus.ACCEPTED,
    response_model=HealthJob,
    operation_id="requestHealthDistribution",
    summary="The same of a base of any size, as a job",
    openapi_extra=body_of(DistributionAsked, optional=True),
)
async def request_distribution(
    request: Request,
    wanted: Annotated[DistributionAsked, body(DistributionAsked, optional=True)],
    actor: Actor = WRITER,
) -> Response:
    async with context_of(request).database.write(actor.tenant) as transaction:
        at = (wanted.at or transaction.now).astimezone(UTC).isoformat()
        return await accepted(transaction.connection, actor, "distribution", {"groupBy": wanted.group_by, "at": at})


strawberry.enum(By, name="HealthDistributionGroup")
strawberry.enum(queries.Source, name="HealthDistributionSource")


@strawberry.type(name="HealthBandCounts")
class CountsType(Counts):
    pass


@strawberry.type(name="HealthDistributionTrend")
class TrendType(domain.Trend):
    bands: CountsType


@strawberry.type(name="HealthDistributionPart")
class PartType(domain.Distribution):
    bands: CountsType
    trend: TrendType | None


@strawberry.type(name="HealthDistribution")
class DistributionType(HealthDistribution):
    whole: PartType
    groups: list[PartType]  # type: ignore[assignment]


@field(
    name="healthDistribution",
    description="How many are in which band, and how their scores lie: now, or at an instant; whole and by group.",
)
async def health_distribution(info: Ctx, group_by: By | None = None, at: datetime | None = None) -> DistributionType:
    context = info.context
    reach = context.actor.reach(READ)
    reads = partial(context.service.database.read, context.actor.tenant)
    return await distribution(  # type: ignore[return-value]  # resolved by field name
        reads, context.actor.tenant, reach, group_by, at, datetime.now(UTC)
    )


FEATURE = Feature(queries=(health_distribution,), routers=(router,), models=(DistributionAsked,))
