"""Reads totals: flows of settled days from the hourly sums; of all other hours, from the facts."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, FromClause, and_, exists, literal, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.metrics.definition import Source
from analytics.metrics.measure import Flow
from analytics.metrics.query import MetricQuery
from analytics.metrics.rollup_keys import OF_CUSTOMER, SHAPE, SHAPES, is_plain
from analytics.metrics.tables import settled_days, stale_days, totals
from analytics.projections.tables import facts

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MAX_RANGES = 64
"""An interval that is cut into more ranges is read from the facts."""


class Range(NamedTuple):
    starts_at: datetime
    ends_at: datetime


def can_answer(query: MetricQuery, measure: Flow) -> bool:
    used = [*query.group_by, *(each.dimension for each in query.filters)]
    return is_plain(measure) and all(
        each.source is Source.EVENT and all(each.field in SHAPES[type] for type in measure.types) for each in used
    )


async def rows_of(connection: AsyncConnection, query: MetricQuery, types: Sequence[str]) -> FromClause | None:
    """Selects the events in the interval as rows of `n` facts each, with the fields of SHAPES. None: read the facts."""
    settled = await _settled(connection, query)
    if not settled:
        return None
    known = _ranges(query, settled)
    rest = _rest(query, known)
    if len(known) > MAX_RANGES or len(rest) > MAX_RANGES or not known:
        return None
    t, f = totals.c, facts.c
    added = select(
        t.type,
        t.hour.label("time"),
        t.facts.label("n"),
        t.amount,
        t.key["currency"].astext.label("currency"),
        t.key["phase"].astext.label("phase"),
        t.key.has_key(OF_CUSTOMER).label(OF_CUSTOMER),
        t.key.label("state"),
    ).where(t.tenant_id == query.tenant, t.type.in_(types), _within(t.hour, known))
    if not rest:
        return added.subquery("rows")
    single = select(
        f.type, f.time, literal(1), f.amount, f.currency, f.phase, f.customer_id.is_not(None), f.state
    ).where(f.tenant_id == query.tenant, f.type.in_(types), _within(f.time, rest))
    return union_all(added, single).subquery("rows")


async def _settled(connection: AsyncConnection, query: MetricQuery) -> list[date]:
    s = settled_days.c
    stale = exists().where(stale_days.c.tenant_id == s.tenant_id, stale_days.c.day == s.day)
    days = await connection.scalars(
        select(s.day)
        .where(
            s.tenant_id == query.tenant,
            s.day >= query.starts_at.astimezone(UTC).date(),
            s.day <= query.ends_at.astimezone(UTC).date(),
            s.shape == SHAPE,
            ~stale,
        )
        .order_by(s.day)
    )
    return list(days)


def _ranges(query: MetricQuery, settled: Iterable[date]) -> list[Range]:
    """Returns the whole hours of settled days in the interval, without those that a boundary cuts; joined where they
    touch."""
    cut = sorted({_hour(each) for each in query.boundaries if each != _hour(each)})
    found: list[Range] = []
    for day in settled:
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        pieces = [Range(max(start, query.starts_at), min(start + DAY, query.ends_at))]
        for hour in (each for each in cut if start <= each < start + DAY):
            last = pieces.pop()
            pieces += [Range(last.starts_at, hour), Range(hour + HOUR, last.ends_at)]
        for piece in (each for each in pieces if each.starts_at < each.ends_at):
            if found and found[-1].ends_at == piece.starts_at:
                found[-1] = Range(found[-1].starts_at, piece.ends_at)
            else:
                found.append(piece)
    return found


def _rest(query: MetricQuery, known: Sequence[Range]) -> list[Range]:
    """Returns the rest of the interval."""
    ends = [query.starts_at, *(each.ends_at for each in known)]
    starts = [*(each.starts_at for each in known), query.ends_at]
    return [Range(end, start) for end, start in zip(ends, starts, strict=True) if end < start]


def _hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _within(moment: ColumnElement[datetime], ranges: Iterable[Range]) -> ColumnElement[bool]:
    return or_(*(and_(moment >= each.starts_at, moment < each.ends_at) for each in ranges))
