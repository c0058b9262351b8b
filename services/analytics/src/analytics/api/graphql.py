"""The subgraph of analytics: metrics, and what it knows of a customer."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from analytics.api.rest import MetricView, catalogue
from analytics.domain import health, metric
from analytics.domain.metric import Interval
from analytics.queries import freshness as freshness_queries
from analytics.queries import health as health_queries
from analytics.queries import ledger, metrics
from kith.graphql import Connection, Ctx, Graph, connection_of, field
from kith.queries import DEFAULT_PAGE, Page

strawberry.enum(health.Band)


@strawberry.type
class Freshness(freshness_queries.Freshness):
    pass


@strawberry.type
class MetricComponent(metrics.Component):
    pass


@strawberry.type
class MetricValue(metrics.Figure):
    components: list[MetricComponent]  # type: ignore[assignment]
    freshness: list[Freshness]  # type: ignore[assignment]


@strawberry.type
class MetricDefinition(MetricView):
    pass


@strawberry.type
class TimelineEvent(ledger.TimelineEvent):
    data: JSON


@strawberry.type
class HealthContribution(health_queries.ContributionView):
    pass


@strawberry.type
class Health(health_queries.HealthView):
    contributions: list[HealthContribution]  # type: ignore[assignment]


@strawberry.federation.type(keys=["id"])
class Customer:
    """The customer belongs to contacts; here is its history and its health."""

    id: UUID

    @field(description="Now, or as it was at an instant.")
    async def health(self, info: Ctx, at: datetime | None = None) -> Health | None:
        context = info.context
        context.actor.require("analytics:read")

        async def batch(ids: Sequence[UUID]) -> Mapping[UUID, list[health.Fact]]:
            async with context.service.database.read(context.actor.tenant) as connection:
                return await ledger.facts(connection, context.actor.tenant, ids)

        facts = await context.load("health", self.id, batch)
        scored = health.DEFAULT.score(facts, at or datetime.now(UTC))
        return health_queries.as_view(health.DEFAULT, scored)  # type: ignore[return-value]  # resolved by field name

    @field(description="Every exchange with the customer, newest first.")
    async def timeline(
        self, info: Ctx, first: int = DEFAULT_PAGE, after: str | None = None, types: list[str] | None = None
    ) -> Connection[TimelineEvent] | None:
        context = info.context
        context.actor.require("analytics:read")

        async def batch(ids: Sequence[UUID]) -> Mapping[UUID, Page[ledger.TimelineEvent]]:
            async with context.service.database.read(context.actor.tenant) as connection:
                return await ledger.timelines(
                    connection, context.actor.tenant, ids, first=first, after=after, types=types or ()
                )

        page = await context.load(("timeline", first, after, tuple(types or ())), self.id, batch)
        return connection_of(page)  # type: ignore[arg-type]  # resolved by field name


@field(name="metric", description="A metric over the half-open interval [from, to).")
async def one_metric(
    info: Ctx,
    id: str,
    starts_at: Annotated[datetime, strawberry.argument(name="from")],
    ends_at: Annotated[datetime, strawberry.argument(name="to")],
) -> MetricValue:
    context = info.context
    context.actor.require("analytics:read")
    wanted, interval = metric.metric(id), Interval(starts_at, ends_at)
    async with context.service.database.read(context.actor.tenant) as connection:
        return await metrics.figure(connection, context.actor.tenant, wanted, interval)  # type: ignore[return-value]


@field(name="metrics", description="All metrics, in words.")
async def all_metrics(info: Ctx) -> list[MetricDefinition]:
    info.context.actor.require("analytics:read")
    return catalogue()  # type: ignore[return-value]


@field(description="Up to when each source is counted.")
async def freshness(info: Ctx) -> list[Freshness]:
    context = info.context
    context.actor.require("analytics:read")
    async with context.service.database.read(context.actor.tenant) as connection:
        return await freshness_queries.freshness(connection)  # type: ignore[return-value]


graph = Graph("analytics")
graph.add_query(one_metric, all_metrics, freshness)
graph.extend(Customer)
schema = graph.schema()
