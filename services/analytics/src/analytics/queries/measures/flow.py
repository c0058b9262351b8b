"""Flows: what happened in the interval, counted and added up."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Numeric, Select, case, cast, func, literal, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.domain.measure import Count, Flow, Median, OfNewCustomer, Sum
from analytics.queries.measures.asked import (
    Asked,
    Cell,
    Cells,
    Member,
    SeveralCurrencies,
    Slices,
    Weighed,
    all_hold,
    first_activity,
    holds,
    number_of,
    period_of,
)
from analytics.storage.tables import facts
from kith.queries import Position


async def cells(connection: AsyncConnection, asked: Asked, measures: Sequence[Flow]) -> Cells:
    """Raises SeveralCurrencies."""
    over = _Over(asked, measures)
    columns: list[ColumnElement[Any]] = []
    for measure in measures:
        columns.append(over.total(measure))
        if measure.of == Sum():
            columns += [fold(facts.c.currency).filter(over.counts(measure)) for fold in (func.min, func.max)]
    period = period_of(facts.c.time, asked) if asked.periods > 1 else literal(0)
    place = [period.label("period"), *over.slices.by]
    statement = over.where(select(*place, *columns).select_from(over.source)).group_by(*place)
    found: Cells = {}
    for row in await connection.execute(statement):
        values = iter(row)
        at = next(values)
        cell = found.setdefault(Cell(at, tuple(next(values) for _ in asked.group_by)), {})
        for measure in measures:
            cell[measure] = next(values)
            if measure.of == Sum():
                lowest, highest = next(values), next(values)
                if lowest != highest:
                    raise SeveralCurrencies([lowest, highest])
    return found


async def members(
    connection: AsyncConnection, asked: Asked, terms: Sequence[Weighed], after: Position | None, first: int
) -> list[Member]:
    f = facts
    measures = [term.measure for term in terms if isinstance(term.measure, Flow)]
    over = _Over(asked, measures)
    each = zip((term.sign for term in terms), measures, strict=True)
    value = sum(
        (sign * case((over.counts(measure), over.number(measure)), else_=0) for sign, measure in each), literal(0)
    )
    statement = over.where(
        select(f.c.customer_id, f.c.subject, f.c.event_id, f.c.type, f.c.time, value, f.c.event_id)
        .select_from(over.source)
        .where(or_(*(over.counts(measure) for measure in measures)))
    )
    if after is not None:
        statement = statement.where(tuple_(f.c.time, f.c.event_id) > tuple_(literal(after.at), literal(after.id)))
    rows = await connection.execute(statement.order_by(f.c.time, f.c.event_id).limit(first))
    return [Member._make(row) for row in rows]


class _Over:
    """The facts that some flows look at."""

    def __init__(self, asked: Asked, measures: Sequence[Flow]) -> None:
        self.asked, self.measures = asked, measures
        self.slices = Slices(asked, facts, facts.c.customer_id, literal(asked.ends_at))
        source: FromClause = self.slices.join(facts)
        self.first = None
        if any(isinstance(condition, OfNewCustomer) for measure in measures for condition in measure.where):
            self.first = first_activity(asked)
            source = source.outerjoin(self.first, self.first.c.customer_id == facts.c.customer_id)
        self.source = source

    def where(self, statement: Select[Any]) -> Select[Any]:
        types = sorted({type for measure in self.measures for type in measure.types})
        return statement.where(
            facts.c.tenant_id == self.asked.tenant,
            facts.c.type.in_(types),
            facts.c.time >= self.asked.starts_at,
            facts.c.time < self.asked.ends_at,
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
        return all_hold([*conditions, *(holds(each, facts, self.asked, first_at) for each in measure.where)])

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
