"""Recurring revenue: what subscriptions come to a month at the ends of each period, and how each customer's part of it
has moved between them.

Each span of a subscription adds to its customer's amount at the first boundary by which it has started, and takes it
off again at the first by which it has ended. A customer moves only at boundaries where that comes to something: these
are few, and every figure of every period follows from them.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Interval,
    Numeric,
    Subquery,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.metrics.definition import CURRENCY, Dimension, Source
from analytics.metrics.kinds.kind import AddsUp, MeasureKind
from analytics.metrics.measure import Movement, Recurring
from analytics.metrics.query import Cell, Cells, Member, MetricQuery, Slices, Weighed, periods_of
from analytics.projections.subscriptions import TYPES, subscription_spans
from analytics.projections.tables import facts
from kith.nouns.lists.pages import Position

_STANDING = (Movement.START, Movement.END)
_IN_WORDS = {
    Movement.START: "at the start",
    Movement.NEW: "at the end, of customers who had never paid before the start",
    Movement.REACTIVATION: "at the end, of customers who did not pay at the start and had paid before",
    Movement.EXPANSION: "more at the end than at the start, of customers who paid at both",
    Movement.CONTRACTION: "less at the end than at the start, of customers who paid at both",
    Movement.CHURN: "at the start, of customers who did not pay at the end",
    Movement.END: "at the end",
}


class RecurringKind(MeasureKind[Recurring]):
    async def evaluate(self, connection: AsyncConnection, query: MetricQuery, measures: Sequence[Recurring]) -> Cells:
        moves = _moves(query, query.group_by)
        slices = Slices(_by_customer(query), moves, moves.c.customer_id, literal(query.ends_at))
        index = [moves.c.boundary, *slices.by]
        columns = [func.coalesce(func.sum(_moved(moves, each)), 0) for each in measures]
        statement = select(*index, *columns).select_from(slices.join(moves)).where(moves.c.kept, *slices.where)
        by_group: dict[tuple[str | None, ...], dict[int, Sequence[Decimal]]] = defaultdict(dict)
        for boundary, *row in await connection.execute(statement.group_by(*index)):
            groups = len(query.group_by)
            by_group[tuple(row[:groups])][boundary] = row[groups:]
        found: Cells = {}
        for group, at in by_group.items():
            for number, measure in enumerate(measures):
                for period, value in enumerate(_values(measure, at, number, query.periods)):
                    found.setdefault(Cell(period, group), {})[measure] = value
        return found

    async def members(
        self,
        connection: AsyncConnection,
        query: MetricQuery,
        terms: Sequence[Weighed[Recurring]],
        after: Position | None,
        first: int,
    ) -> list[Member]:
        """Returns the customers, each with the last event of its subscriptions."""
        in_amounts = any(self.is_amount(term.measure) for term in terms)
        moves = _moves(query, (CURRENCY,) if in_amounts else ())
        slices = Slices(_by_customer(query), moves, moves.c.customer_id, literal(query.ends_at))
        m, value = moves.c, sum((term.sign * _contribution(moves, term.measure) for term in terms), literal(0))
        currency = m.currency if in_amounts else literal(None, Text)
        by_currency = (
            select(m.account.label("account"), currency.label("currency"), func.sum(value).label("value"))
            .select_from(slices.join(moves))
            .where(m.kept, *slices.where, *(() if after is None else (m.account > after.id,)))
            .group_by(m.account, *((m.currency,) if in_amounts else ()))
            .having(func.sum(value) != 0)
            .subquery("by_currency")
        )
        b, f = by_currency.c, facts.c
        codes, amounts = func.array_agg(b.currency), func.array_agg(cast(b.value, Numeric))
        page = select(b.account, codes.label("codes"), amounts.label("amounts")).group_by(b.account)
        chosen = page.order_by(b.account).limit(first).subquery("chosen")
        last = (
            select(f.customer_id, f.subject, f.event_id, f.type, f.time)
            .where(f.tenant_id == query.tenant, f.customer_id == chosen.c.account, f.type.in_(TYPES))
            .order_by((f.time <= query.ends_at).desc(), f.time.desc())
            .limit(1)
            .lateral("last")
        )
        columns = (last.c.subject, last.c.event_id, last.c.type, last.c.time)
        rows = await connection.execute(
            select(chosen, last.c.customer_id, *columns)
            .select_from(chosen.outerjoin(last, true()))
            .order_by(chosen.c.account)
        )
        return [
            Member(
                customer_id=customer,
                subject=subject,
                event_id=event,
                type=type,
                time=time,
                value=amounts[0] if len(amounts) == 1 else None,
                key=account,
                amounts=dict(zip(codes, amounts, strict=True)) if in_amounts else {},
            )
            for account, codes, amounts, customer, subject, event, type, time in rows
        ]

    def describe(self, measure: Recurring) -> str:
        taken = "customers who pay" if measure.customers else "monthly recurring revenue"
        return f"{taken} {_IN_WORDS[measure.movement]}"

    def event_types(self, _: Recurring) -> Iterable[str]:
        return TYPES

    def adds_up(self, measure: Recurring) -> AddsUp:
        return AddsUp.LAST_PERIOD if self._is_sum_at_end(measure) else AddsUp.NOTHING

    @staticmethod
    def _is_sum_at_end(measure: Recurring) -> bool:
        return measure.movement is Movement.END and not measure.customers

    def needs_end(self, measure: Recurring) -> bool:
        return measure.movement is not Movement.START

    def is_amount(self, measure: Recurring) -> bool:
        return not measure.customers

    def has_currency(self, _: Recurring) -> bool:
        return True


def _moves(query: MetricQuery, group_by: Sequence[Dimension]) -> Subquery:
    """Selects what each customer's amount moved by at a boundary, in each group by dimensions of subscriptions: those
    at boundary 0 say what it was at the start. What a filter of such dimensions does not keep is there, too: whether
    the customer pays at all decides what a movement is called."""
    own = [each for each in group_by if each.source is Source.EVENT]
    s = subscription_spans.c
    account = func.coalesce(s.customer_id, s.subject).label("account")
    kept = and_(true(), *(_keeps(each.dimension, each.values, exclude=each.exclude) for each in _filters(query)))
    groups = [cast(s[each.field], Text).label(each.field) for each in own]
    keys = (account, s.customer_id, kept.label("kept"), *groups)
    spans = (
        select(
            *keys,
            s.mrr,
            _boundary(s.starts_at, query).label("low"),
            _boundary(s.ends_at, query).label("high"),
            func.min(_boundary(s.starts_at, query)).over(partition_by=account).label("first"),
        )
        .where(s.tenant_id == query.tenant, s.mrr > 0, s.starts_at <= query.ends_at)
        .cte("spans")
    )
    c, lasting = spans.c, or_(spans.c.high.is_(None), spans.c.high > spans.c.low)
    names = ["account", "customer_id", "kept", *(each.field for each in own), "first"]
    mine = [c[name] for name in names]
    turns = union_all(
        select(*mine, c.low.label("boundary"), c.mrr.label("delta")).where(lasting),
        select(*mine, c.high, -c.mrr).where(lasting, c.high <= query.periods),
    ).subquery("turns")
    t = turns.c
    by = [t[name] for name in names]
    summed = select(*by, t.boundary, func.sum(t.delta).label("delta")).group_by(*by, t.boundary).subquery("summed")
    d = summed.c
    group = [d[name] for name in names]
    after = func.sum(d.delta).over(partition_by=group, order_by=d.boundary)
    total = func.sum(d.delta).over(partition_by=d.account, order_by=d.boundary)
    turned = func.sum(d.delta).over(partition_by=[d.account, d.boundary])
    return select(
        *group,
        d.boundary,
        (after - d.delta).label("before"),
        after.label("after"),
        (total - turned).label("total_before"),
        total.label("total_after"),
    ).subquery("moves")


def _boundary(moment: ColumnElement[Any], query: MetricQuery) -> ColumnElement[int]:
    """Returns the index of the first boundary at or after an instant: a span is in force from its start on."""
    return func.width_bucket(moment - literal(timedelta(microseconds=1), Interval), periods_of(query))


def _filters(query: MetricQuery) -> list[Any]:
    return [each for each in query.filters if each.dimension.source is Source.EVENT]


def _by_customer(query: MetricQuery) -> MetricQuery:
    """Returns the query without the filters by dimensions of subscriptions."""
    return replace(query, filters=tuple(each for each in query.filters if each.dimension.source is not Source.EVENT))


def _keeps(dimension: Dimension, values: Sequence[str | None], *, exclude: bool) -> ColumnElement[bool]:
    held = cast(subscription_spans.c[dimension.field], Text)
    named = func.coalesce(held.in_([each for each in values if each is not None]), False)
    kept = or_(named, held.is_(None)) if None in values else named
    return ~kept if exclude else kept


def _moved(moves: Subquery, measure: Recurring) -> ColumnElement[Any]:
    """Returns what a move adds to a measure; to one of what stands, by how much that changes."""
    m = moves.c
    if measure.movement in _STANDING:
        if measure.customers:
            return case((m.after > 0, 1), else_=0) - case((m.before > 0, 1), else_=0)
        return m.after - m.before
    began, left = m.total_before == 0, m.total_after == 0
    both = and_(m.total_before > 0, m.total_after > 0)
    counted, amount = {
        Movement.NEW: (and_(began, m.after > 0, m.first == m.boundary), m.after),
        Movement.REACTIVATION: (and_(began, m.after > 0, m.first < m.boundary), m.after),
        Movement.EXPANSION: (and_(both, m.after > m.before), m.after - m.before),
        Movement.CONTRACTION: (and_(both, m.after < m.before), m.before - m.after),
        Movement.CHURN: (and_(left, m.before > 0), m.before),
    }[measure.movement]
    return case((and_(m.boundary > 0, counted), literal(1) if measure.customers else amount), else_=0)


def _contribution(moves: Subquery, measure: Recurring) -> ColumnElement[Any]:
    """Returns what a move adds to a measure over one interval."""
    if measure.movement is Movement.START:
        return case((moves.c.boundary == 0, _moved(moves, measure)), else_=0)
    return _moved(moves, measure)


def _values(measure: Recurring, at: dict[int, Sequence[Decimal]], number: int, periods: int) -> Iterator[Decimal]:
    """Yields the measure's value of each period, given what the moves at each boundary add to it."""
    stands = Decimal()
    for boundary in range(periods + 1):
        moved = Decimal(at[boundary][number]) if boundary in at else Decimal()
        if measure.movement not in _STANDING:
            if boundary > 0:
                yield moved
            continue
        if boundary > 0 and measure.movement is Movement.START:
            yield stands
        stands += moved
        if boundary > 0 and measure.movement is Movement.END:
            yield stands
