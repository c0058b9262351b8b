"""Activity: customers by whether they were active at the start of a period, at its end, in it, and before.

All periods in one pass. A customer's spans are looked at once, and come to three things: at which boundaries it was
active and in which periods at some time, as bits, and in which period it first was. Customers alike in these are
counted together, and every figure of every period follows from those counts.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
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

from analytics.metrics.definition import TAG
from analytics.metrics.measure import Active, Measure
from analytics.metrics.query import (
    WHOLE,
    Cell,
    Cells,
    Member,
    MetricQuery,
    Qualifying,
    Slices,
    Value,
    Weighed,
    period_of,
    periods_of,
    spans,
)
from analytics.projections.tables import facts
from kith.nouns.queries import Position

BITS = 62
"""Boundaries that fit into a bigint with one to spare."""


async def cells(connection: AsyncConnection, query: MetricQuery, measures: Sequence[Active]) -> Cells:
    found: Cells = {}
    for start in range(0, query.periods, BITS - 1):
        part = MetricQuery(**{**vars(query), "boundaries": query.boundaries[start : start + BITS]})
        tells_whole = part == query and TAG not in query.group_by
        whole = dict.fromkeys(measures, 0)
        counts: dict[tuple[str | None, ...], dict[Active, list[int]]] = {}
        for (at, during, first, *group), number in await _alike(connection, part, measures):
            customers = _Alike(at, during, first)
            mine = counts.setdefault(tuple(group), {measure: [0] * part.periods for measure in measures})
            for measure, by_period in mine.items():
                periods = customers.periods(measure, part.periods)
                while periods:
                    lowest = periods & -periods
                    by_period[lowest.bit_length() - 1] += number
                    periods ^= lowest
                if tells_whole and customers.over(measure, part.periods):
                    whole[measure] += number
        for of_group, values in counts.items():
            for period in range(part.periods):
                cell: dict[Measure, Value] = {each: Decimal(number[period]) for each, number in values.items()}
                found[Cell(start + period, of_group)] = cell
        if tells_whole:
            found[Cell(WHOLE, ())] = {measure: Decimal(number) for measure, number in whole.items()}
    return found


class _Alike(NamedTuple):
    """Customers that were active at the same boundaries (bit i: the i-th) and periods, and first in the same period."""

    at: int
    during: int
    first: int

    def periods(self, measure: Active, number: int) -> int:
        """In which periods it counts them, as bits."""
        all_of_them = (1 << number) - 1
        since_first = all_of_them >> self.first + 1 << self.first + 1 if self.first >= 0 else all_of_them
        told = {
            "at_start": self.at,
            "at_end": self.at >> 1,
            "before": since_first,
            "during": self.during,
            "new": 1 << self.first if self.first >= 0 else 0,
        }
        found = all_of_them
        for name, wanted in vars(measure).items():
            if wanted is not None:
                found &= told[name] if wanted else ~told[name]
        return found

    def over(self, measure: Active, number: int) -> bool:
        """Whether it counts them over all periods together."""
        told: dict[str, bool] = {
            "at_start": bool(self.at & 1),
            "at_end": bool(self.at >> number & 1),
            "before": self.first < 0,
            "during": bool(self.during),
            "new": 0 <= self.first < number,
        }
        return all(wanted is None or told[name] is wanted for name, wanted in vars(measure).items())


async def _alike(
    connection: AsyncConnection, query: MetricQuery, measures: Sequence[Active]
) -> list[tuple[tuple[Any, ...], int]]:
    each = _each_customer(query, during=any(measure.during is not None for measure in measures))
    # Groups are those of the whole interval's end, whichever part of it this is.
    slices = Slices(query, each, each.c.customer_id, literal(query.ends_at))
    alike = [each.c.at, each.c.during, each.c.first, *slices.by]
    statement = select(*alike, func.count()).select_from(slices.join(each)).where(*slices.where).group_by(*alike)
    return [(tuple(row[:-1]), row[-1]) for row in await connection.execute(statement)]


def _each_customer(query: MetricQuery, *, during: bool) -> Any:
    """`during` costs as much again as the rest: it is 0 unless it is asked for."""
    s = spans(query)
    # Boundaries i with starts_at < b[i] <= ends_at: from the number of those up to the start, to that of the end.
    low = func.width_bucket(s.c.starts_at, periods_of(query))
    high = func.width_bucket(s.c.ends_at, periods_of(query))
    in_them = func.bit_or(_bits(func.greatest(low - 1, 0), func.least(high, query.periods)))
    return (
        select(
            s.c.customer_id,
            func.bit_or(_bits(low, high)).label("at"),
            (in_them if during else literal(0, BigInteger)).label("during"),
            period_of(func.min(s.c.starts_at), query).label("first"),
        )
        .group_by(s.c.customer_id)
        .subquery("each")
    )


def _bits(low: ColumnElement[Any], high: ColumnElement[Any]) -> ColumnElement[Any]:
    """Those from `low` on, up to `high`, which is not among them."""
    one = cast(literal(1), BigInteger)
    return one.op("<<")(cast(high, Integer)) - one.op("<<")(cast(low, Integer))


async def members(
    connection: AsyncConnection, query: MetricQuery, terms: Sequence[Weighed], after: Position | None, first: int
) -> list[Member]:
    """With the last qualifying event before the end, or, of those no longer active then, before the start."""
    each = _each_customer(query, during=True)
    slices = Slices(query, each, each.c.customer_id, literal(query.ends_at))
    told = {
        "at_start": each.c.at.op("&")(1) != 0,
        "at_end": each.c.at.op("&")(2) != 0,
        "before": each.c.first < 0,
        "during": each.c.during.op("&")(1) != 0,
        "new": each.c.first == 0,
    }
    value: ColumnElement[Any] = literal(0)
    for term in terms:
        wanted = [
            told[name] if is_so else not_(told[name]) for name, is_so in vars(term.measure).items() if is_so is not None
        ]
        value = value + term.sign * case((and_(*wanted), 1), else_=0)
    page = select(each.c.customer_id, each.c.at, value.label("value")).select_from(slices.join(each))
    page = page.where(value != 0, *slices.where).distinct()
    if after is not None:
        page = page.where(each.c.customer_id > after.id)
    chosen = page.order_by(each.c.customer_id).limit(first).subquery("chosen")
    before = case((chosen.c.at.op("&")(2) != 0, query.ends_at), else_=_last_look(terms, query))
    last = _last_event(query, chosen.c.customer_id, before).lateral("last")
    rows = await connection.execute(
        select(
            chosen.c.customer_id,
            last.c.subject,
            last.c.event_id,
            last.c.type,
            last.c.time,
            cast(chosen.c.value, Numeric),
            chosen.c.customer_id,
        )
        .select_from(chosen.outerjoin(last, literal(True)))
        .order_by(chosen.c.customer_id)
    )
    return [Member._make((*row, {})) for row in rows]


def _last_look(terms: Sequence[Weighed], query: MetricQuery) -> ColumnElement[Any]:
    """Who counts for being active in the interval is proved by an event up to its end."""
    if any(isinstance(term.measure, Active) and (term.measure.during or term.measure.new) for term in terms):
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
