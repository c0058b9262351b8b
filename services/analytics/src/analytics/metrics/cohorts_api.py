"""The cohort matrix, over both APIs."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import strawberry
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from analytics.calendar import Grain
from analytics.customer import READ
from analytics.ledger.api import Freshness
from analytics.metrics import cohorts
from analytics.metrics.cohorts import CohortMatrix, CohortMember, cohort_members
from analytics.metrics.parameters import question_of
from analytics.metrics.rest import FilterText, Version
from kith import scalars
from kith.api import Feature
from kith.graphql.context import Ctx
from kith.graphql.fields import Connection, connection_of, field
from kith.http.app import actor_reaching, context_of, json_response, only_known_parameters
from kith.http.auth import Actor
from kith.nouns.lists.pages import DEFAULT_PAGE
from kith.nouns.parameters import First
from kith.scalars import Code, Cursor, Instant, Whole

router = APIRouter(prefix="/v1/cohorts", tags=["analytics"], dependencies=[Depends(only_known_parameters)])
READER: Any = actor_reaching(READ)

From = Annotated[Instant, Query(alias="from", description="the interval is half-open: from is in it, to is not")]
To = Annotated[Instant, Query(alias="to")]
Events = Annotated[
    list[Code] | None,
    Query(alias="event", description="event types that count; what the tenant's definition of activity says, if none"),
]
Filters = Annotated[
    list[FilterText] | None,
    Query(
        alias="filter",
        description="by a dimension of the customer, as it was at the end: `country:France,Spain`; "
        '`tag:!unidentified`; what has a comma in it, `segment:"Food, Drink & Tobacco"`',
    ),
]
Zone = Annotated[scalars.Zone | None, Query(description="IANA time zone of calendar days; the tenant's, if not named")]
Activity = Annotated[Version | None, Query(description="version of the tenant's definition of activity")]


@dataclass(slots=True)
class CohortMembers:
    items: list[CohortMember]
    next: str | None


@router.get("", operation_id="getCohorts", summary="Who came when, and who came again", response_model=CohortMatrix)
async def get_cohorts(
    request: Request,
    starts_at: From,
    ends_at: To,
    grain: Grain = Grain.MONTH,
    events: Events = None,
    filters: Filters = None,
    zone: Zone = None,
    activity: Activity = None,
    actor: Actor = READER,
) -> Response:
    """A row is the customers whose first qualifying event, ever, lies in that period. Cell k is the share of them that
    had one in the k-th period after: null for a period that has not begun, preliminary where it is not `complete`. Up
    to 60 periods."""
    async with context_of(request).database.read(actor.tenant) as connection:
        question = await question_of(
            connection,
            actor.tenant,
            actor.reach(READ),
            starts_at,
            ends_at,
            grain=grain,
            filters=filters or (),
            zone=zone,
            activity=activity,
        )
        return json_response(await cohorts.cohorts(connection, actor.tenant, question, events or ()))


@router.get(
    "/members",
    operation_id="listCohortMembers",
    summary="The customers of a cell, each with the event that put it there",
    response_model=CohortMembers,
)
async def list_cohort_members(
    request: Request,
    starts_at: From,
    ends_at: To,
    row: Annotated[int, Whole(0), Query(description="as the matrix numbers it")],
    period: Annotated[int, Whole(0)] = 0,
    grain: Grain = Grain.MONTH,
    events: Events = None,
    filters: Filters = None,
    zone: Zone = None,
    activity: Activity = None,
    first: First = DEFAULT_PAGE,
    after: Cursor | None = None,
    actor: Actor = READER,
) -> Response:
    async with context_of(request).database.read(actor.tenant) as connection:
        question = await question_of(
            connection,
            actor.tenant,
            actor.reach(READ),
            starts_at,
            ends_at,
            grain=grain,
            filters=filters or (),
            zone=zone,
            activity=activity,
        )
        page = await cohort_members(
            connection, actor.tenant, question, events or (), row=row, period=period, first=first, after=after
        )
    return json_response(CohortMembers(page.rows, page.next))


@strawberry.type(name="CohortCell")
class CellType(cohorts.CohortCell):
    pass


@strawberry.type(name="CohortRow")
class RowType(cohorts.CohortRow):
    cells: list[CellType]  # type: ignore[assignment]


@strawberry.type(name="CohortMatrix")
class MatrixType(CohortMatrix):
    rows: list[RowType]  # type: ignore[assignment]
    freshness: list[Freshness]  # type: ignore[assignment]


@strawberry.type(name="CohortMember")
class MemberType(CohortMember):
    pass


FromArgument = Annotated[datetime, strawberry.argument(name="from")]
ToArgument = Annotated[datetime, strawberry.argument(name="to")]


@field(
    name="cohorts",
    description="Rows: customers by the period of their first qualifying event. Cell k: the share of them that had one "
    "in the k-th period after: null of one that has not begun, so far where it is not `complete`.",
)
async def matrix(
    info: Ctx,
    starts_at: FromArgument,
    ends_at: ToArgument,
    grain: Grain = Grain.MONTH,
    event: list[str] | None = None,
    filter: list[FilterText] | None = None,
    zone: scalars.Zone | None = None,
    activity: Version | None = None,
) -> MatrixType:
    context = info.context
    tenant, reach = context.actor.tenant, context.actor.reach(READ)
    async with context.service.database.read(tenant) as connection:
        question = await question_of(
            connection,
            tenant,
            reach,
            starts_at,
            ends_at,
            grain=grain,
            filters=filter or (),
            zone=zone,
            activity=activity,
        )
        return await cohorts.cohorts(connection, tenant, question, event or ())  # type: ignore[return-value]


@field(name="cohortMembers", description="The customers of a cell, each with the event that put it there.")
async def members(
    info: Ctx,
    starts_at: FromArgument,
    ends_at: ToArgument,
    row: Annotated[int, Whole(0)],
    period: Annotated[int, Whole(0)] = 0,
    grain: Grain = Grain.MONTH,
    event: list[str] | None = None,
    filter: list[FilterText] | None = None,
    zone: scalars.Zone | None = None,
    activity: Version | None = None,
    first: First = DEFAULT_PAGE,
    after: Cursor | None = None,
) -> Connection[MemberType]:
    context = info.context
    tenant, reach = context.actor.tenant, context.actor.reach(READ)
    async with context.service.database.read(tenant) as connection:
        question = await question_of(
            connection,
            tenant,
            reach,
            starts_at,
            ends_at,
            grain=grain,
            filters=filter or (),
            zone=zone,
            activity=activity,
        )
        page = await cohort_members(
            connection, tenant, question, event or (), row=row, period=period, first=first, after=after
        )
    return connection_of(page)  # type: ignore[arg-type]  # resolved by field name


FEATURE = Feature(queries=(matrix, members), routers=(router,))
