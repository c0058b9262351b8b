"""A customer's health over both APIs: its explanation, its change, the path to other bands, and its history."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID

import strawberry
from fastapi import APIRouter, Depends, Header, Query, Request
from starlette.responses import Response

from analytics.customer import READ, Customer, must_be_there, must_be_there_together
from analytics.health.engine.trees import places_of
from analytics.health.explain import reads as health
from analytics.health.explain import views
from analytics.health.explain.acts import Act
from analytics.health.explain.difference import ChangeKind
from analytics.health.explain.explainer import HealthExplainer, HealthSnapshot, snapshot
from analytics.health.explain.reads import DriverView, HealthView
from analytics.health.explain.views import DifferenceView, HistoryView, PathView
from analytics.health.model.definition import Cause
from analytics.health.model.inputs import TYPES
from analytics.health.model.timeline import MODEL_TYPES, all_models
from analytics.health.wording.languages import language_of
from analytics.health.wording.words import Language
from analytics.ledger.instants import ensure_past
from analytics.projections.as_known_at import as_known_at
from kith.api import Feature
from kith.db.connections import Database
from kith.errors import Invalid
from kith.events.catalogue import EVENTS
from kith.graphql.context import Ctx
from kith.graphql.fields import field
from kith.http.app import actor_reaching, context_of, json_response, only_known_parameters
from kith.http.auth import Actor
from kith.runtime.offload import offload
from kith.scalars import Code, Id, Instant

router = APIRouter(
    prefix="/v1/customers/{id}/health", tags=["analytics"], dependencies=[Depends(only_known_parameters)]
)
READER: Any = actor_reaching(READ)
FEW = 8
"""Up to this number customers are explained in some milliseconds."""
T = TypeVar("T")
LOOKED_AT = frozenset(TYPES & EVENTS.keys()) | frozenset(MODEL_TYPES)


@dataclass(frozen=True)
class Explaining:
    """The parameters of an explanation: the language, the model, and the instant as of which it is known."""

    language: Language
    model: str | None = None
    known_at: datetime | None = None

    async def read(self, database: Database, tenant: str, customers: Sequence[UUID]) -> HealthSnapshot:
        """Reads what is known of these customers, or was known at the instant."""
        if self.known_at is None:
            async with database.read(tenant) as connection:
                return await snapshot(connection, tenant, customers, self.model)
        async with database.read(tenant) as connection:
            # What a customer is a part of decides on its model, where a model is for a tree.
            trees = (await all_models(connection, tenant)).named.trees
            needed = [*await places_of(connection, tenant, customers)] if trees else customers
        async with as_known_at(database, tenant, self.known_at, LOOKED_AT, customers=needed) as connection:
            return await snapshot(connection, tenant, customers, self.model)


def _explaining(
    known_at: Annotated[
        Instant | None,
        Query(alias="knownAt", description="as it was known then: by the events recorded up to that instant"),
    ] = None,
    model: Annotated[
        Code | None, Query(description="id of a model in force, whoever it is for; the customer's own, if not named")
    ] = None,
    language: Annotated[
        Code | None, Query(description="of the words, `en` or `zh`; as Accept-Language likes best, if not named")
    ] = None,
    accept_language: Annotated[str | None, Header()] = None,
) -> Explaining:
    ensure_past(knownAt=known_at)
    return Explaining(language_of(language, accept_language), model, known_at)


How = Annotated[Explaining, Depends(_explaining)]
At = Annotated[Instant | None, Query(description="now, if not given")]
From = Annotated[Instant, Query(alias="from")]
To = Annotated[Instant | None, Query(alias="to", description="now, if not given")]


async def _answer(
    request: Request,
    actor: Actor,
    how: Explaining,
    id: UUID,
    explain: Callable[..., Mapping[UUID, Any]],
    *instants: datetime,
) -> Response:
    database = context_of(request).database
    await must_be_there(database, actor, id)
    of = await how.read(database, actor.tenant, [id])
    found = (await computed(explain, HealthExplainer(of, how.language), [id], *instants))[id]
    if isinstance(found, Invalid):
        raise found
    return json_response(found, headers={"Content-Language": how.language})


@router.get("", operation_id="getHealth", summary="How a relationship stands, and why", response_model=HealthView)
async def get_health(request: Request, id: Id, how: How, at: At = None, actor: Actor = READER) -> Response:
    """The score, each measure's contribution (they add up to it), the events each was read from, and words for all of
    it. As of any instant; and with `knownAt` by what was known then."""
    return await _answer(request, actor, how, id, HealthExplainer.health, at or datetime.now(UTC))


@router.get(
    "/difference",
    operation_id="getHealthDifference",
    summary="What changed between two instants",
    response_model=DifferenceView,
)
async def get_difference(
    request: Request, id: Id, how: How, starts_at: From, ends_at: To = None, actor: Actor = READER
) -> Response:
    """Measure by measure, the greatest first, and by group: they add up to the change of the score. With the events
    that came in and those that left the window, and the part that is due to another model."""
    return await _answer(request, actor, how, id, HealthExplainer.difference, starts_at, ends_at or datetime.now(UTC))


@router.get(
    "/path", operation_id="getHealthPath", summary="What would help, and what would harm", response_model=PathView
)
async def get_path(request: Request, id: Id, how: How, at: At = None, actor: Actor = READER) -> Response:
    """For each measure the smallest step that can be taken and leads into the next band up, and into the next one down,
    with the score that it leads to; or the one that comes nearest. Arithmetic, not a promise."""
    return await _answer(request, actor, how, id, HealthExplainer.path, at or datetime.now(UTC))


@router.get(
    "/history",
    operation_id="getHealthHistory",
    summary="How it went: the score as a line, and its band changes",
    response_model=HistoryView | None,
)
async def get_history(
    request: Request, id: Id, how: How, starts_at: From, ends_at: To = None, actor: Actor = READER
) -> Response:
    """Exact, from the facts, at each instant by the model that was for the customer then; null if none ever was. `to`
    may lie in the future: then it is the forecast without further events."""
    return await _answer(request, actor, how, id, HealthExplainer.history, starts_at, ends_at or datetime.now(UTC))


strawberry.enum(ChangeKind, name="HealthMeasureCourse")
strawberry.enum(Cause, name="HealthChangeCause")
strawberry.enum(Act, name="HealthAct")


@strawberry.type
class HealthContribution(health.ContributionView):
    pass


@strawberry.type
class HealthScored(views.ScoredView):
    pass


@strawberry.type
class HealthMeasurePart(views.PartView):
    pass


@strawberry.type
class HealthMeasureChange(views.ChangeView):
    before: HealthMeasurePart | None
    after: HealthMeasurePart | None


@strawberry.type
class HealthGroupChange(views.GroupView):
    pass


@strawberry.type
class HealthModelChange(views.ModelChangeView):
    before: HealthScored
    after: HealthScored


@strawberry.type
class HealthDifference(DifferenceView):
    before: HealthScored
    after: HealthScored
    model_changes: list[HealthModelChange]  # type: ignore[assignment]
    groups: list[HealthGroupChange]  # type: ignore[assignment]
    changes: list[HealthMeasureChange]  # type: ignore[assignment]


@strawberry.type
class HealthStep(views.StepView):
    pass


@strawberry.type
class HealthWay(views.WayView):
    steps: list[HealthStep]  # type: ignore[assignment]


@strawberry.type
class HealthPath(PathView):
    up: HealthWay | None
    down: HealthWay | None


@strawberry.type
class HealthPoint(views.PointView):
    pass


@strawberry.type
class HealthBandChange(views.BandChangeView):
    pass


@strawberry.type
class HealthAssignment(views.AssignmentView):
    pass


@strawberry.type
class HealthHistory(HistoryView):
    models: list[HealthAssignment]  # type: ignore[assignment]
    points: list[HealthPoint]  # type: ignore[assignment]
    changes: list[HealthBandChange]  # type: ignore[assignment]


Since = Annotated[datetime, strawberry.argument(name="from")]


@strawberry.type
class HealthTrendDriver(DriverView):
    pass


@strawberry.type
class Health(HealthView):
    drivers: list[HealthTrendDriver]  # type: ignore[assignment]
    contributions: list[HealthContribution]  # type: ignore[assignment]
    customer: strawberry.Private[UUID]
    how: strawberry.Private[Explaining]

    @field(description="What changed since an instant; the parts add up to the change of the score.")
    async def difference(self, info: Ctx, starts_at: Since) -> HealthDifference:
        found: HealthDifference = await load(
            info, self.how, self.customer, HealthExplainer.difference, starts_at, self.at
        )
        return found

    @field(description="The smallest step about each measure that leads into the next band, up and down.")
    async def path(self, info: Ctx) -> HealthPath:
        found: HealthPath = await load(info, self.how, self.customer, HealthExplainer.path, self.at)
        return found

    @field(description="How it went since an instant: the score as a line, and its band changes.")
    async def history(self, info: Ctx, starts_at: Since) -> HealthHistory | None:
        found: HealthHistory | None = await load(
            info, self.how, self.customer, HealthExplainer.history, starts_at, self.at
        )
        return found


async def load(
    info: Ctx,
    how: Explaining,
    customer: UUID,
    explain: Callable[..., Mapping[UUID, Any]],
    *instants: datetime,
) -> Any:
    """Explains one customer, together with all others of the request. Resolved by field name. All explanations of a
    customer in one request are of the same snapshot."""
    context = info.context
    context.actor.reach(READ)

    async def read(ids: Sequence[UUID]) -> Mapping[UUID, HealthSnapshot]:
        return dict.fromkeys(ids, await how.read(context.service.database, context.actor.tenant, ids))

    async def batch(ids: Sequence[UUID]) -> Mapping[UUID, Any]:
        facts = ("health facts", how.model, how.known_at)
        snapshots = await asyncio.gather(*(context.load(facts, each, read) for each in ids))
        found: dict[UUID, Any] = {}
        for of in {id(each): each for each in snapshots}.values():
            theirs = [each for each, of_it in zip(ids, snapshots, strict=True) if of_it is of]
            found |= await computed(explain, HealthExplainer(of, how.language), theirs, *instants)
        return found

    return await context.load(("health", how, explain.__name__, *instants), customer, batch)


async def computed(
    explain: Callable[..., T], explainer: HealthExplainer, customers: Sequence[UUID], *instants: datetime
) -> T:
    """Computes explanations of few customers in a thread, at once; of many in a separate process, in a queue: a thread
    that computes for long blocks the event loop."""
    if len(customers) <= FEW:
        return await asyncio.to_thread(explain, explainer, customers, *instants)
    return await offload(explain, explainer, customers, *instants)


async def _now(info: Ctx) -> datetime:
    """Returns the same instant throughout a request, so that its customers are explained together."""

    async def now(keys: Sequence[str]) -> Mapping[str, datetime]:
        return dict.fromkeys(keys, datetime.now(UTC))

    return await info.context.load("instants", "now", now)


async def health_of(
    info: Ctx, customer: UUID, at: datetime | None, known_at: datetime | None, model: str | None, language: str | None
) -> Health:
    ensure_past(knownAt=known_at)
    await must_be_there_together(info, customer)
    request = info.context.request
    accepted = request.headers.get("accept-language") if request is not None else None
    how = Explaining(language_of(language, accepted), model, known_at)
    view = await load(info, how, customer, HealthExplainer.health, at or await _now(info))
    return Health(**{each.name: getattr(view, each.name) for each in fields(HealthView)}, customer=customer, how=how)


@field(
    name="health",
    description="How it stands and why, now or as it was at an instant; with `knownAt` by what was known then; by "
    "the model that is for it, or another in force; in words, `language` en or zh.",
)
async def customer_health(
    self: Customer,
    info: Ctx,
    at: datetime | None = None,
    known_at: datetime | None = None,
    model: str | None = None,
    language: str | None = None,
) -> Health | None:
    return await health_of(info, self.id, at, known_at, model, language)


FEATURE = Feature(routers=(router,), extends={"customer": (customer_health,)})
