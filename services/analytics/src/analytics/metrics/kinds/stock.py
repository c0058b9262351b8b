"""Stocks: how aggregates stood at the end of each period."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, FromClause, Select, case, cast, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.metrics.measure import Count, Stock, Sum
from analytics.metrics.query import (
    Cell,
    Cells,
    Member,
    MetricQuery,
    Slices,
    Weighed,
    all_hold,
    holds,
    members_of,
    number_of,
)
from analytics.projections.facts import types_of
from analytics.projections.tables import facts
from kith.db.tables import Moment
from kith.nouns.queries import Position


async def cells(connection: AsyncConnection, query: MetricQuery, measures: Sequence[Stock]) -> Cells:
    over = _Over(query, measures)
    columns = [over.total(measure) for measure in measures]
    index = [over.instants.c.index - 1, *over.slices.by]
    found: Cells = {}
    for row in await connection.execute(over.where(select(*index, *columns)).group_by(*index)):
        values = iter(row)
        at = next(values)
        cell = found.setdefault(Cell(at, tuple(next(values) for _ in query.group_by)), {})
        cell.update(zip(measures, values, strict=True))
    return found


async def members(
    connection: AsyncConnection, query: MetricQuery, terms: Sequence[Weighed], after: Position | None, first: int
) -> list[Member]:
    f = facts
    measures = [term.measure for term in terms if isinstance(term.measure, Stock)]
    over = _Over(query, measures)
    each = zip((term.sign for term in terms), measures, strict=True)
    value = sum(
        (sign * case((over.counts(measure), over.number(measure)), else_=0) for sign, measure in each), literal(0)
    )
    statement = over.where(
        select(f.c.customer_id, f.c.subject, f.c.event_id, f.c.type, f.c.time, value, f.c.subject, f.c.currency)
    ).where(or_(*(over.counts(measure) for measure in measures)))
    if after is not None:
        statement = statement.where(f.c.subject > after.id)
    return members_of(await connection.execute(statement.order_by(f.c.subject).limit(first)), terms)


class _Over:
    """The facts that stood at each instant."""

    def __init__(self, query: MetricQuery, measures: Sequence[Stock]) -> None:
        self.query, self.measures = query, measures
        ends = func.unnest(cast(literal(list(query.boundaries[1:]), ARRAY(Moment)), ARRAY(Moment)))
        self.instants = ends.table_valued("at", with_ordinality="index").render_derived("instants")
        self.slices = Slices(query, facts, facts.c.customer_id, self.instants.c.at)

    def where(self, statement: Select[Any]) -> Select[Any]:
        at = self.instants.c.at
        stood = (facts.c.time < at) & or_(facts.c.until.is_(None), facts.c.until >= at)
        source: FromClause = self.slices.join(facts.join(self.instants, stood))
        types = sorted({type for measure in self.measures for type in types_of(measure.noun)})
        counted = or_(*(self.counts(measure) for measure in self.measures))
        return statement.select_from(source).where(
            facts.c.tenant_id == self.query.tenant, facts.c.type.in_(types), counted, *self.slices.where
        )

    def counts(self, measure: Stock) -> ColumnElement[bool]:
        conditions = [facts.c.type.in_(types_of(measure.noun))]
        if not isinstance(measure.of, Count):
            conditions.append(number_of(facts, measure.of).is_not(None))
        return all_hold([*conditions, *(holds(each, facts, self.query) for each in measure.where)])

    def number(self, measure: Stock) -> ColumnElement[Any]:
        return literal(1) if isinstance(measure.of, Count) else number_of(facts, measure.of)

    def total(self, measure: Stock) -> ColumnElement[Any]:
        match measure.of:
            case Count():
                return func.count().filter(self.counts(measure))
            case Sum():
                return func.coalesce(func.sum(number_of(facts, measure.of)).filter(self.counts(measure)), 0)
