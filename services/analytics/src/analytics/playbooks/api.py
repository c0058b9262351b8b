"""Playbooks over both APIs, beyond what every noun has: their runs, what came of them, and dry runs."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

import strawberry
from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response
from strawberry.scalars import JSON

from analytics.customer import READ, Customer
from analytics.jobs.api import HealthJob, accepted
from analytics.playbooks import comparison
from analytics.playbooks import reads as queries
from analytics.playbooks.documents import PlaybookDocument
from analytics.playbooks.firing import RunState
from analytics.playbooks.form import PLAYBOOKS, PlaybookView
from analytics.playbooks.plan import Plan
from analytics.playbooks.reads import (
    PlaybookOutcomes,
    PlaybookRunDetails,
    PlaybookRunView,
    outcomes_of,
    results_of,
    run_of,
    runs_of,
)
from kith.api import Feature
from kith.errors import Invalid, NotFound
from kith.graphql.context import Ctx
from kith.graphql.fields import Connection, connection_of, field
from kith.http.app import actor_reaching, actor_with, context_of, json_response, only_known_parameters
from kith.http.auth import Actor
from kith.nouns.lists.listing import Listing
from kith.nouns.lists.pages import DEFAULT_PAGE
from kith.nouns.parameters import First, body, body_of
from kith.nouns.queries import Queries
from kith.reach import EVERYONE
from kith.scalars import Cursor, Id, Instant

_LISTING = Listing("analytics", PLAYBOOKS, {})
router = APIRouter(prefix="/v1", tags=["playbooks"], dependencies=[Depends(only_known_parameters)])
READER: Any = actor_reaching(READ)
WHOLE_READER: Any = actor_with(READ)
WRITER: Any = actor_with("analytics:write")
A_YEAR = timedelta(days=365)
LONGEST = timedelta(days=3 * 366)


@dataclass(slots=True)
class PlaybookRunPage:
    items: list[PlaybookRunView]
    next: str | None


class DryRun(BaseModel):
    """The past that a dry run covers, `[from, to)`; by default the year before now."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    starts_at: Annotated[Instant | None, Field(alias="from")] = None
    ends_at: Annotated[Instant | None, Field(alias="to")] = None


class DryRunDocument(DryRun):
    document: PlaybookDocument


@router.get(
    "/playbook-runs", response_model=PlaybookRunPage, operation_id="listPlaybookRuns", summary="Runs, newest first"
)
async def list_runs(
    request: Request,
    playbook_id: Id | None = None,
    customer_id: Id | None = None,
    state: RunState | None = None,
    first: First = DEFAULT_PAGE,
    after: Cursor | None = None,
    actor: Actor = READER,
) -> Response:
    """Runs, by the time of the event that triggered them, newest first. A run that was `left_alone` belongs to the
    control share."""
    reach = actor.reach(READ)
    async with context_of(request).database.read(actor.tenant, by_values=reach.is_limited) as connection:
        page = await runs_of(
            connection,
            actor.tenant,
            reach,
            first=first,
            after=after,
            playbook_id=playbook_id,
            customer_id=customer_id,
            state=state,
        )
    return json_response(PlaybookRunPage(page.rows, page.next))


@router.get(
    "/playbook-runs/{id}", response_model=PlaybookRunDetails, operation_id="getPlaybookRun", summary="Get a run"
)
async def get_run(request: Request, id: Id, actor: Actor = READER) -> Response:
    """One run, with the outcome of each action: `results` are the tasks and cases that were made of them, in their
    current state."""
    async with context_of(request).database.read(actor.tenant) as connection:
        return json_response(await run_of(connection, actor.tenant, actor.reach(READ), id))


@router.get(
    "/playbooks/{id}/outcomes",
    response_model=PlaybookOutcomes,
    operation_id="getPlaybookOutcomes",
    summary="Whether it helped",
)
async def get_outcomes(
    request: Request,
    id: Id,
    starts_at: Annotated[Instant | None, Query(alias="from")] = None,
    ends_at: Annotated[Instant | None, Query(alias="to")] = None,
    actor: Actor = WHOLE_READER,
) -> Response:
    """Compares treated customers with those left alone, by the first run of each customer since the playbook was last
    started. Without a control share the report is observational, and says so; with fewer than 20 customers in either
    share nothing is compared."""
    async with context_of(request).database.read(actor.tenant) as connection:
        found = await outcomes_of(
            connection,
            actor.tenant,
            id,
            starts_at=starts_at,
            ends_at=ends_at,
        )
    return json_response(found)


@router.post(
    "/playbooks/{id}:dry_run",
    status_code=HTTPStatus.ACCEPTED,
    response_model=HealthJob,
    operation_id="dryRunPlaybook",
    summary="What it would have done in the past",
    openapi_extra=body_of(DryRun, optional=True),
)
async def dry_run(
    request: Request, id: Id, given: Annotated[DryRun, body(DryRun, optional=True)], actor: Actor = WRITER
) -> Response:
    """A job: poll the answered address until it is `done`; its `report` states how often the playbook would have fired,
    when, and for whom. No action is requested. The playbook may be a draft."""
    async with context_of(request).database.write(actor.tenant) as transaction:
        of = Queries(_LISTING, PlaybookView, reach=EVERYONE, personal=None)
        playbook = await of.one(transaction.connection, actor.tenant, id)
        params = _params(given, transaction.now, str(id), playbook.document)
        return await accepted(transaction.connection, actor, "dry_run", params)


