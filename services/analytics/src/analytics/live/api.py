"""Subscriptions. Each event comes with a cursor; who was cut off subscribes again `after` the last one it got."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, fields
from dataclasses import field as dataclass_field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import strawberry

from analytics.customer import READ, Customer
from analytics.health.model.definition import Band, Cause
from analytics.live import reads as live
from analytics.live.feed import Delivery, Feed, Feeds, Gauge, Look, arrived_any, feeds_of, follow
from analytics.live.reads import Cursor, Page, Position, digest, timeline_after
from analytics.metrics.api import MetricValue
from analytics.metrics.catalogue import metric
from analytics.metrics.converted import RATES, ensure_converts
from analytics.metrics.event_types import event_types_of
from analytics.metrics.figure import Figure
from analytics.metrics.parameters import Parameters, answer, question_of
from analytics.metrics.question import Question
from analytics.metrics.rest import FilterText, Version
from analytics.projections.as_known_at import types_needed
from analytics.projections.merging import MERGES
from analytics.projections.owners import out_of_reach
from analytics.timeline.api import TimelineEvent
from analytics.timeline.reads import TimelineEvent as Exchange
from kith import scalars
from kith.api import Feature
from kith.errors import Invalid, NotFound
from kith.events.catalogue import versions_of
from kith.graphql.context import Ctx
from kith.graphql.fields import field, subscription, watching
from kith.reach import Reach

TRAILING_SECONDS = 60.0
"""After so long a figure of the last days, or of an interval that goes on, is computed anew though nothing came: it is
of other days then, or its end has come."""
MAX_DAYS = 3660
MAX_CUSTOMERS = 500
CURSOR = "Keep the newest: it is where you go on `after`."
NOTHING = "Null: nothing more for now. Comes when you have caught up, and every quarter of a minute."


@strawberry.type(description="An event of a customer's timeline; without one, only how far you are.")
class TimelineUpdate:
    cursor: str = strawberry.field(description=CURSOR)
    event: TimelineEvent | None = strawberry.field(description=NOTHING)


@strawberry.type(description="A figure, as of when it was computed.")
class MetricUpdate:
    cursor: str = strawberry.field(description=CURSOR)
    figure: MetricValue


@strawberry.type
class HealthDriver(live.HealthDriver):
    pass


@strawberry.type(name="HealthChange", description="A customer came into another band.")
class HealthChange(live.HealthChange):
    drivers: list[HealthDriver]  # type: ignore[assignment]

    @field(description="Whose health it is.")
    def customer(self) -> Customer:
        return Customer(id=self.customer_id)


@strawberry.type(description="A change of health; without one, only how far you are.")
class HealthUpdate:
    cursor: str = strawberry.field(description=CURSOR)
    change: HealthChange | None = strawberry.field(description=NOTHING)


@strawberry.input(description="All that is given must match; a list matches if one of it does. Nothing given: all.")
class HealthChangeFilter:
    bands: list[Band] | None = strawberry.field(default=None, description="it came into one of these")
    from_bands: list[Band] | None = strawberry.field(default=None, description="it came out of one of these")
    causes: list[Cause] | None = None
    customer_ids: list[UUID] | None = strawberry.field(default=None, description="up to 500")

    def checked(self) -> "HealthChangeFilter":
        """Raises Invalid."""
        if self.customer_ids is not None and len(self.customer_ids) > MAX_CUSTOMERS:
            raise Invalid(f"Up to {MAX_CUSTOMERS} customers can be named.", field="filter.customer_ids")
        return self

    def takes(self, change: live.HealthChange) -> bool:
        criteria = (
            (self.bands, change.band),
            (self.from_bands, change.from_band),
            (self.causes, change.cause),
            (self.customer_ids, change.customer_id),
        )
        return all(wanted is None or found in wanted for wanted, found in criteria)


@subscription(
    description="Each change of a customer's band, by what happened or by silence alone, as it becomes known; from now "
    "on, or all after a cursor, each once, however long ago that was."
)
async def health_changed(
    info: Ctx, filter: HealthChangeFilter | None = None, after: scalars.Cursor | None = None
) -> AsyncGenerator[HealthUpdate, None]:
    feed, tenant, reach = _feed(info)
    wanted = (filter or HealthChangeFilter()).checked()
    within_reach = None if reach.owners is None else frozenset(reach.owners)
    follows = _Follows("health/1", digest(tenant), after)
    start, epoch = await follows.start(feed)

    async def read(position: Position) -> Page[live.HealthChange]:
        page = await feed.health_after(position, epoch)
        rows = [(at, change) for at, change in page.rows if wanted.takes(change)]
        if rows and within_reach is not None:
            owners = await feed.owners([change.customer_id for _, change in rows])
            rows = [(at, change) for at, change in rows if owners[change.customer_id] in within_reach]
        return page._replace(rows=rows)

    async def updates() -> AsyncIterator[HealthUpdate]:
        async for delivery in follow(feed, start, read, lambda look: look.health_changed, of_health=True):
            yield HealthUpdate(cursor=follows.cursor(delivery, epoch), change=_shown(delivery.event))

    return watching(info, updates())


def _shown(change: live.HealthChange | None) -> HealthChange | None:
    return None if change is None else HealthChange(**{each.name: getattr(change, each.name) for each in _OF_CHANGE})


_OF_CHANGE = fields(live.HealthChange)


@subscription(
    description="Each exchange with the customer, and with ones merged into it, as it becomes known; from now on, or "
    "all after a cursor, each once, however long ago that was."
)
async def timeline(
    info: Ctx, customer_id: UUID, after: scalars.Cursor | None = None
) -> AsyncGenerator[TimelineUpdate, None]:
    feed, tenant, reach = _feed(info)
    follows = _Follows("timeline/1", digest(tenant, customer_id), after)
    start, epoch = await follows.start(feed)
    selves = frozenset((customer_id,))

    async def read(position: Position) -> Page[Exchange]:
        nonlocal selves
        async with feed.gate, feed.database.read(tenant) as connection:
            if await out_of_reach(connection, tenant, reach, [customer_id]):
                raise NotFound.of("customer", customer_id)
            found = await timeline_after(connection, tenant, customer_id, position, epoch)
        selves = found.selves
        return found.page

    def concerns(look: Look) -> bool:
        return arrived_any(look, lambda each: each.is_of(selves) or not each.types.isdisjoint(MERGES))

    async def updates() -> AsyncIterator[TimelineUpdate]:
        async for delivery in follow(feed, start, read, concerns):
            yield TimelineUpdate(cursor=follows.cursor(delivery, epoch), event=delivery.event)  # type: ignore[arg-type]

    return watching(info, updates())


@subscription(
    description="The figure, at once, and whenever something came that made it another one. Give an interval, or so "
    "many `days` up to now. Computed at most once a second: if it changes faster, you get the newest. With `after`, "
    "nothing comes until the figure is another one than that of the cursor."
)
async def metric_changed(
    info: Ctx,
    id: str,
    starts_at: Annotated[datetime | None, strawberry.argument(name="from")] = None,
    ends_at: Annotated[datetime | None, strawberry.argument(name="to")] = None,
    days: int | None = None,
    filter: list[FilterText] | None = None,
    zone: scalars.Zone | None = None,
    activity: Version | None = None,
    currency: scalars.Currency | None = None,
    after: scalars.Cursor | None = None,
) -> AsyncGenerator[MetricUpdate, None]:
    feed, tenant, reach = _feed(info)
    feeds = feeds_of(feed.database)
    subscribed = SubscribedMetric(id, starts_at, ends_at, days, tuple(filter or ()), zone, activity, currency)
    watched = WatchedMetric(feeds, tenant, reach, subscribed)
    await watched.check()
    of = digest(tenant, subscribed)
    seen = Cursor.of_text(after, kind="metric/1", of=of).state if after is not None else None
    goes_on = ends_at is None or ends_at > datetime.now(UTC)
    every = TRAILING_SECONDS if goes_on else None
    gauge = feeds.gauge(tenant, (subscribed, reach.owners), lambda: Gauge(feed, watched, every))

    async def updates() -> AsyncIterator[MetricUpdate]:
        async for mark, figure in gauge.values(seen):
            yield MetricUpdate(cursor=str(Cursor("metric/1", of, mark)), figure=figure)  # type: ignore[arg-type]

    return watching(info, updates())


FEATURE = Feature(subscriptions=(health_changed, timeline, metric_changed))


def _feed(info: Ctx) -> tuple[Feed, str, Reach]:
    context = info.context
    reach = context.actor.reach(READ)
    context.service.subscription_limiter.check(context.actor.tenant)
    return feeds_of(context.service.database).of(context.actor.tenant), context.actor.tenant, reach


@dataclass(frozen=True)
class _Follows:
    """What a subscription follows, and the cursor it is to go on after."""

    kind: str
    of: str
    after: str | None

    async def start(self, feed: Feed) -> tuple[Position, str]:
        """And the epoch. Raises Invalid, CursorLost and Interrupted."""
        cursor = Cursor.of_text(self.after, kind=self.kind, of=self.of) if self.after is not None else None
        horizon = await feed.horizon()
        return cursor.position(horizon) if cursor is not None else Position(horizon.arrived), horizon.epoch

    def cursor(self, delivery: Delivery[Any], epoch: str) -> str:
        return str(Cursor(self.kind, self.of, epoch, *delivery.position))


@dataclass(frozen=True)
class SubscribedMetric:
    """Of a metric, in the words of the API."""

    id: str
    starts_at: datetime | None
    ends_at: datetime | None
    days: int | None
    filters: tuple[str, ...]
    zone: str | None
    activity: int | None
    currency: str | None

    @property
    def parameters(self) -> Parameters:
        return {"filters": self.filters, "zone": self.zone, "activity": self.activity, "currency": self.currency}

    def interval(self, now: datetime) -> tuple[datetime, datetime]:
        """Raises Invalid unless it is one interval."""
        if self.days is not None and (self.starts_at, self.ends_at) != (None, None):
            raise Invalid("Give an interval by `from` and `to`, or so many `days` up to now; not both.", field="days")
        if self.days is not None:
            if not 1 <= self.days <= MAX_DAYS:
                raise Invalid(f"It is 1 to {MAX_DAYS}.", field="days")
            return now - timedelta(days=self.days), now
        if self.starts_at is None or self.ends_at is None:
            missing = "from" if self.starts_at is None else "to"
            raise Invalid("Give an interval by `from` and `to`, or so many `days` up to now.", field=missing)
        return self.starts_at, self.ends_at


@dataclass
class WatchedMetric:
    feeds: Feeds
    tenant: str
    reach: Reach
    subscribed: SubscribedMetric
    types: frozenset[str] | None = dataclass_field(default=None, init=False)
    """Events that may change the figure. None: any."""

    async def check(self) -> None:
        """Raises what is wrong with the query, before anybody watches it."""
        wanted, interval = metric(self.subscribed.id), self.subscribed.interval(datetime.now(UTC))
        if self.subscribed.currency is not None:
            ensure_converts([wanted])
        async with self.feeds.database.read(self.tenant) as connection:
            (await self._question(connection, *interval)).of(wanted, interval)

    async def compute(self) -> Figure:
        wanted, interval = metric(self.subscribed.id), self.subscribed.interval(datetime.now(UTC))
        async with self.feeds.computing:
            question, (figure,) = await answer(
                self.feeds.database, self.tenant, self.reach, [wanted], *interval, **self.subscribed.parameters
            )
        types = event_types_of([wanted]) | (RATES if question.currency is not None else frozenset())
        needed = types_needed(types, question.policy)
        self.types = None if needed is None else frozenset(each for type in needed for each in versions_of(type))
        return figure

    async def _question(self, connection: Any, starts_at: datetime, ends_at: datetime) -> Question:
        asked = self.subscribed.parameters
        return await question_of(connection, self.tenant, self.reach, starts_at, ends_at, **asked)

    def mark(self, figure: Figure) -> str:
        components = [(each.name, each.value) for each in figure.components]
        return digest(figure.value, figure.numerator, figure.denominator, components, figure.by_currency)

    def concerns(self, look: Look) -> bool:
        types = self.types
        return arrived_any(look, lambda each: types is None or not types.isdisjoint(each.types))
