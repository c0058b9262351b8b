"""Metrics over both APIs."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, TypeVar
from uuid import UUID

import strawberry

from analytics.calendar import Grain
from analytics.customer import READ, Customer
from analytics.elsewhere import Product, Team, User
from analytics.ledger.api import Freshness
from analytics.metrics import figure
from analytics.metrics.catalogue import metric
from analytics.metrics.members import MemberAmount, MemberView, members
from analytics.metrics.parameters import answer, question_of, reading
from analytics.metrics.rest import DimensionView, FilterText, MetricsQuery, MetricView, Version, catalogue, router
from kith import scalars
from kith.api import Feature
from kith.graphql.context import Ctx
from kith.graphql.fields import Connection, connection_of, field
from kith.nouns.lists.pages import DEFAULT_PAGE
from kith.nouns.parameters import First
from kith.scalars import Cursor

strawberry.enum(Grain)


@strawberry.type
class MetricComponent(figure.Component):
    pass


Named = TypeVar("Named", Product, User, Team, Customer)
NAMES: Mapping[str, type] = {
    "product": Product,
    **dict.fromkeys(("owner", "opportunity_owner", "activity_owner", "lead_owner", "assignee"), User),
    "opportunity_team": Team,
    "ultimate_parent": Customer,
}
"""What the values of dimensions are ids of."""


def _named(key: figure.GroupKey, kind: type[Named]) -> Named | None:
    if key.value is None or NAMES.get(key.dimension) is not kind:
        return None
    try:
        return kind(id=UUID(key.value))
    except ValueError:  # events from before may name what is no id
        return None


@strawberry.type(description="A value of a dimension, and what it is the id of, if it is one.")
class MetricGroupKey(figure.GroupKey):
    @strawberry.field
    def product(self) -> Product | None:
        return _named(self, Product)

    @strawberry.field
    def user(self) -> User | None:
        return _named(self, User)

    @strawberry.field
    def team(self) -> Team | None:
        return _named(self, Team)

    @strawberry.field
    def customer(self) -> Customer | None:
        return _named(self, Customer)


@strawberry.type(description="A figure of amounts in one currency, as if there were no others.")
class MetricCurrencyValue(figure.CurrencyFigure):
    components: list[MetricComponent]  # type: ignore[assignment]


@strawberry.type
class MetricSlice(figure.Slice):
    group: list[MetricGroupKey]  # type: ignore[assignment]
    components: list[MetricComponent]  # type: ignore[assignment]
    by_currency: list[MetricCurrencyValue]  # type: ignore[assignment]


@strawberry.type
class MetricValue(figure.Figure):
    components: list[MetricComponent]  # type: ignore[assignment]
    by_currency: list[MetricCurrencyValue]  # type: ignore[assignment]
    breakdown: list[MetricSlice]  # type: ignore[assignment]
    freshness: list[Freshness]  # type: ignore[assignment]


@strawberry.type
class MetricMemberAmount(MemberAmount):
    pass


@strawberry.type
class MetricMember(MemberView):
    by_currency: list[MetricMemberAmount]  # type: ignore[assignment]


@strawberry.type
class MetricDimension(DimensionView):
    pass


@strawberry.type
class MetricDefinition(MetricView):
    dimensions: list[MetricDimension]  # type: ignore[assignment]


FromArgument = Annotated[datetime, strawberry.argument(name="from")]
ToArgument = Annotated[datetime, strawberry.argument(name="to")]


@field(name="metric", description="A metric over the half-open interval [from, to), whole and by period and group.")
async def one_metric(
    info: Ctx,
    id: str,
    starts_at: FromArgument,
    ends_at: ToArgument,
    grain: Grain | None = None,
    group_by: list[str] | None = None,
    filter: list[FilterText] | None = None,
    zone: scalars.Zone | None = None,
    activity: Version | None = None,
    known_at: datetime | None = None,
    currency: scalars.Currency | None = None,
) -> MetricValue:
    found = await _figures(info, [id], starts_at, ends_at, grain, group_by, filter, zone, activity, known_at, currency)
    return found[0]


@field(description="Several metrics at once, in one pass.")
async def metric_values(
    info: Ctx,
    ids: list[str],
    starts_at: FromArgument,
    ends_at: ToArgument,
    grain: Grain | None = None,
    group_by: list[str] | None = None,
    filter: list[FilterText] | None = None,
    zone: scalars.Zone | None = None,
    activity: Version | None = None,
    known_at: datetime | None = None,
    currency: scalars.Currency | None = None,
) -> list[MetricValue]:
    return await _figures(info, ids, starts_at, ends_at, grain, group_by, filter, zone, activity, known_at, currency)


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
    currency: str | None,
) -> list[MetricValue]:
    context = info.context
    reach = context.actor.reach(READ)
    tenant, wanted = (
        context.actor.tenant,
        [metric(id, parameter="ids" if len(ids) > 1 else "id") for id in dict.fromkeys(ids)],
    )
    _, found = await answer(
        context.service.database,
        tenant,
        reach,
        wanted,
        starts_at,
        ends_at,
        grain=grain,
        group_by=group_by or (),
        filters=filter or (),
        zone=zone,
        activity=activity,
        known_at=known_at,
        currency=currency,
    )
    return found  # type: ignore[return-value]


@field(description="Whom or what a part of a metric counts, each with the event that put it there.")
async def metric_members(
    info: Ctx,
    id: str,
    starts_at: FromArgument,
    ends_at: ToArgument,
    part: str = "numerator",
    filter: list[FilterText] | None = None,
    zone: scalars.Zone | None = None,
    activity: Version | None = None,
    known_at: datetime | None = None,
    first: First = DEFAULT_PAGE,
    after: Cursor | None = None,
) -> Connection[MetricMember]:
    context = info.context
    reach = context.actor.reach(READ)
    tenant, wanted = context.actor.tenant, metric(id)
    async with reading(context.service.database, tenant, [wanted], ends_at, known_at) as connection:
        question = await question_of(
            connection,
            tenant,
            reach,
            starts_at,
            ends_at,
            filters=filter or (),
            zone=zone,
            activity=activity,
            known_at=known_at,
        )
        page = await members(connection, tenant, wanted, question, part=part, first=first, after=after)
    return connection_of(page)  # type: ignore[arg-type]  # resolved by field name


@field(name="metrics", description="All metrics, in words.")
async def all_metrics(info: Ctx) -> list[MetricDefinition]:
    info.context.actor.reach(READ)
    return catalogue()  # type: ignore[return-value]


FEATURE = Feature(
    queries=(one_metric, metric_values, metric_members, all_metrics), routers=(router,), models=(MetricsQuery,)
)
