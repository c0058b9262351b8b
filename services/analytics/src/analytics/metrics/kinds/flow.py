"""Flows: events in the interval, counted and summed."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, and_, func, literal, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.metrics import rollup_reads as totals
from analytics.metrics.activity import first_activity
from analytics.metrics.kinds.kind import AddsUp, MeasureKind
from analytics.metrics.kinds.over_facts import OverFacts, add_cells, is_of_amount
from analytics.metrics.lines import lines_of
from analytics.metrics.measure import Count, Flow, Median, OfNewCustomer, Sum
from analytics.metrics.phrases import condition_in_words, events_in_words, joined, taken_in_words
from analytics.metrics.query import Cells, Member, MetricQuery, Slices, Value, Weighed, holds, period_of
from analytics.metrics.rollup_keys import is_plain
from analytics.projections.facts import attributes_of, noun_of
from analytics.projections.tables import facts
from kith.nouns.lists.pages import Position


class FlowKind(MeasureKind[Flow]):
    async def evaluate(self, connection: AsyncConnection, query: MetricQuery, measures: Sequence[Flow]) -> Cells:
        found: Cells = {}
        plain = [measure for measure in measures if query.settled and totals.can_answer(query, measure)]
        rows = await totals.rows_of(connection, query, _types(plain)) if plain else None
        rest = measures if rows is None else [measure for measure in measures if measure not in plain]
        if rows is not None:
            await _read(connection, query, plain, _Totals(query, rows), found)
        for of_lines in (False, True):
            if alike := [measure for measure in rest if measure.of_lines is of_lines]:
                await _read(connection, query, alike, _Happened(query, alike), found)
        return found

    async def members(
        self,
        connection: AsyncConnection,
        query: MetricQuery,
        terms: Sequence[Weighed[Flow]],
        after: Position | None,
        first: int,
    ) -> list[Member]:
        over = _Happened(query, [term.measure for term in terms])
        amounts = any(self.is_amount(term.measure) for term in terms)
        return await over.members(connection, terms, after, first, amounts=amounts)

    def describe(self, measure: Flow) -> str:
        noun = noun_of(measure.types[0])
        clauses = [condition_in_words(noun, each) for each in measure.where]
        if measure.of_customers:
            clauses.append("with a known customer")
        what = f"the lines of {events_in_words(measure.types)}" if measure.of_lines else events_in_words(measure.types)
        return joined(what, clauses, taken_in_words(measure.of, noun))

    def event_types(self, measure: Flow) -> Iterable[str]:
        return measure.types

    def adds_up(self, measure: Flow) -> AddsUp:
        return AddsUp.EVERYTHING if is_plain(measure) else AddsUp.NOTHING

    def needs_end(self, _: Flow) -> bool:
        return False

    def is_amount(self, measure: Flow) -> bool:
        return is_of_amount(measure.of)

    def has_currency(self, measure: Flow) -> bool:
        return all("currency" in attributes_of(noun_of(type)) for type in measure.types)

    def empty(self, measure: Flow) -> Value:
        return None if isinstance(measure.of, Median) else super().empty(measure)


async def _read(
    connection: AsyncConnection,
    query: MetricQuery,
    measures: Sequence[Flow],
    over: "_Happened | _Totals",
    found: Cells,
) -> None:
    columns = [over.total(measure) for measure in measures]
    period = period_of(over.table.c.time, query) if query.periods > 1 else literal(0)
    index = [period.label("period"), *over.slices.by]
    statement = over.where(select(*index, *columns)).group_by(*index)
    add_cells(found, await connection.execute(statement), query, measures)


def _types(measures: Sequence[Flow]) -> list[str]:
    return sorted({type for measure in measures for type in measure.types})


class _Totals:
    """Reads the hours that are settled as totals, and the facts of all others (see metrics.rollup_reads)."""

    def __init__(self, query: MetricQuery, rows: FromClause) -> None:
        self.query = query
        self.table = rows
        self.slices = Slices(query, rows, literal(None), literal(query.ends_at))

    def where(self, statement: Select[Any]) -> Select[Any]:
        return statement.select_from(self.table).where(*self.slices.where)

    def total(self, measure: Flow) -> ColumnElement[Any]:
        added = self.table.c.n if measure.of == Count() else self.table.c.amount
        return func.coalesce(func.sum(added).filter(self._counts(measure)), 0)

    def _counts(self, measure: Flow) -> ColumnElement[bool]:
        r = self.table.c
        of_customer = r.of_customer if measure.of_customers else true()
        has_amount = r.amount.is_not(None) if measure.of == Sum() else true()
        held = (holds(each, self.table, self.query) for each in measure.where)
        return and_(r.type.in_(measure.types), of_customer, has_amount, *held)


class _Happened(OverFacts[Flow]):
    """The facts that happened in the interval, or their lines. A figure counts facts or lines, and not both."""

    def __init__(self, query: MetricQuery, measures: Sequence[Flow]) -> None:
        super().__init__(query, measures)
        (self.several,) = {each.of_lines for each in measures}
        if self.several:
            self.table = lines_of(query.tenant, _types(measures), *self._when(facts))
        r = self.table.c
        self.key = (r.time, r.event_id)
        self.slices = Slices(query, self.table, r.customer_id, literal(query.ends_at))
        self.source = self.slices.join(self.table)
        if any(isinstance(condition, OfNewCustomer) for measure in measures for condition in measure.where):
            first = first_activity(query)
            self.first_active = first.c.at
            self.source = self.source.outerjoin(first, first.c.customer_id == r.customer_id)

    def where(self, statement: Select[Any]) -> Select[Any]:
        return statement.select_from(self.source).where(
            self.table.c.tenant_id == self.query.tenant,
            self.table.c.type.in_(_types(self.measures)),
            *self._when(self.table),
            *self.slices.where,
        )

    def _when(self, table: FromClause) -> tuple[ColumnElement[bool], ...]:
        return table.c.time >= self.query.starts_at, table.c.time < self.query.ends_at

    def counts(self, measure: Flow) -> ColumnElement[bool]:
        counted = super().counts(measure)
        return and_(self.table.c.customer_id.is_not(None), counted) if measure.of_customers else counted

    def types(self, measure: Flow) -> Collection[str]:
        return measure.types

    def position(self, after: Position) -> tuple[Any, ...]:
        return after.at, after.id
