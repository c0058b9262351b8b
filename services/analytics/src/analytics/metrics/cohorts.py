"""The cohort matrix, `retention.matrix`: customers by the period of their first qualifying event, and how many of them
had one in each period after. Of contractual customers, a subscription in force in the period counts in its place.

Each qualifying fact is read once: per customer the facts are reduced to the period of the first one, and to one bit for
each period that has one. The matrix is sums of those bits.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, case, func, literal, select, text, true, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.calendar import Grain, boundaries, zone_of
from analytics.ledger.freshness import Freshness, freshness
from analytics.metrics.activity import Qualifying, in_force, subscribed
from analytics.metrics.bits import bit, bits_between, has_bit
from analytics.metrics.definition import CUSTOMER, DIGITS, Dimension
from analytics.metrics.query import MetricQuery, Slices, customers, period_of
from analytics.metrics.question import Question
from analytics.projections.custom_fields import PREFIX
from analytics.projections.tables import facts
from kith.errors import Invalid
from kith.events.catalogue import QUALIFYING
from kith.nouns.lists.pages import DEFAULT_PAGE, MAX_PAGE, Page, Position

ID, VERSION = "retention.matrix", 1
MAX_PERIODS = 60
"""Five years of months. A period is a bit of a bigint."""


@dataclass(slots=True)
class CohortCell:
    period: int
    """The number of periods after the row's own, which is 0."""
    customers: int | None
    """Customers of the row that had a qualifying event in the period; null if it has not begun."""
    share: float | None
    """The share of the row, in percent; null also where the row has no customers."""
    complete: bool
    """Whether the period has ended; otherwise the cell counts what has happened so far."""


@dataclass(slots=True)
class CohortRow:
    row: int
    """The index by which its members are requested."""
    starts_at: datetime
    ends_at: datetime
    size: int | None
    """Customers whose first qualifying event, ever, lies in it; null if it has not begun."""
    cells: list[CohortCell]
    """Up to the end of the interval, which may cut the last period of each row."""


@dataclass(slots=True)
class CohortMatrix:
    id: str
    starts_at: datetime
    ends_at: datetime
    grain: Grain
    event_types: list[str]
    """The event types that were counted; empty: those of the tenant's definition of activity, by the customer's
    segment."""
    complete_up_to: datetime | None
    """The instant up to which the interval has passed, and is counted; null if it has not begun."""
    rows: list[CohortRow]
    zone: str
    definition_version: int
    activity_version: int
    freshness: list[Freshness] = field(default_factory=list)


@dataclass(slots=True)
class CohortMember:
    """A customer of a cell, with the first event that put it there."""

    customer_id: UUID
    subject: UUID
    event_id: UUID
    type: str
    time: datetime


async def cohorts(
    connection: AsyncConnection, tenant: str, question: Question, event_types: Sequence[str] = ()
) -> CohortMatrix:
    """Returns the matrix. Raises Invalid for a question that it cannot be computed for."""
    whole = _query_of(tenant, question, event_types)
    begun = question.so_far(whole.boundaries)
    found = await _counted(connection, replace(whole, boundaries=tuple(begun)), event_types) if begun else {}
    none = (0, [0] * (len(begun) - 1))
    periods = [
        _Period(*bounds, index < len(begun) - 1, question.has_come(bounds[1]))
        for index, bounds in enumerate(pairwise(whole.boundaries))
    ]
    return CohortMatrix(
        ID,
        whole.starts_at,
        whole.ends_at,
        _grain(question),
        sorted(set(event_types)),
        question.complete_up_to(whole.starts_at, whole.ends_at),
        [_row(row, periods[row:], *found.get(row, none)) for row in range(whole.periods)],
        whole.zone,
        VERSION,
        question.policy.version,
        await freshness(connection),
    )


class _Period(NamedTuple):
    starts_at: datetime
    ends_at: datetime
    begun: bool
    complete: bool


async def _counted(
    connection: AsyncConnection, query: MetricQuery, event_types: Sequence[str]
) -> dict[int, tuple[int, list[int]]]:
    """Returns per row the number of its customers, and of those in each period."""
    each = _each(query, event_types)
    slices = Slices(query, each, each.c.customer_id, literal(query.ends_at))
    in_period = [func.count().filter(has_bit(each.c.periods, index)) for index in range(query.periods)]
    statement = (
        select(each.c.first, func.count(), *in_period)
        .select_from(slices.join(each))
        .where(each.c.first >= 0, *slices.where)
        .group_by(each.c.first)
    )
    # As in metrics.reads: a planner without statistics of a new tenant must not choose a slow plan.
    await connection.execute(text("SET LOCAL enable_nestloop = off"))
    return {row[0]: (row[1], list(row[2:])) for row in await connection.execute(statement)}


