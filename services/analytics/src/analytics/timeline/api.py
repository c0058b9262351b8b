"""A customer's timeline, and how many events there are, over both APIs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import strawberry
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response
from strawberry.scalars import JSON

from analytics.customer import READ, Customer, must_be_there, must_be_there_together
from analytics.projections.survivors import merged_among
from analytics.timeline import reads as queries
from kith.api import Feature
from kith.graphql.context import Ctx
from kith.graphql.fields import Connection, connection_of, field
from kith.http.app import actor_reaching, actor_with, context_of, json_response, only_known_parameters
from kith.http.auth import Actor
from kith.nouns.lists.pages import DEFAULT_PAGE, Page
from kith.nouns.parameters import First
from kith.scalars import Code, Cursor, Id, Instant

router = APIRouter(prefix="/v1", tags=["analytics"], dependencies=[Depends(only_known_parameters)])
READER: Any = actor_reaching(READ)
WHOLE_READER: Any = actor_with(READ)


@dataclass(slots=True)
class TimelinePage:
    items: list[queries.TimelineEvent]
    next: str | None
    merged_into: UUID | None
    """The customer whose timeline it is, if the one that was asked for was merged."""


@router.get("/ledger", operation_id="getLedgerSize", summary="How many events there are, by type")
async def get_ledger_size(request: Request, actor: Actor = WHOLE_READER) -> queries.LedgerSize:
    async with context_of(request).database.read(actor.tenant) as connection:
        return await queries.size(connection, actor.tenant)


@router.get(
    "/customers/{id}/timeline",
    operation_id="getTimeline",
    summary="What happened to a customer",
    response_model=TimelinePage,
)
async def get_timeline(
    request: Request,
    id: Id,
    first: First = DEFAULT_PAGE,
    after: Cursor | None = None,
    type: Annotated[list[Code] | None, Query(description="only events of these types")] = None,
    starts_at: Annotated[Instant | None, Query(alias="from")] = None,
    ends_at: Annotated[Instant | None, Query(alias="to")] = None,
    actor: Actor = READER,
) -> Response:
    """Newest first; what happened to customers merged into this one too. Of a customer that was merged, that of its
    survivor."""
    await must_be_there(context_of(request).database, actor, id)
    wanted = queries.Wanted(first, after, tuple(type or ()), starts_at, ends_at)
    async with context_of(request).database.read(actor.tenant) as connection:
        page = await queries.timeline(connection, actor.tenant, id, wanted)
        merged = await merged_among(connection, actor.tenant, [id])
    return json_response(TimelinePage(page.rows, page.next, merged.get(id)))


@strawberry.type
class TimelineEvent(queries.TimelineEvent):
    data: JSON


@field(
    description="Every exchange with the customer, and with customers merged into it, newest first. Of a merged one, "
    "that of its survivor."
)
async def timeline(
    self: Customer,
    info: Ctx,
    first: First = DEFAULT_PAGE,
    after: Cursor | None = None,
    types: list[str] | None = None,
    starts_at: Annotated[datetime | None, strawberry.argument(name="from")] = None,
    ends_at: Annotated[datetime | None, strawberry.argument(name="to")] = None,
) -> Connection[TimelineEvent] | None:
    context = info.context
    wanted = queries.Wanted(first, after, tuple(types or ()), starts_at, ends_at)
    await must_be_there_together(info, self.id)

    async def batch(ids: Sequence[UUID]) -> Mapping[UUID, Page[queries.TimelineEvent]]:
        async with context.service.database.read(context.actor.tenant) as connection:
            return await queries.timelines(connection, context.actor.tenant, ids, wanted)

    page = await context.load(("timeline", wanted), self.id, batch)
    return connection_of(page)  # type: ignore[arg-type]  # resolved by field name


FEATURE = Feature(routers=(router,), extends={"customer": (timeline,)})
