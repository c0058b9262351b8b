"""Metrics over REST."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from analytics.calendar import Grain
from analytics.customer import READ
from analytics.metrics.catalogue import METRICS, metric
from analytics.metrics.figure import Figure
from analytics.metrics.filtering import MAX_VALUES, FilterBy
from analytics.metrics.members import MemberView, members
from analytics.metrics.parameters import answer, question_of, reading
from kith import scalars
from kith.http.app import actor_reaching, context_of, json_response, only_known_parameters
from kith.http.auth import Actor
from kith.http.openapi import answers
from kith.nouns.lists.pages import DEFAULT_PAGE
from kith.nouns.parameters import First, body, body_of
from kith.scalars import Code, Cursor, Flag, Instant, LookedFor, Whole

Version = Annotated[int, Whole(0)]
"""The version of a definition."""
FilterText = Annotated[str, LookedFor(20_000)]
router = APIRouter(prefix="/v1", tags=["analytics"], dependencies=[Depends(only_known_parameters)])
READER: Any = actor_reaching(READ)


@dataclass(slots=True)
class DimensionView:
    name: str
    of: str
    """The source of its field: the event, the customer, ..."""
    groups: bool
    """Whether figures are grouped by it. Filtered by it they are in any case."""


@dataclass(slots=True)
class MetricView:
    id: str
    title: str
    unit: str
    words: str
    numerator: str
    denominator: str | None
    components: list[str]
    dimensions: list[DimensionView]
    at_instant: bool
    version: int
    example: str


@dataclass(slots=True)
class Catalogue:
    metrics: list[MetricView]


@dataclass(slots=True)
class Figures:
    figures: list[Figure]


@dataclass(slots=True)
class Members:
    items: list[MemberView]
    next: str | None


class MetricFilter(BaseModel):
    """Keeps these values of a dimension, or leaves them out. Null stands for customers or aggregates without a
    value."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    dimension: Code
    values: Annotated[tuple[Annotated[str, LookedFor(500)] | None, ...], Field(min_length=1, max_length=MAX_VALUES)]
    exclude: Flag = False

    def as_filter(self) -> FilterBy:
        return FilterBy(self.dimension, self.values, self.exclude)


class MetricsQuery(BaseModel):
    """Up to 20 metrics over the same interval, in one pass. Groups and filters must be dimensions of each of them."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, populate_by_name=True)

    metrics: Annotated[tuple[Code, ...], Field(min_length=1)]
    starts_at: Annotated[Instant, Field(alias="from")]
    ends_at: Annotated[Instant, Field(alias="to")]
    grain: Grain | None = None
    group_by: Annotated[tuple[Code, ...], Field(alias="groupBy")] = ()
    filter: tuple[FilterText | MetricFilter, ...] = ()
    """As in a query string, or by parts, where nothing needs quoting."""
    zone: scalars.Zone | None = None
    activity: Version | None = None
    known_at: Annotated[Instant | None, Field(alias="knownAt")] = None
    """As it was known then: by the events recorded up to that instant."""
    currency: scalars.Currency | None = None
    """In which all amounts come, each at the rate of its event's day. Null: each in its own."""


def catalogue() -> list[MetricView]:
    return [
        MetricView(
            id=each.id,
            title=each.title,
            unit=each.unit,
            words=each.words,
            numerator=each.numerator,
            denominator=each.denominator,
            components=[*each.components, *each.sums],
            dimensions=[DimensionView(one.name, one.source, one.groups) for one in each.dimensions],
            at_instant=each.at_instant,
            version=each.version,
            example=each.example,
        )
        for each in METRICS.values()
    ]


From = Annotated[Instant, Query(alias="from", description="the interval is half-open: from is in it, to is not")]
To = Annotated[Instant, Query(alias="to", description="a metric of one instant is read here")]
Periods = Annotated[Grain | None, Query(description="cuts the interval into calendar periods of the zone, up to 400")]
GroupBy = Annotated[
    list[Code] | None,
    Query(alias="groupBy", description="up to three of its dimensions, as `segment` or `custom.region`"),
]
Filters = Annotated[
    list[FilterText] | None,
    Query(
        alias="filter",
        description="`country:France,Spain`; `tag:!unidentified` leaves out; `segment:` keeps those with none; "
        'what has a comma in it, `segment:"Food, Drink & Tobacco"`',
    ),
]
Zone = Annotated[scalars.Zone | None, Query(description="IANA time zone of calendar days; the tenant's, if not named")]
Activity = Annotated[
    Version | None,
    Query(description="version of the tenant's definition of activity; the newest that is computed, if not named"),
]
KnownAt = Annotated[
    Instant | None,
    Query(alias="knownAt", description="as it was known then: by the events recorded up to that instant"),
]
InCurrency = Annotated[
    scalars.Currency | None,
    Query(
        description="in which all amounts come, each at the rate of its event's day. If not named, the tenant's base "
        "currency; where it has none, or no rates to it, or figures are grouped or filtered by it, each in its own"
    ),
]


