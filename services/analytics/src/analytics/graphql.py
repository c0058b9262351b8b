"""The subgraph of analytics: metrics, and what it knows of a customer."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from analytics.activity_definitions import api as definitions
from analytics.calendar import Grain
from analytics.customer_value import reads as customer_queries
from analytics.customer_value.api import values_of
from analytics.customer_value.fit_reads import fits
from analytics.customer_value.fits import KeptFit, Model
from analytics.health.evaluation import distribution_api as health_distribution
from analytics.health.explain.api import Health, health_of
from analytics.health.model import api as health_models
from analytics.health.model.definition import Band
from analytics.health.scores import api as health_scores
from analytics.jobs import api as health_jobs
from analytics.ledger import freshness as freshness_queries
from analytics.ledger import timeline as ledger
from analytics.ledger.customers import must_be_heard_of_together
from analytics.live.graphql import SUBSCRIPTIONS
from analytics.metrics import cohorts_api as cohorts
from analytics.metrics import reads as metrics
from analytics.metrics.catalogue import metric
from analytics.metrics.parameters import question_of, reading
from analytics.metrics.rest import DimensionView, FilterText, MetricView, Version, catalogue
from analytics.nouns_graphql import Pulse, Reading, add_nouns
from analytics.playbooks import api as playbooks
from analytics.resources import PLAYBOOKS, PULSES, READINGS
from kith.nouns.graphql import Connection, Ctx, Graph, connection_of, field, load_newest
from kith.nouns.queries import DEFAULT_PAGE, Page
from kith.nouns.rest import First
from kith.scalars import Cursor, Zone

strawberry.enum(Band)
strawberry.enum(Grain)
strawberry.enum(Model, name="CustomerValueModel")


@strawberry.type
class Freshness(freshness_queries.Freshness):
    pass


@strawberry.type
class MetricComponent(metrics.Component):
    pass


@strawberry.type
class MetricGroupKey(metrics.GroupKey):
    pass


@strawberry.type(description="A figure of amounts in one currency, as if there were no others.")
class MetricCurrencyValue(metrics.CurrencyFigure):
    components: list[MetricComponent]  # type: ignore[assignment]


@strawberry.type
class MetricSlice(metrics.Slice):
    group: list[MetricGroupKey]  # type: ignore[assignment]
    components: list[MetricComponent]  # type: ignore[assignment]
    by_currency: list[MetricCurrencyValue]  # type: ignore[assignment]


@strawberry.type
class MetricValue(metrics.Figure):
    components: list[MetricComponent]  # type: ignore[assignment]
    by_currency: list[MetricCurrencyValue]  # type: ignore[assignment]
    breakdown: list[MetricSlice]  # type: ignore[assignment]
    freshness: list[Freshness]  # type: ignore[assignment]


@strawberry.type
class MetricMemberAmount(metrics.MemberAmount):
    pass


@strawberry.type
class MetricMember(metrics.MemberView):
    by_currency: list[MetricMemberAmount]  # type: ignore[assignment]


@strawberry.type
class MetricDimension(DimensionView):
    pass


@strawberry.type
class MetricDefinition(MetricView):
    dimensions: list[MetricDimension]  # type: ignore[assignment]


@strawberry.type
class TimelineEvent(ledger.TimelineEvent):
    data: JSON


@strawberry.type
class Rfm(customer_queries.Rfm):
    pass


@strawberry.type
class CustomerCurrencyValue(customer_queries.CurrencyValue):
    pass


@strawberry.type
class CustomerValue(customer_queries.CustomerValue):
    rfm: Rfm | None
    by_currency: list[CustomerCurrencyValue]  # type: ignore[assignment]


@strawberry.type
class CustomerValueFit(KeptFit):
    parameters: JSON  # type: ignore[assignment]
    standard_errors: JSON  # type: ignore[assignment]


@strawberry.federation.type(keys=["id"])
class Customer:
    """The customer belongs to contacts; here is its history and its health."""

    id: UUID

    @field(
        description="How it stands and why, now or as it was at an instant; with `knownAt` by what was known then; by "
        "the model that is for it, or another in force; in words, `language` en or zh."
    )
    async def health(
        self,
        info: Ctx,
        at: datetime | None = None,
        known_at: datetime | None = None,
        model: str | None = None,
        language: str | None = None,
    ) -> Health | None:
        return await health_of(info, self.id, at, known_at, model, language)

    @field(description="What people thought of the relationship, newest first.")
    async def pulses(self, info: Ctx, first: int = 20) -> list[Pulse] | None:
        return await load_newest(info, PULSES, Pulse, of="customer_id", owner=self.id, first=first)

    @field(description="What partners' signals said of it, newest first.")
    async def readings(self, info: Ctx, first: int = 20) -> list[Reading] | None:
        return await load_newest(info, READINGS, Reading, of="customer_id", owner=self.id, first=first)

    @field(
        description="What it is worth, now or as it was at an instant; of purchases in one currency, if it is named."
    )
    async def value(self, info: Ctx, at: datetime | None = None, currency: str | None = None) -> CustomerValue | None:
        context = info.context
        context.actor.require("analytics:read")
        await must_be_heard_of_together(info, self.id)

        async def batch(ids: Sequence[UUID]) -> Mapping[UUID, Any]:  # resolved by field name
            return await values_of(context.service.database, context.actor.tenant, list(ids), at, currency)

        return await context.load(("value", at, currency), self.id, batch)

    @field(description="Every exchange with the customer, and with those merged into it, newest first.")
    async def timeline(
        self,
        info: Ctx,
        first: First = DEFAULT_PAGE,
        after: Cursor | None = None,
        types: list[str] | None = None,
        starts_at: Annotated[datetime | None, strawberry.argument(name="from")] = None,
        ends_at: Annotated[datetime | None, strawberry.argument(name="to")] = None,
    ) -> Connection[TimelineEvent] | None:
        context = info.context
        context.actor.require("analytics:read")
        wanted = ledger.Wanted(first, after, tuple(types or ()), starts_at, ends_at)
        await must_be_heard_of_together(info, self.id)

        async def batch(ids: Sequence[UUID]) -> Mapping[UUID, Page[ledger.TimelineEvent]]:
            async with context.service.database.read(context.actor.tenant) as connection:
                return await ledger.timelines(connection, context.actor.tenant, ids, wanted)

        page = await context.load(("timeline", wanted), self.id, batch)
        return connection_of(page)  # type: ignore[arg-type]  # resolved by field name


From = Annotated[datetime, strawberry.argument(name="from")]
To = Annotated[datetime, strawberry.argument(name="to")]


@field(name="metric", description="A metric over the half-open interval [from, to), whole and by period and group.")
async def one_metric(
    info: Ctx,
    id: str,
    starts_at: From,
    ends_at: To,
    grain: Grain | None = None,
    group_by: list[str] | None = None,
    filter: list[FilterText] | None = None,
    zone: Zone | None = None,
    activity: Version | None = None,
    known_at: datetime | None = None,
) -> MetricValue:
    found = await _figures(info, [id], starts_at, ends_at, grain, group_by, filter, zone, activity, known_at)
    return found[0]


@field(description="Several metrics at once, in one pass.")
async def metric_values(
    info: Ctx,
    ids: list[str],
    starts_at: From,
    ends_at: To,
    grain: Grain | None = None,
    group_by: list[str] | None = None,
    filter: list[FilterText] | None = None,
    zone: Zone | None = None,
    activity: Version | None = None,
    known_at: datetime | None = None,
) -> list[MetricValue]:
    return await _figures(info, ids, starts_at, ends_at, grain, group_by, filter, zone, activity, known_at)


async def _figures(
    info: Ctx,
    ids: Sequence[str],
    starts_at: datetime,
    ends_at: datetime,
    grain: Grain | None,
    group_by: Sequence[str] | None,
    filter: Sequence[str] | None,
    zone: str | None,
    activity: int | None,
    known_at: datetime | None,
) -> list[MetricValue]:
    context = info.context
    context.actor.require("analytics:read")
    tenant, wanted = (
        context.actor.tenant,
        [metric(id, asked_as="ids" if len(ids) > 1 else "id") for id in dict.fromkeys(ids)],
    )
    async with reading(context.service.database, tenant, wanted, ends_at, known_at) as connection:
        question = await question_of(
            connection,
            tenant,
            starts_at,
            ends_at,
            grain=grain,
            group_by=group_by or (),
            filters=filter or (),
            zone=zone,
            activity=activity,
            known_at=known_at,
        )
        return await metrics.figures(connection, tenant, wanted, question)  # type: ignore[return-value]


@field(description="Whom or what a part of a metric counts, each with the event that put it there.")
async def metric_members(
    info: Ctx,
    id: str,
    starts_at: From,
    ends_at: To,
    part: str = "numerator",
    filter: list[FilterText] | None = None,
    zone: Zone | None = None,
    activity: Version | None = None,
    known_at: datetime | None = None,
    first: First = DEFAULT_PAGE,
    after: Cursor | None = None,
) -> Connection[MetricMember]:
    context = info.context
    context.actor.require("analytics:read")
    tenant, wanted = context.actor.tenant, metric(id)
    async with reading(context.service.database, tenant, [wanted], ends_at, known_at) as connection:
        question = await question_of(
            connection,
            tenant,
            starts_at,
            ends_at,
            filters=filter or (),
            zone=zone,
            activity=activity,
            known_at=known_at,
        )
        page = await metrics.members(connection, tenant, wanted, question, part=part, first=first, after=after)
    return connection_of(page)  # type: ignore[arg-type]  # resolved by field name


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


@field(description="The fits that predict what customers are worth, newest first.")
async def customer_value_fits(info: Ctx) -> list[CustomerValueFit]:
    context = info.context
    context.actor.require("analytics:read")
    async with context.service.database.read(context.actor.tenant) as connection:
        return await fits(connection, context.actor.tenant)  # type: ignore[return-value]


graph = Graph("analytics")
graph.add_query(one_metric, metric_values, metric_members, all_metrics, customer_value_fits, freshness)
graph.add_query(*cohorts.QUERIES, *definitions.QUERIES, *health_jobs.QUERIES, *health_distribution.QUERIES)
graph.add_query(*health_models.QUERIES, *health_scores.QUERIES)
add_nouns(graph)
graph.add(PLAYBOOKS, playbooks.Playbook)
graph.add_query(*playbooks.QUERIES)
graph.add_subscription(*SUBSCRIPTIONS)
graph.extend(Customer)
schema = graph.schema()
