"""Flows: what happened in the interval, counted and added up."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Numeric,
    Select,
    and_,
    case,
    cast,
    func,
    literal,
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.metrics import rollup_reads as totals
from analytics.metrics.measure import Count, Flow, Median, OfNewCustomer, Sum
from analytics.metrics.query import (
    Cell,
    Cells,
    Member,
    MetricQuery,
    Slices,
    Weighed,
    all_hold,
    first_activity,
    holds,
    members_of,
    number_of,
    period_of,
)
from analytics.projections.tables import facts
from kith.nouns.queries import Position


async def cells(connection: AsyncConnection, query: MetricQuery, measures: Sequence[Flow]) -> Cells:
    found: Cells = {}
    plain = [measure for measure in measures if query.settled and totals.can_answer(query, measure)]
    rows = await totals.rows_of(connection, query, _types(plain)) if plain else None
    rest = measures if rows is None else [measure for measure in measures if measure not in plain]
    if rows is not None:
        await _read(connection, query, plain, _Added(query, rows), found)
    if rest:
        await _read(connection, query, rest, _Over(query, rest), found)
    return found


async def _read(
    connection: AsyncConnection, query: MetricQuery, measures: Sequence[Flow], over: "_Over | _Added", found: Cells
) -> None:
    columns = [over.total(measure) for measure in measures]
    period = period_of(over.table.c.time, query) if query.periods > 1 else literal(0)
    index = [period.label("period"), *over.slices.by]
    statement = over.where(select(*index, *columns).select_from(over.source)).group_by(*index)
    for row in await connection.execute(statement):
        values = iter(row)
        at = next(values)
        cell = found.setdefault(Cell(at, tuple(next(values) for _ in query.group_by)), {})
        cell.update(zip(measures, values, strict=True))


def _types(measures: Sequence[Flow]) -> list[str]:
    return sorted({type for measure in measures for type in measure.types})


async def members(
    connection: AsyncConnection, query: MetricQuery, terms: Sequence[Weighed], after: Position | None, first: int
) -> list[Member]:
    f = facts
    measures = [term.measure for term in terms if isinstance(term.measure, Flow)]
    over = _Over(query, measures)
    each = zip((term.sign for term in terms), measures, strict=True)
    value = sum(
        (sign * case((over.counts(measure), over.number(measure)), else_=0) for sign, measure in each), literal(0)
    )
    statement = over.where(
        select(f.c.customer_id, f.c.subject, f.c.event_id, f.c.type, f.c.time, value, f.c.event_id, f.c.currency)
        .select_from(over.source)
        .where(or_(*(over.counts(measure) for measure in measures)))
    )
    if after is not None:
        statement = statement.where(tuple_(f.c.time, f.c.event_id) > tuple_(literal(after.at), literal(after.id)))
    rows = await connection.execute(statement.order_by(f.c.time, f.c.event_id).limit(first))
    return members_of(rows, terms)


class _Added:
    """What was added up, and what was not yet (see metrics.rollup_reads)."""

    def __init__(self, query: MetricQuery, rows: FromClause) -> None:
        self.query = query
        self.table = self.source = rows
        self.slices = Slices(query, rows, literal(None), literal(query.ends_at))

    def where(self, statement: Select[Any]) -> Select[Any]:
        return statement.where(*self.slices.where)

    def counts(self, measure: Flow) -> ColumnElement[bool]:
        r = self.table.c
        known = r.of_customer if measure.of_customers else true()
        told = r.amount.is_not(None) if measure.of == Sum() else true()
        return and_(
            r.type.in_(measure.types), known, told, *(holds(each, self.table, self.query) for each in measure.where)
        )

    def total(self, measure: Flow) -> ColumnElement[Any]:
        added = self.table.c.n if measure.of == Count() else self.table.c.amount
        return func.coalesce(func.sum(added).filter(self.counts(measure)), 0)


class _Over:
    """The facts that some flows look at."""

    table = facts

    def __init__(self, query: MetricQuery, measures: Sequence[Flow]) -> None:
        self.query, self.measures = query, measures
        self.slices = Slices(query, facts, facts.c.customer_id, literal(query.ends_at))
        source: FromClause = self.slices.join(facts)
        self.first = None
        if any(isinstance(condition, OfNewCustomer) for measure in measures for condition in measure.where):
            self.first = first_activity(query)
            source = source.outerjoin(self.first, self.first.c.customer_id == facts.c.customer_id)
        self.source = source

    def where(self, statement: Select[Any]) -> Select[Any]:
        return statement.where(
            facts.c.tenant_id == self.query.tenant,
            facts.c.type.in_(_types(self.measures)),
            facts.c.time >= self.query.starts_at,
            facts.c.time < self.query.ends_at,
            *self.slices.where,
        )

    def counts(self, measure: Flow) -> ColumnElement[bool]:
        """Whether it counts this fact."""
        first_at = None if self.first is None else self.first.c.at
        conditions = [facts.c.type.in_(measure.types)]
        if measure.of_customers:
            conditions.append(facts.c.customer_id.is_not(None))
        if not isinstance(measure.of, Count):
            conditions.append(number_of(facts, measure.of).is_not(None))
        return all_hold([*conditions, *(holds(each, facts, self.query, first_at) for each in measure.where)])

    def number(self, measure: Flow) -> ColumnElement[Any]:
        return literal(1) if isinstance(measure.of, Count) else number_of(facts, measure.of)

    def total(self, measure: Flow) -> ColumnElement[Any]:
        counted = self.counts(measure)
        match measure.of:
            case Count():
                return func.count().filter(counted)
            case Sum():
                return func.coalesce(func.sum(number_of(facts, measure.of)).filter(counted), 0)
            case Median():
                middle = func.percentile_cont(0.5).within_group(number_of(facts, measure.of))
                return cast(middle.filter(counted), Numeric)
