"""The common part of flows and stocks: their values are counts, sums and medians over single facts."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, FromClause, Numeric, Row, Select, case, cast, func, literal, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.metrics.measure import Count, Flow, Lapse, Median, Of, Stock, Sum
from analytics.metrics.query import (
    Cell,
    Cells,
    Ends,
    Member,
    MetricQuery,
    Slices,
    Weighed,
    all_hold,
    holds,
    number_of,
)
from analytics.projections.tables import facts
from kith.nouns.lists.pages import Position

M = TypeVar("M", bound=Flow | Stock)


def is_of_amount(of: Of) -> bool:
    return isinstance(of, Sum | Median) and of.field == "amount"


def add_cells(
    found: Cells, rows: Iterable[Row[Any]], query: MetricQuery, measures: Sequence[Flow | Stock | Lapse]
) -> None:
    """Reads rows of a period, a value per dimension and a value per measure."""
    for row in rows:
        values = iter(row)
        period = next(values)
        cell = found.setdefault(Cell(period, tuple(next(values) for _ in query.group_by)), {})
        cell.update(zip(measures, values, strict=True))


class OverFacts(ABC, Generic[M]):
    """The facts that some measures read."""

    key: tuple[ColumnElement[Any], ...]
    """The columns by which members are ordered and paged; the last one identifies them."""
    first_active: ColumnElement[Any] | None = None
    """When the fact's customer was first active, if a measure needs it."""
    ends: Ends | None = None
    """Those of the period, if a measure needs them."""
    overrides: Mapping[str, FromClause] = MappingProxyType({})
    """By whose they are, if a measure needs them."""
    slices: Slices
    table: FromClause = facts
    """Their rows: the facts, or the lines of each."""
    several = False
    """Whether a fact may have several rows."""

    def __init__(self, query: MetricQuery, measures: Sequence[M]) -> None:
        self.query, self.measures = query, measures

    @abstractmethod
    def where(self, statement: Select[Any]) -> Select[Any]:
        """Returns the statement over these facts only."""

    @abstractmethod
    def types(self, measure: M) -> Collection[str]:
        """Returns the types of events whose facts the measure counts."""

    @abstractmethod
    def position(self, after: Position) -> tuple[Any, ...]:
        """Returns the key of the last member of the page before."""

    def counts(self, measure: M) -> ColumnElement[bool]:
        """Whether the measure counts this fact."""
        conditions = [self.table.c.type.in_(self.types(measure))]
        if not isinstance(measure.of, Count):
            conditions.append(number_of(self.table, measure.of).is_not(None))
        context = (self.table, self.query, self.first_active, self.ends, self.overrides)
        held = (holds(each, *context) for each in measure.where)
        return all_hold([*conditions, *held])

    def number(self, measure: M) -> ColumnElement[Any]:
        return literal(1) if isinstance(measure.of, Count) else number_of(self.table, measure.of)

    def total(self, measure: M) -> ColumnElement[Any]:
        counted = self.counts(measure)
        match measure.of:
            case Count():
                return func.count().filter(counted)
            case Sum():
                return func.coalesce(func.sum(number_of(self.table, measure.of)).filter(counted), 0)
            case Median():
                middle = func.percentile_cont(0.5).within_group(number_of(self.table, measure.of))
                return cast(middle.filter(counted), Numeric)

    async def members(
        self,
        connection: AsyncConnection,
        terms: Sequence[Weighed[M]],
        after: Position | None,
        first: int,
        *,
        amounts: bool,
    ) -> list[Member]:
        """Returns the facts that count, one per member; with `amounts`, the sums by currency."""
        f = self.table.c
        value: ColumnElement[Any] = sum(
            (each.sign * case((self.counts(each.measure), self.number(each.measure)), else_=0) for each in terms),
            literal(0),
        )
        own = (f.customer_id, f.subject, f.event_id, f.type, f.time)
        columns = (*own, func.sum(value) if self.several else value, self.key[-1], f.currency)
        statement = self.where(select(*columns)).where(or_(*(self.counts(each.measure) for each in terms)))
        if self.several:
            statement = statement.group_by(*own, f.currency)
        if after is not None:
            last = (literal(each) for each in self.position(after))
            statement = statement.where(tuple_(*self.key) > tuple_(*last))
        rows = await connection.execute(statement.order_by(*self.key).limit(first))
        return [Member._make((*row[:-1], {row[-1]: row[5]} if amounts else {})) for row in rows]