def _row(row: int, periods: Sequence[_Period], size: int, counts: Sequence[int]) -> CohortRow:
    """Returns a row; `periods` are its own and those after it."""
    cells = []
    for period, each in enumerate(periods):
        count = counts[row + period] if each.begun else None
        share = None if count is None or not size else round(100 * count / size, DIGITS)
        cells.append(CohortCell(period, count, share, each.complete))
    own = periods[0]
    return CohortRow(row, own.starts_at, own.ends_at, size if own.begun else None, cells)


async def cohort_members(
    connection: AsyncConnection,
    tenant: str,
    question: Question,
    event_types: Sequence[str] = (),
    *,
    row: int,
    period: int,
    first: int = DEFAULT_PAGE,
    after: str | None = None,
) -> Page[CohortMember]:
    """Returns the customers of a cell, in the order of their ids. Raises Invalid for a cell outside of the matrix."""
    if not 1 <= first <= MAX_PAGE:
        raise Invalid(f"A page has 1 to {MAX_PAGE} rows.", field="first")
    query = _query_of(tenant, question, event_types)
    if not 0 <= row < query.periods:
        raise Invalid(f"The matrix has rows 0 to {query.periods - 1}.", field="row")
    if not 0 <= period < query.periods - row:
        raise Invalid(f"Row {row} has periods 0 to {query.periods - 1 - row}.", field="period")
    begun = question.so_far(query.boundaries)
    if row + period + 1 >= len(begun):
        return Page([], None)
    query = replace(query, boundaries=tuple(begun))
    each = _each(query, event_types, after=None if after is None else Position.of(after).id)
    slices = Slices(query, each, each.c.customer_id, literal(query.ends_at))
    page = (
        select(each.c.customer_id)
        .select_from(slices.join(each))
        .where(each.c.first == row, has_bit(each.c.periods, row + period), *slices.where)
        .order_by(each.c.customer_id)
        .limit(first + 1)
        .subquery("page")
    )
    source, qualifies = _facts(query, event_types)
    starts_at, ends_at = query.boundaries[row + period : row + period + 2]
    f = facts.c
    proof = (
        select(f.subject, f.event_id, f.type, f.time)
        .select_from(source)
        .where(f.tenant_id == query.tenant, f.customer_id == page.c.customer_id, qualifies)
        .where(f.time >= starts_at, f.time < ends_at)
        .order_by(f.time, f.event_id)
        .limit(1)
        .lateral("proof")
    )
    from_page: FromClause = page.outerjoin(proof, true())
    columns: list[ColumnElement[Any]] = list(proof.c)
    if _goes_by_subscriptions(query, event_types):
        last_instant = literal(ends_at - timedelta(microseconds=1))
        held = subscribed(query, page.c.customer_id, last_instant).lateral("held")
        from_page = from_page.outerjoin(held, true())
        columns = [func.coalesce(each, held.c[each.name]) for each in proof.c]
    rows = await connection.execute(
        select(page.c.customer_id, *columns).select_from(from_page).order_by(page.c.customer_id)
    )
    found = [CohortMember(*each) for each in rows]
    last = found[first - 1] if len(found) > first else None
    return Page(found[:first], Position(last.time, last.customer_id).cursor() if last else None)


def _query_of(tenant: str, question: Question, event_types: Sequence[str]) -> MetricQuery:
    for type in event_types:
        if type not in QUALIFYING:
            raise Invalid(f"{type!r} cannot be counted, only {', '.join(sorted(QUALIFYING))}.", field="event")
    grain, zone = _grain(question), zone_of(question.zone)
    periods = boundaries(question.interval, grain, zone)
    if len(periods) - 1 > MAX_PERIODS:
        raise Invalid(
            f"That are {len(periods) - 1} periods of a {grain}, and a matrix has up to {MAX_PERIODS}: take a longer "
            f"one ({', '.join(Grain)}) or a shorter interval.",
            field="grain",
        )
    filters = question.filtered_by(lambda name: _dimension(question, name))
    return MetricQuery(tenant, tuple(periods), question.zone, question.policy, filters=filters)