@router.post(
    "/playbooks:dry_run",
    status_code=HTTPStatus.ACCEPTED,
    response_model=HealthJob,
    operation_id="dryRunDocument",
    summary="What a playbook that is not there yet would have done",
    openapi_extra=body_of(DryRunDocument),
)
async def dry_run_of(
    request: Request, given: Annotated[DryRunDocument, body(DryRunDocument)], actor: Actor = WRITER
) -> Response:
    """The same for a document that is not saved. The control share is drawn for this run alone, and anew for the
    playbook that is made of the document."""
    document = given.document.kept()
    Plan.from_document(document)
    async with context_of(request).database.write(actor.tenant) as transaction:
        params = _params(given, transaction.now, str(UUID(int=0)), document)
        return await accepted(transaction.connection, actor, "dry_run", params)


def _params(given: DryRun, now: datetime, playbook: str, document: dict[str, Any]) -> dict[str, Any]:
    ends_at = given.ends_at or now
    starts_at = given.starts_at or ends_at - A_YEAR
    if not starts_at < ends_at <= now:
        raise Invalid("It is a past: from is before to, and to is not yet to come.", field="to")
    if ends_at - starts_at > LONGEST:
        raise Invalid("It is three years at most.", field="from")
    times = {"from": starts_at.isoformat(), "to": ends_at.isoformat()}
    return {"playbook": playbook, "document": document, **times}


strawberry.enum(RunState, name="PlaybookRunState")
strawberry.enum(comparison.Evidence, name="PlaybookEvidence")


@strawberry.type(name="PlaybookAction")
class ActionType(queries.RequestedAction):
    pass


@strawberry.type(name="PlaybookActionResult")
class ResultType(queries.ActionResult):
    pass


@strawberry.type(name="PlaybookRun")
class RunType(PlaybookRunView):
    trigger: JSON  # type: ignore[assignment]
    outcome: JSON | None  # type: ignore[assignment]
    actions: list[ActionType]  # type: ignore[assignment]

    @strawberry.field
    def customer(self) -> Customer:
        return Customer(id=self.customer_id)

    @field(description="What became of its actions: tasks and cases, as they stand.")
    async def results(self, info: Ctx) -> list[ResultType]:
        context = info.context
        async with context.service.database.read(context.actor.tenant) as connection:
            return await results_of(connection, context.actor.tenant, self.id, self.customer_id)  # type: ignore[return-value]


@strawberry.type(name="PlaybookInterval")
class IntervalType(comparison.Interval):
    pass


@strawberry.type(name="PlaybookShare")
class ShareType(comparison.Share):
    interval: IntervalType | None


@strawberry.type(name="PlaybookOutcomes")
class OutcomesType(PlaybookOutcomes):
    outcome: JSON | None  # type: ignore[assignment]
    treated: ShareType
    left_alone: ShareType
    interval: IntervalType | None


@field(description="Its runs, newest first.")
async def runs(
    self: PlaybookView,
    info: Ctx,
    first: First = DEFAULT_PAGE,
    after: Cursor | None = None,
    state: RunState | None = None,
) -> Connection[RunType]:
    return await _runs(info, first=first, after=after, playbook_id=self.id, state=state)


@field(description="Whether it helped: those treated against those left alone, since it was started last.")
async def outcomes(self: PlaybookView, info: Ctx) -> OutcomesType:
    context = info.context
    context.actor.require(READ)
    async with context.service.database.read(context.actor.tenant) as connection:
        return await outcomes_of(connection, context.actor.tenant, self.id)  # type: ignore[return-value]


@field(description="What playbooks did, newest first: of one playbook, or for one customer.")
async def playbook_runs(
    info: Ctx,
    playbook_id: UUID | None = None,
    customer_id: UUID | None = None,
    state: RunState | None = None,
    first: First = DEFAULT_PAGE,
    after: Cursor | None = None,
) -> Connection[RunType]:
    return await _runs(info, first=first, after=after, playbook_id=playbook_id, customer_id=customer_id, state=state)


@field(description="One run, or null if there is none.")
async def playbook_run(info: Ctx, id: UUID) -> RunType | None:
    context = info.context
    reach = context.actor.reach(READ)
    async with context.service.database.read(context.actor.tenant) as connection:
        try:
            return await run_of(connection, context.actor.tenant, reach, id)  # type: ignore[return-value]
        except NotFound:
            return None


async def _runs(info: Ctx, **wanted: Any) -> Connection[RunType]:
    context = info.context
    reach = context.actor.reach(READ)
    async with context.service.database.read(context.actor.tenant, by_values=reach.is_limited) as connection:
        page = await runs_of(connection, context.actor.tenant, reach, **wanted)
    return connection_of(page)  # type: ignore[arg-type]  # resolved by field name


FEATURE = Feature(
    queries=(playbook_runs, playbook_run),
    routers=(router,),
    models=(DryRun, DryRunDocument),
    extends={"playbook": (runs, outcomes)},
)
