"""Recurring revenue: what subscriptions come to a month at the ends of each period, and how each customer's part of it
has moved between them.

The spans of subscriptions are read once, and reduced to a row for each customer: what it paid at each boundary, at
which of them it paid at all, as bits, and by which it first did. Every figure of every period follows from these rows.
"""

from collections.abc import Iterable, Sequence
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
    false,
    func,
    literal,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.metrics.bits import bits_between, has_bit
from analytics.metrics.definition import CURRENCY, Dimension, Source
from analytics.metrics.kinds.kind import AddsUp, MeasureKind
from analytics.metrics.measure import Movement, Recurring
from analytics.metrics.query import Cell, Cells, Filter, Member, MetricQuery, Slices, Weighed, periods_of
from analytics.projections.subscriptions import TYPES, subscription_spans
from analytics.projections.tables import facts
from kith.nouns.lists.pages import Position

PERIODS = 24
"""That one statement evaluates: each takes columns, and bits."""
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
        found: Cells = {}
        for start in range(0, query.periods, PERIODS):
            part = replace(query, boundaries=query.boundaries[start : start + PERIODS + 1])
            paid = _each_customer(part, query.group_by)
            # Groups are as of the end of the whole interval, whichever part of it this is.
            slices = Slices(_by_customer(query), paid, paid.c.account, literal(query.ends_at))
            wanted = [(period, measure) for period in range(part.periods) for measure in measures]
            columns = [func.coalesce(func.sum(_value(paid, measure, period)), 0) for period, measure in wanted]
            statement = select(*slices.by, *columns).select_from(slices.join(paid)).where(paid.c.kept, *slices.where)
            for row in await connection.execute(statement.group_by(*slices.by) if slices.by else statement):
                group, values = tuple(row[: len(query.group_by)]), row[len(query.group_by) :]
                for (period, measure), value in zip(wanted, values, strict=True):
                    found.setdefault(Cell(start + period, group), {})[measure] = Decimal(value)
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
        paid = _each_customer(query, (CURRENCY,) if in_amounts else ())
        slices = Slices(_by_customer(query), paid, paid.c.account, literal(query.ends_at))
        m, value = paid.c, sum((term.sign * _value(paid, term.measure, 0) for term in terms), literal(0))
        currency = m.currency if in_amounts else literal(None, Text)
        by_currency = (
            select(m.account.label("account"), currency.label("currency"), func.sum(value).label("value"))
            .select_from(slices.join(paid))
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
            .where(f.tenant_id == query.tenant, _is_of(chosen.c.account), f.type.in_(TYPES))
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
        times = f"{measure.months} times the " if measure.months > 1 else ""
        taken = "customers who pay" if measure.customers else f"{times}monthly recurring revenue"
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


def _is_of(account: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a fact is of a customer; or of a subscription without one, which stands for itself."""
    f = facts.c
    return or_(f.customer_id == account, and_(f.customer_id.is_(None), f.subject == account))


def _each_customer(query: MetricQuery, group_by: Sequence[Dimension]) -> Subquery:
    """Selects what each customer paid a month at each boundary, in each group by dimensions of subscriptions. What a
    filter of such dimensions does not keep is there, too: whether the customer pays at all decides what a movement is
    called."""
    s, periods = subscription_spans.c, query.periods
    own = [each.field for each in group_by if each.source is Source.EVENT]
    kept = and_(true(), *(_keeps(each) for each in query.filters if each.dimension.source is Source.EVENT))
    spans = (
        select(
            func.coalesce(s.customer_id, s.subject).label("account"),
            kept.label("kept"),
            *(cast(s[name], Text).label(name) for name in own),
            s.mrr,
            _boundary(s.starts_at, query).label("low"),
            func.coalesce(_boundary(s.ends_at, query), periods + 1).label("high"),
        )
        .where(s.tenant_id == query.tenant, s.mrr > 0, s.starts_at <= query.ends_at)
        .offset(0)  # or the boundaries would be looked up again for each of them
        .subquery("spans")
    )
    c, key = spans.c, [spans.c[name] for name in ("account", "kept", *own)]
    at_each = [
        func.coalesce(func.sum(c.mrr).filter(c.low <= n, c.high > n), 0).label(f"at_{n}") for n in range(periods + 1)
    ]
    each = select(
        *key, func.min(c.low).label("low"), func.bit_or(bits_between(c.low, c.high)).label("bits"), *at_each
    ).group_by(*key)
    e = each.subquery("each").c
    return select(
        *(column for column in e if column.name not in ("low", "bits")),
        func.min(e.low).over(partition_by=e.account).label("first"),
        func.bit_or(e.bits).over(partition_by=e.account).label("paid_at"),
    ).subquery("paid")


def _boundary(moment: ColumnElement[Any], query: MetricQuery) -> ColumnElement[int]:
    """Returns the index of the first boundary at or after an instant: a span is in force from its start on."""
    return func.width_bucket(moment - literal(timedelta(microseconds=1), Interval), periods_of(query))


def _by_customer(query: MetricQuery) -> MetricQuery:
    """Returns the query without the filters by dimensions of subscriptions."""
    return replace(query, filters=tuple(each for each in query.filters if each.dimension.source is not Source.EVENT))


def _keeps(one: Filter) -> ColumnElement[bool]:
    held = cast(subscription_spans.c[one.dimension.field], Text)
    named = func.coalesce(held.in_([each for each in one.values if each is not None]), false())
    kept = or_(named, held.is_(None)) if None in one.values else named
    return not_(kept) if one.exclude else kept


def _value(paid: Subquery, measure: Recurring, period: int) -> ColumnElement[Any]:
    """Returns what a row adds to a measure of a period."""
    was, now, first = paid.c[f"at_{period}"], paid.c[f"at_{period + 1}"], paid.c.first
    began, left = (not_(has_bit(paid.c.paid_at, boundary)) for boundary in (period, period + 1))
    stays = and_(not_(began), not_(left))
    counted, amount = {
        Movement.START: (was > 0, was),
        Movement.NEW: (and_(began, now > 0, first == period + 1), now),
        Movement.REACTIVATION: (and_(began, now > 0, first <= period), now),
        Movement.EXPANSION: (and_(stays, now > was), now - was),
        Movement.CONTRACTION: (and_(stays, now < was), was - now),
        Movement.CHURN: (and_(left, was > 0), was),
        Movement.END: (now > 0, now),
    }[measure.movement]
    adds = literal(1) if measure.customers else amount
    return case((counted, adds * measure.months if measure.months > 1 else adds), else_=0)