@router.get("/metrics", operation_id="listMetrics", summary="All metrics, in words")
async def list_metrics(_: Actor = READER) -> Catalogue:
    """The meaning of each, its components, its dimensions, and a worked example."""
    return Catalogue(catalogue())


@router.get(
    "/metrics/{id}",
    operation_id="getMetric",
    summary="A metric over an interval",
    response_model=Figure,
    responses=answers(HTTPStatus.CONFLICT),
)
async def get_metric(
    request: Request,
    id: Code,
    starts_at: From,
    ends_at: To,
    grain: Periods = None,
    group_by: GroupBy = None,
    filters: Filters = None,
    zone: Zone = None,
    activity: Activity = None,
    known_at: KnownAt = None,
    currency: InCurrency = None,
    actor: Actor = READER,
) -> Response:
    """Whole, and as `breakdown` by period and group where those are requested. A metric of one instant is evaluated at
    the end of the interval, or of each period of the grain. Beside the value come its components, the versions of the
    definitions, and the instant up to which each source is counted. Null: the denominator or the set of a median is
    empty; there are amounts in several currencies, each in `by_currency`; or its instant has not come yet, as
    `complete_up_to` says."""
    wanted = metric(id)
    _, (figure,) = await answer(
        context_of(request).database,
        actor.tenant,
        actor.reach(READ),
        [wanted],
        starts_at,
        ends_at,
        grain=grain,
        group_by=group_by or (),
        filters=filters or (),
        zone=zone,
        activity=activity,
        known_at=known_at,
        currency=currency,
    )
    return json_response(figure)


@router.post(
    "/metrics:query",
    operation_id="queryMetrics",
    responses=answers(HTTPStatus.NOT_FOUND),
    summary="Several metrics at once",
    response_model=Figures,
    openapi_extra=body_of(MetricsQuery),
)
async def query_metrics(
    request: Request, query: Annotated[MetricsQuery, body(MetricsQuery)], actor: Actor = READER
) -> Response:
    """In the order of the request. The same parameters as for one metric, in a body: it is a read."""
    wanted = [metric(id, parameter="metrics") for id in dict.fromkeys(query.metrics)]
    _, found = await answer(
        context_of(request).database,
        actor.tenant,
        actor.reach(READ),
        wanted,
        query.starts_at,
        query.ends_at,
        grain=query.grain,
        group_by=query.group_by,
        filters=[each if isinstance(each, str) else each.as_filter() for each in query.filter],
        zone=query.zone,
        activity=query.activity,
        known_at=query.known_at,
        currency=query.currency,
    )
    return json_response(Figures(found))


@router.get(
    "/metrics/{id}/members",
    operation_id="listMembers",
    summary="Whom a metric counts, and by which event",
    responses=answers(HTTPStatus.CONFLICT),
    response_model=Members,
)
async def list_members(
    request: Request,
    id: Code,
    starts_at: From,
    ends_at: To,
    part: Annotated[Code, Query(description="numerator, denominator or a component's name")] = "numerator",
    filters: Filters = None,
    zone: Zone = None,
    activity: Activity = None,
    known_at: KnownAt = None,
    first: First = DEFAULT_PAGE,
    after: Cursor | None = None,
    actor: Actor = READER,
) -> Response:
    """The customers, orders or cases behind it, each with the event that proves it. Their contributions sum up to the
    part, so a part that is a median has none, and one whose instant has not come yet neither."""
    wanted = metric(id)
    async with reading(context_of(request).database, actor.tenant, [wanted], ends_at, known_at) as connection:
        question = await question_of(
            connection,
            actor.tenant,
            actor.reach(READ),
            starts_at,
            ends_at,
            filters=filters or (),
            zone=zone,
            activity=activity,
            known_at=known_at,
        )
        page = await members(connection, actor.tenant, wanted, question, part=part, first=first, after=after)
    return json_response(Members(page.rows, page.next))
