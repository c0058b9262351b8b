"""The current scores of relationships, and the changes to come by silence alone, over REST and GraphQL."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import strawberry
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from analytics.customer import READ, Customer
from analytics.health.model.definition import Band
from analytics.health.scores import reads as queries
from analytics.health.scores.reads import HealthScoreView, Rescoring, SetAside
from kith.api import Feature
from kith.graphql.context import Ctx
from kith.graphql.fields import Connection, connection_of, field
from kith.http.app import actor_reaching, actor_with, context_of, json_response, only_known_parameters
from kith.http.auth import Actor
from kith.nouns.lists.pages import DEFAULT_PAGE, Page
from kith.nouns.parameters import First
from kith.scalars import Code, Cursor, Instant

router = APIRouter(prefix="/v1", tags=["health"], dependencies=[Depends(only_known_parameters)])
READER: Any = actor_reaching(READ)
WHOLE_READER: Any = actor_with(READ)


@dataclass(slots=True)
class HealthScorePage:
    items: list[HealthScoreView]
    next: str | None


@router.get(
    "/health-scores",
    operation_id="listHealthScores",
    summary="How relationships stand, as last scored",
    response_model=HealthScorePage,
)
async def list_scores(
    request: Request,
    band: Band | None = None,
    model: Annotated[Code | None, Query(description="id of a published model, or `default`")] = None,
    first: First = DEFAULT_PAGE,
    after: Cursor | None = None,
    actor: Actor = READER,
) -> Response:
    """The customers that entered their band last come first. Those without a band are left out."""
    reach = actor.reach(READ)
    async with context_of(request).database.read(actor.tenant, by_values=reach.is_limited) as connection:
        page = await queries.scores(connection, actor.tenant, reach, band=band, model=model, first=first, after=after)
    return json_response(HealthScorePage(page.rows, page.next))


@router.get(
    "/health/upcoming",
    operation_id="listUpcomingHealthChanges",
    summary="Who comes into another band by silence alone, and when",
    response_model=HealthScorePage,
)
async def list_upcoming(
    request: Request,
    to: Annotated[Band | None, Query(description="into this band only")] = None,
    until: Annotated[Instant | None, Query(description="before this instant only")] = None,
    first: First = DEFAULT_PAGE,
    after: Cursor | None = None,
    actor: Actor = READER,
) -> Response:
    """The next one first: unless an event happens before, `due_at` is the instant and `due_band` the band."""
    reach = actor.reach(READ)
    async with context_of(request).database.read(actor.tenant, by_values=reach.is_limited) as connection:
        page = await queries.upcoming(connection, actor.tenant, reach, to=to, until=until, first=first, after=after)
    return json_response(HealthScorePage(page.rows, page.next))


@router.get("/health/rescoring", operation_id="getRescoring", summary="How far a new model has come")
async def get_rescoring(request: Request, actor: Actor = WHOLE_READER) -> Rescoring:
    """When a model is published or retired, all customers are scored again in the background. A customer that cannot be
    scored is set aside with the reason, and delays no other."""
    async with context_of(request).database.read(actor.tenant) as connection:
        return await queries.rescoring(connection, actor.tenant)


@strawberry.type
class HealthScore(HealthScoreView):
    @field(description="Whose it is.")
    def customer(self) -> Customer:
        return Customer(id=self.customer_id)


@field(name="healthScores", description="How relationships stand; who came into its band last comes first.")
async def all_scores(
    info: Ctx,
    band: Band | None = None,
    model: Code | None = None,
    first: First = DEFAULT_PAGE,
    after: Cursor | None = None,
) -> Connection[HealthScore]:
    context = info.context
    reach = context.actor.reach(READ)
    async with context.service.database.read(context.actor.tenant, by_values=reach.is_limited) as connection:
        page = await queries.scores(
            connection, context.actor.tenant, reach, band=band, model=model, first=first, after=after
        )
    return _connection(page)


@field(name="upcomingHealthChanges", description="Who comes into another band by silence alone, the next one first.")
async def all_upcoming(
    info: Ctx,
    to: Band | None = None,
    until: datetime | None = None,
    first: First = DEFAULT_PAGE,
    after: Cursor | None = None,
) -> Connection[HealthScore]:
    context = info.context
    reach = context.actor.reach(READ)
    async with context.service.database.read(context.actor.tenant, by_values=reach.is_limited) as connection:
        page = await queries.upcoming(
            connection, context.actor.tenant, reach, to=to, until=until, first=first, after=after
        )
    return _connection(page)


@strawberry.type(name="HealthSetAside")
class SetAsideType(SetAside):
    pass


@strawberry.type(name="HealthRescoring")
class RescoringType(Rescoring):
    set_aside_last: list[SetAsideType]  # type: ignore[assignment]


@field(
    name="healthRescoring",
    description="How far a model that was published or retired has come with everybody, and who cannot be scored.",
)
async def rescoring(info: Ctx) -> RescoringType:
    context = info.context
    context.actor.require("analytics:read")
    async with context.service.database.read(context.actor.tenant) as connection:
        return await queries.rescoring(connection, context.actor.tenant)  # type: ignore[return-value]  # by field name


def _connection(page: Page[HealthScoreView]) -> Connection[HealthScore]:
    names = HealthScoreView.__dataclass_fields__
    nodes = [HealthScore(**{name: getattr(each, name) for name in names}) for each in page.rows]
    return connection_of(Page(nodes, page.next))


FEATURE = Feature(queries=(all_scores, all_upcoming, rescoring), routers=(router,))
