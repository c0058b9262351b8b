"""Metrics, timeline, health and freshness over REST."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime
from starlette.responses import Response

from analytics.domain import health, metric
from analytics.domain.metric import METRICS, Interval
from analytics.queries.freshness import Freshness, freshness
from analytics.queries.health import HealthView, as_view
from analytics.queries.ledger import LedgerSize, TimelineEvent, facts, size, timeline
from analytics.queries.metrics import Figure, figure
from kith.auth import Actor
from kith.http import actor_with, context_of, json_response
from kith.queries import DEFAULT_PAGE, MAX_PAGE

router = APIRouter(prefix="/v1", tags=["analytics"])
READER: Any = actor_with("analytics:read")


@dataclass(slots=True)
class MetricView:
    id: str
    title: str
    unit: str
    words: str
    components: list[str]
    at_instant: bool
    version: int


@dataclass(slots=True)
class Catalogue:
    metrics: list[MetricView]


@dataclass(slots=True)
class Sources:
    sources: list[Freshness]


@dataclass(slots=True)
class TimelinePage:
    items: list[TimelineEvent]
    next: str | None


def catalogue() -> list[MetricView]:
    return [
        MetricView(each.id, each.title, each.unit, each.words, list(each.components), each.at_instant, each.version)
        for each in METRICS.values()
    ]


@router.get("/metrics", operation_id="listMetrics", summary="All metrics, in words")
async def list_metrics(_: Actor = READER) -> Catalogue:
    return Catalogue(catalogue())


@router.get("/metrics/{id}", operation_id="getMetric", summary="A metric over an interval", response_model=Figure)
async def get_metric(
    request: Request,
    id: str,
    starts_at: Annotated[AwareDatetime, Query(alias="from")],
    ends_at: Annotated[AwareDatetime, Query(alias="to")],
    actor: Actor = READER,
) -> Response:
    """The interval is half-open. A metric of one instant looks at its end."""
    wanted, interval = metric.metric(id), Interval(starts_at, ends_at)
    async with context_of(request).database.read(actor.tenant) as connection:
        return json_response(await figure(connection, actor.tenant, wanted, interval))


@router.get("/freshness", operation_id="getFreshness", summary="Up to when each source is counted")
async def get_freshness(request: Request, actor: Actor = READER) -> Sources:
    async with context_of(request).database.read(actor.tenant) as connection:
        return Sources(await freshness(connection))


@router.get("/ledger", operation_id="getLedgerSize", summary="How many events there are, by type")
async def get_ledger_size(request: Request, actor: Actor = READER) -> LedgerSize:
    async with context_of(request).database.read(actor.tenant) as connection:
        return await size(connection, actor.tenant)


@router.get("/customers/{id}/timeline", operation_id="getTimeline", response_model=TimelinePage)
async def get_timeline(
    request: Request,
    id: UUID,
    first: Annotated[int, Query(ge=1, le=MAX_PAGE)] = DEFAULT_PAGE,
    after: str | None = None,
    type: Annotated[list[str] | None, Query(description="only events of these types")] = None,
    actor: Actor = READER,
) -> Response:
    """Newest first."""
    async with context_of(request).database.read(actor.tenant) as connection:
        page = await timeline(connection, actor.tenant, id, first=first, after=after, types=type or ())
    return json_response(TimelinePage(page.rows, page.next))


@router.get("/customers/{id}/health", operation_id="getHealth", response_model=HealthView)
async def get_health(request: Request, id: UUID, at: AwareDatetime | None = None, actor: Actor = READER) -> Response:
    """Now, or as it was at an instant; with the events behind every part of the score."""
    async with context_of(request).database.read(actor.tenant) as connection:
        found = await facts(connection, actor.tenant, [id])
    model = health.DEFAULT
    return json_response(as_view(model, model.score(found[id], at or datetime.now(UTC))))