def _grain(question: Question) -> Grain:
    return question.grain or Grain.MONTH


def _dimension(question: Question, name: str) -> Dimension:
    if name.startswith(PREFIX):
        return question.custom(name, "filter")
    for each in CUSTOMER:
        if each.name == name:
            return each
    allowed = ", ".join(each.name for each in CUSTOMER)
    raise Invalid(f"Cohorts cannot be filtered by {name!r}, only by {allowed}.", field="filter")


def _facts(query: MetricQuery, event_types: Sequence[str]) -> tuple[FromClause, ColumnElement[bool]]:
    """The source of the facts, and the condition under which they qualify."""
    if event_types:
        return facts, facts.c.type.in_(sorted(set(event_types)))
    qualifying = Qualifying(query)
    return qualifying.facts, qualifying.by_any()


def _each(query: MetricQuery, event_types: Sequence[str], *, after: UUID | None = None) -> Any:
    """Selects a row per customer: the period of its first qualifying event, and the periods that have one, as bits."""
    if _goes_by_subscriptions(query, event_types):
        return _each_by_subscriptions(query, after)
    f, policy = facts.c, query.policy
    kinds = [frozenset(event_types)] if event_types else list({rule.types: None for rule in policy.rules})
    columns = []
    for index, types in enumerate(kinds):
        counts = f.type.in_(sorted(types))
        # Before the interval there is no bit: -1 would be one that a shift produces.
        columns += [
            period_of(func.min(f.time).filter(counts), query).label(f"first_{index}"),
            func.bit_or(bit(period_of(f.time, query)))
            .filter(counts, f.time >= query.starts_at)
            .label(f"periods_{index}"),
        ]
    found = (
        select(f.customer_id, *columns)
        .where(f.tenant_id == query.tenant, f.customer_id.is_not(None), f.time < query.ends_at)
        .where(f.type.in_(sorted(frozenset().union(*kinds))))
        .group_by(f.customer_id)
    )
    if after is not None:
        found = found.where(f.customer_id > after)
    by_kind = found.subquery("by_kind")
    if len(kinds) == 1:
        columns = [by_kind.c.first_0.label("first"), by_kind.c.periods_0.label("periods")]
        return select(by_kind.c.customer_id, *columns).subquery("each")
    # Counted for the types of all rules, and chosen after: there are far fewer customers to look up than facts.
    record = customers(query).alias("whose")

    def mine(name: str) -> ColumnElement[Any]:
        by_rule = {rule: by_kind.c[f"{name}_{kinds.index(rule.types)}"] for rule in policy.rules}
        by_segment = {segment: by_rule[rule] for segment, rule in policy.segments.items()}
        return case(by_segment, value=record.c.state["segment"].astext, else_=by_rule[policy.default]).label(name)

    return (
        select(by_kind.c.customer_id, mine("first"), mine("periods"))
        .select_from(by_kind.outerjoin(record, record.c.id == by_kind.c.customer_id))
        .subquery("each")
    )


def _goes_by_subscriptions(query: MetricQuery, event_types: Sequence[str]) -> bool:
    return query.policy.is_contractual and not event_types


def _each_by_subscriptions(query: MetricQuery, after: UUID | None) -> Any:
    """Selects the same where some customers are contractual: the periods with a subscription in force, and, of the time
    before the first one and of all others, those with a qualifying event."""
    f, (source, qualifies) = facts.c, _facts(query, ())
    acts = (
        select(f.customer_id, f.time.label("since"), f.time.label("until"))
        .select_from(source)
        .where(f.tenant_id == query.tenant, f.customer_id.is_not(None), f.time < query.ends_at, qualifies)
    )
    held = in_force(query).subquery("in_force").c
    subscribed = select(held.customer_id, held.since, held.ends_at).where(held.since < query.ends_at)
    both = union_all(acts, subscribed).subquery("both").c
    # Before the interval there is no bit.
    low = func.greatest(period_of(both.since, query), 0)
    high = func.least(period_of(both.until, query) + 1, query.periods)
    columns = (period_of(func.min(both.since), query), func.bit_or(bits_between(low, func.greatest(low, high))))
    found = select(both.customer_id, columns[0].label("first"), columns[1].label("periods")).group_by(both.customer_id)
    return (found if after is None else found.where(both.customer_id > after)).subquery("each")
