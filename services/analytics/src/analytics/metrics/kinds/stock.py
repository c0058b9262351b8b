"""Stocks: the state of aggregates at the end of each period."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, time, timedelta
from typing import Any

from sqlalchemy import ARRAY, FromClause, Select, Text, cast, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.calendar import zone_of
from analytics.metrics.kinds.kind import AddsUp, MeasureKind
from analytics.metrics.kinds.over_facts import OverFacts, add_cells, is_of_amount
from analytics.metrics.measure import DayIn, InstantIn, Overridden, Stock
from analytics.metrics.phrases import condition_in_words, joined, plural, taken_in_words
from analytics.metrics.query import (
    Cells,
    Ends,
    Member,
    MetricQuery,
    Slices,
    Weighed,
    may_be_overridden,
    overrides_of,
)
from analytics.projections.facts import attributes_of, types_of
from analytics.projections.tables import facts
from kith.db.tables import Moment
from kith.nouns.lists.pages import Position


class StockKind(MeasureKind[Stock]):
    async def evaluate(self, connection: AsyncConnection, query: MetricQuery, measures: Sequence[Stock]) -> Cells:
        over = _Standing(query, measures)
        columns = [over.total(measure) for measure in measures]
        index = [over.instants.c.index - 1, *over.slices.by]
        found: Cells = {}
        rows = await connection.execute(over.where(select(*index, *columns)).group_by(*index))
        add_cells(found, rows, query, measures)
        return found

    async def members(
        self,
        connection: AsyncConnection,
        query: MetricQuery,
        terms: Sequence[Weighed[Stock]],
        after: Position | None,
        first: int,
    ) -> list[Member]:
        over = _Standing(query, [term.measure for term in terms])
        amounts = any(self.is_amount(term.measure) for term in terms)
        return await over.members(connection, terms, after, first, amounts=amounts)

    def describe(self, measure: Stock) -> str:
        noun = measure.noun
        clauses = [condition_in_words(noun, each) for each in measure.where]
        return joined(f"{plural(noun.rpartition('.')[2])} at the end", clauses, taken_in_words(measure.of, noun))

    def event_types(self, measure: Stock) -> Iterable[str]:
        return types_of(measure.noun)

    def adds_up(self, measure: Stock) -> AddsUp:
        return AddsUp.NOTHING if _is_of_period(measure) else AddsUp.LAST_PERIOD

    def needs_end(self, measure: Stock) -> bool:
        return not _is_of_period(measure)

    def is_amount(self, measure: Stock) -> bool:
        return is_of_amount(measure.of)

    def has_currency(self, measure: Stock) -> bool:
        return "currency" in attributes_of(measure.noun)


def _is_of_period(measure: Stock) -> bool:
    """Whether it takes what is of the period itself, and so is known while that lasts."""
    return any(isinstance(each, DayIn | InstantIn) for each in measure.where)


class _Standing(OverFacts[Stock]):
    """The facts that held at the end of each period: for each aggregate its last one before."""

    key = (facts.c.subject,)

    def __init__(self, query: MetricQuery, measures: Sequence[Stock]) -> None:
        super().__init__(query, measures)
        days = [_first_day(each, query) for each in (*query.boundaries[:-1], query.until or query.ends_at)]
        boundaries = list(query.boundaries)
        columns: dict[str, tuple[list[Any], Any]] = {
            "starts_at": (boundaries[:-1], ARRAY(Moment)),
            "at": (boundaries[1:], ARRAY(Moment)),
            "first_day": (days[:-1], ARRAY(Text)),
            "after_last": (days[1:], ARRAY(Text)),
        }
        each = func.unnest(*(cast(literal(values, kind), kind) for values, kind in columns.values()))
        self.instants = each.table_valued(*columns, with_ordinality="index").render_derived("instants")
        self.ends = Ends(*(self.instants.c[name] for name in columns))
        self.slices = Slices(query, facts, facts.c.customer_id, self.instants.c.at)
        conditions = [each for measure in measures for each in measure.where]
        self.overrides = {
            each.whose: overrides_of(each.whose, query, self.instants, self.slices)
            for each in conditions
            if isinstance(each, Overridden)
        }

    def where(self, statement: Select[Any]) -> Select[Any]:
        at = self.instants.c.at
        held = (facts.c.time < at) & or_(facts.c.until.is_(None), facts.c.until >= at)
        source: FromClause = self.slices.join(facts.join(self.instants, held))
        for whose, by in self.overrides.items():
            source = source.outerjoin(by, may_be_overridden(by, whose, facts, self.instants, self.slices))
        types = sorted({type for measure in self.measures for type in types_of(measure.noun)})
        counted = or_(*(self.counts(measure) for measure in self.measures))
        return statement.select_from(source).where(
            facts.c.tenant_id == self.query.tenant, facts.c.type.in_(types), counted, *self.slices.where
        )

    def types(self, measure: Stock) -> Collection[str]:
        return types_of(measure.noun)

    def position(self, after: Position) -> tuple[Any, ...]:
        return (after.id,)


def _first_day(boundary: datetime, query: MetricQuery) -> str:
    """Returns the first day that begins at or after a boundary, in the zone of the query."""
    local = boundary.astimezone(zone_of(query.zone))
    begun = local.date()
    return str(begun if local.time() == time.min else begun + timedelta(days=1))
