"""Activity: customers by whether they were active at the start of a period, at its end, in it, and before.

All periods are evaluated in one pass. A customer's spans are read once, and reduced to three values: the boundaries at
which it was active and the periods in which it was at some time, as bits, and the period in which it first was. (Of
contractual customers, the period since which: who has a subscription as from a boundary on is active at that boundary,
and new in the period that begins there.)
Customers with equal values are counted together, and every figure of every period follows from those counts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Numeric,
    Select,
    and_,
    case,
    cast,
    func,
    literal,
    not_,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.metrics.activity import Qualifying, spans, subscribed
from analytics.metrics.bits import MAX_BITS, bits_between, has_bit
from analytics.metrics.kinds.kind import AddsUp, MeasureKind
from analytics.metrics.kinds.over_customers import PeriodCounts, page_of
from analytics.metrics.measure import Active
from analytics.metrics.phrases import listed
from analytics.metrics.query import (
    WHOLE,
    Cell,
    Cells,
    Member,
    MetricQuery,
    Slices,
    Weighed,
    period_of,
    periods_of,
)
from analytics.projections.tables import facts
from kith.nouns.lists.pages import Position

_IN_WORDS = {
    "at_start": ("active at the start", "not active at the start"),
    "at_end": ("active at the end", "not active at the end"),
    "before": ("first active before the start", "never active before the start"),
    "during": ("active at some time in the interval", "not active in the interval"),
    "new": ("first active in the interval", "not first active in the interval"),
}
"""Per aspect of a measure: the condition if it is required, and if its opposite is."""


class ActivityKind(MeasureKind[Active]):
    async def evaluate(self, connection: AsyncConnection, query: MetricQuery, measures: Sequence[Active]) -> Cells:
        found: Cells = {}
        for start in range(0, query.periods, MAX_BITS - 1):
            part = replace(query, boundaries=query.boundaries[start : start + MAX_BITS])
            yields_whole = part == query and not any(each.several for each in query.group_by)
            whole = dict.fromkeys(measures, 0)
            counts = PeriodCounts(measures, part.periods)
            for (at, during, first, since, *group), number in await _alike(connection, part, measures):
                customers = _Alike(at, during, first, since)
                for measure in measures:
                    counts.add(tuple(group), measure, customers.periods(measure, part.periods), number)
                    if yields_whole and customers.over(measure, part.periods):
                        whole[measure] += number
            counts.add_cells(found, start)
            if yields_whole:
                found[Cell(WHOLE, ())] = {measure: Decimal(number) for measure, number in whole.items()}
        return found

    async def members(
        self,
        connection: AsyncConnection,
        query: MetricQuery,
        terms: Sequence[Weighed[Active]],
        after: Position | None,
        first: int,
    ) -> list[Member]:
        """Returns the members with the last qualifying event before the end, or, for those no longer active then,
        before the start; contractual ones with the last event of a subscription that was in force."""
        each = _each_customer(query, during=True)
        slices = Slices(query, each, each.c.customer_id, literal(query.ends_at))
        is_so = {
            "at_start": has_bit(each.c.at, 0),
            "at_end": has_bit(each.c.at, 1),
            "before": each.c.first < 0,
            "during": has_bit(each.c.during, 0),
            "new": each.c.since == 0,
        }
        value: ColumnElement[Any] = literal(0)
        for term in terms:
            aspects = _aspects(term.measure)
            counted = and_(*(is_so[name] if wanted else not_(is_so[name]) for name, wanted in aspects.items()))
            value = value + term.sign * case((counted, 1), else_=0)
        key = each.c.customer_id
        chosen = page_of(slices.join(each), key, value, slices.where, after, first, each.c.at)
        before = case((has_bit(chosen.c.at, 1), query.ends_at), else_=_last_look(terms, query))
        last = _last_event(query, chosen.c.key, before).lateral("last")
        source: FromClause = chosen.outerjoin(last, literal(True))
        proof: list[ColumnElement[Any]] = list(last.c)
        if query.policy.is_contractual:
            held = subscribed(query, chosen.c.key, before).lateral("held")
            source = source.outerjoin(held, literal(True))
            proof = [func.coalesce(held.c[each.name], each) for each in last.c]
        rows = await connection.execute(
            select(chosen.c.key, *proof, cast(chosen.c.value, Numeric), chosen.c.key)
            .select_from(source)
            .order_by(chosen.c.key)
        )
        return [Member._make((*row, {})) for row in rows]

    def describe(self, measure: Active) -> str:
        aspects = _aspects(measure).items()
        return f"customers {listed((_IN_WORDS[name][0 if wanted else 1] for name, wanted in aspects), 'and')}"

    def event_types(self, _: Active) -> Iterable[str]:
        return ()

    def adds_up(self, _: Active) -> AddsUp:
        return AddsUp.NOTHING

    def needs_end(self, measure: Active) -> bool:
        return measure.at_end is not None


def _aspects(measure: Active) -> dict[str, bool]:
    """Returns for each aspect that matters whether it must hold, or must not."""
    return {name: wanted for name, wanted in vars(measure).items() if wanted is not None}


class _Alike(NamedTuple):
    """Customers that were active at the same boundaries (bit i: the i-th) and periods, and first in the same period."""

    at: int
    during: int
    first: int
    since: int

    def periods(self, measure: Active, number: int) -> int:
        """Returns the periods in which the measure counts them, as bits."""
        all_of_them = (1 << number) - 1
        since_first = all_of_them >> self.first + 1 << self.first + 1 if self.first >= 0 else all_of_them
        bits = {
            "at_start": self.at,
            "at_end": self.at >> 1,
            "before": since_first,
            "during": self.during,
            "new": 1 << self.since if self.since >= 0 else 0,
        }
        found = all_of_them
        for name, wanted in _aspects(measure).items():
            found &= bits[name] if wanted else ~bits[name]
        return found

    def over(self, measure: Active, number: int) -> bool:
        """Whether the measure counts them over all periods together."""
        is_so = {
            "at_start": bool(self.at & 1),
            "at_end": bool(self.at >> number & 1),
            "before": self.first < 0,
            "during": bool(self.during),
            "new": 0 <= self.since < number,
        }
        return all(is_so[name] is wanted for name, wanted in _aspects(measure).items())


async def _alike(
    connection: AsyncConnection, query: MetricQuery, measures: Sequence[Active]
) -> list[tuple[tuple[Any, ...], int]]:
    each = _each_customer(query, during=any(measure.during is not None for measure in measures))
    # Groups are as of the end of the whole interval, whichever part of it this is.
    slices = Slices(query, each, each.c.customer_id, literal(query.ends_at))
    alike = [each.c.at, each.c.during, each.c.first, each.c.since, *slices.by]
    statement = select(*alike, func.count()).select_from(slices.join(each)).where(*slices.where).group_by(*alike)
    return [(tuple(row[:-1]), row[-1]) for row in await connection.execute(statement)]


def _each_customer(query: MetricQuery, *, during: bool) -> Any:
    """Selects the values of each customer. `during` costs as much as the rest together: it is 0 unless it is needed."""
    s = spans(query)
    # Boundaries i with starts_at < b[i] <= ends_at: from the number of those up to the start, to that of the end.
    low = func.width_bucket(s.c.starts_at, periods_of(query))
    high = func.width_bucket(s.c.ends_at, periods_of(query))
    began = func.width_bucket(s.c.since, periods_of(query))
    in_them = func.bit_or(bits_between(func.greatest(began - 1, 0), func.least(high, query.periods)))
    return (
        select(
            s.c.customer_id,
            func.bit_or(bits_between(low, high)).label("at"),
            (in_them if during else literal(0, BigInteger)).label("during"),
            period_of(func.min(s.c.starts_at), query).label("first"),
            period_of(func.min(s.c.since), query).label("since"),
        )
        .group_by(s.c.customer_id)
        .subquery("each")
    )


def _last_look(terms: Sequence[Weighed[Active]], query: MetricQuery) -> ColumnElement[Any]:
    """The proof of activity in the interval is an event up to its end."""
    if any(term.measure.during or term.measure.new for term in terms):
        return literal(query.ends_at)
    return literal(query.starts_at)


def _last_event(query: MetricQuery, customer_id: ColumnElement[Any], before: ColumnElement[Any]) -> Select[Any]:
    f, qualifying = facts, Qualifying(query)
    return (
        select(f.c.subject, f.c.event_id, f.c.type, f.c.time)
        .select_from(qualifying.facts)
        .where(f.c.tenant_id == query.tenant, f.c.customer_id == customer_id, f.c.time < before, qualifying.by_any())
        .order_by(f.c.time.desc())
        .limit(1)
    )
