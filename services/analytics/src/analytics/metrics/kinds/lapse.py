"""Lapses: the time that customers took from one event to another, where the other lies in the interval."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Numeric, Subquery, and_, case, cast, extract, func, literal, or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.metrics.kinds.kind import AddsUp, MeasureKind
from analytics.metrics.kinds.over_facts import add_cells
from analytics.metrics.measure import Count, Lapse, Median, Sum
from analytics.metrics.phrases import events_in_words
from analytics.metrics.query import Cells, Member, MetricQuery, Slices, Value, Weighed, period_of
from analytics.projections.tables import facts
from kith.nouns.lists.pages import Position

_TAKEN = {Count: "counted", Sum: "their lapses added up", Median: "the median of their lapses"}


class LapseKind(MeasureKind[Lapse]):
    async def evaluate(self, connection: AsyncConnection, query: MetricQuery, measures: Sequence[Lapse]) -> Cells:
        found: Cells = {}
        for ends in dict.fromkeys(each.ends for each in measures):
            alike = [each for each in measures if each.ends == ends]
            each = _each_customer(query, *ends)
            slices = Slices(query, each, each.c.customer_id, literal(query.ends_at))
            index = [period_of(each.c.time, query), *slices.by]
            columns = [_total(measure, each.c.seconds) for measure in alike]
            statement = select(*index, *columns).select_from(slices.join(each)).where(*slices.where).group_by(*index)
            add_cells(found, await connection.execute(statement), query, alike)
        return found

    async def members(
        self,
        connection: AsyncConnection,
        query: MetricQuery,
        terms: Sequence[Weighed[Lapse]],
        after: Position | None,
        first: int,
    ) -> list[Member]:
        """Returns the customers, each with the event that ended its lapse. All terms have the same ends."""
        each = _each_customer(query, *terms[0].measure.ends)
        slices = Slices(query, each, each.c.customer_id, literal(query.ends_at))
        e = each.c
        value: ColumnElement[Any] = literal(0)
        for term in terms:
            value = value + term.sign * (e.seconds if isinstance(term.measure.of, Sum) else literal(1))
        statement = select(e.customer_id, e.subject, e.event_id, e.type, e.time, cast(value, Numeric), e.customer_id)
        statement = statement.select_from(slices.join(each)).where(*slices.where)
        if after is not None:
            statement = statement.where(e.customer_id > after.id)
        rows = await connection.execute(statement.order_by(e.customer_id).limit(first))
        return [Member._make((*row, {})) for row in rows]

    def describe(self, measure: Lapse) -> str:
        since = "; or without one, from ".join(events_in_words(types) for types in measure.since)
        first = f"customers from their first {since}, to their first {events_in_words(measure.until)} in the interval"
        return f"{first}, {_TAKEN[type(measure.of)]}"

    def event_types(self, measure: Lapse) -> Iterable[str]:
        return {*measure.until, *(type for types in measure.since for type in types)}

    def adds_up(self, measure: Lapse) -> AddsUp:
        return AddsUp.NOTHING if isinstance(measure.of, Median) else AddsUp.EVERYTHING

    def needs_end(self, _: Lapse) -> bool:
        return False

    def empty(self, measure: Lapse) -> Value:
        return None if isinstance(measure.of, Median) else super().empty(measure)


def _total(measure: Lapse, seconds: ColumnElement[Any]) -> ColumnElement[Any]:
    match measure.of:
        case Count():
            return func.count()
        case Sum():
            return func.sum(seconds)
        case Median():
            return cast(func.percentile_cont(0.5).within_group(seconds), Numeric)


def _each_customer(query: MetricQuery, since: Sequence[tuple[str, ...]], until: tuple[str, ...]) -> Subquery:
    """Selects the customers whose first event of `until` lies in the interval, with that event."""
    f = facts.c
    ended = (
        select(f.customer_id, f.subject, f.event_id, f.type, f.time)
        .where(f.tenant_id == query.tenant, f.type.in_(until), f.customer_id.is_not(None), f.time < query.ends_at)
        .ext(distinct_on(f.customer_id))
        .order_by(f.customer_id, f.time, f.event_id)
        .subquery("ended")
    )
    columns = [func.min(f.time).filter(f.type.in_(types)).label(f"since_{n}") for n, types in enumerate(since)]
    began = (
        select(f.customer_id, *columns)
        .where(f.tenant_id == query.tenant, or_(*(f.type.in_(types) for types in since)), f.time < query.ends_at)
        .group_by(f.customer_id)
        .subquery("began")
    )
    before = [case((began.c[each.name] <= ended.c.time, began.c[each.name])) for each in columns]
    seconds = cast(extract("epoch", ended.c.time - func.coalesce(*before)), Numeric)
    return (
        select(*ended.c, seconds.label("seconds"))
        .select_from(ended.join(began, began.c.customer_id == ended.c.customer_id))
        .where(and_(ended.c.time >= query.starts_at, func.coalesce(*before).is_not(None)))
        .subquery("each")
    )
