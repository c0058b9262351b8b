"""A backtest's observations: everybody's score at instants of the past, as it would have been told then, and what
followed. At an instant T only facts of before T are looked at, of whom a model is for as well."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.domain.activity import ActivityPolicy, ActivityRule
from analytics.domain.health.backtest import (
    MIN_CHURNED,
    BacktestReport,
    Ended,
    Events,
    Outcome,
    Part,
    Rule,
    churned_customers,
    observed,
    report,
)
from analytics.domain.health.base import micros
from analytics.domain.health.inputs import input_of
from analytics.domain.health.model import HealthModel
from analytics.domain.health.scoring import Scorer
from analytics.domain.health.statistics import Ints
from analytics.queries.attributes import AT_A_TIME, attributes_of
from analytics.queries.tenants import tenant_settings
from analytics.storage.health import assigned, base_of, customers_of
from analytics.storage.purchases import ids_of, sent
from analytics.storage.tables import activity_spans, facts
from kith.domain import Conflict, Invalid
from kith.error_codes import ErrorCode

Progress = Callable[[int, int], Awaitable[None]]

STEP_DAYS = 30
MOST_INSTANTS = 60
MOST_ROWS = 6_000_000
"""Customers times instants at which they were active: half a gigabyte, and as much again while it is judged."""
LONGEST = timedelta(days=365)
"""Looked back, if nothing is said."""
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = 946_684_800_000_000
"""From where PostgreSQL counts, in microseconds since 1970."""


class TooLittleHistory(Conflict):
    code = ErrorCode.TOO_LITTLE_HISTORY


class TooManyObserved(Conflict):
    code = ErrorCode.TOO_MANY_OBSERVED


class TooFewChurned(Conflict):
    code = ErrorCode.TOO_FEW_CHURNED

    def __init__(self, churned: int) -> None:
        super().__init__(
            f"{churned} customers churned in that time, and of fewer than {MIN_CHURNED} nothing can be told: any model "
            "looks good or bad by chance. Look further back, or at a shorter horizon."
        )


@dataclass(frozen=True)
class Plan:
    """When it is looked, and for how long."""

    instants: tuple[datetime, ...]
    horizon: timedelta
    policy: ActivityPolicy


async def plan(
    connection: AsyncConnection,
    tenant: str,
    starts_at: datetime | None,
    ends_at: datetime | None,
    step_days: int,
    horizon_days: int | None,
) -> Plan:
    """Raises Invalid for an end whose outcome is not known yet, TooLittleHistory, and TooFewChurned as far as that can
    be told at once."""
    policy = (await tenant_settings(connection, tenant)).policy
    window = max(rule.window for rule in policy.rules)
    horizon, step = timedelta(days=horizon_days) if horizon_days else policy.default.window, timedelta(days=step_days)
    first, last = await _history(connection, tenant, policy)
    if first is None or last is None:
        raise TooLittleHistory("There is no event yet that makes a customer active.")
    if ends_at is not None and ends_at > last - horizon:
        raise Invalid(
            f"The last event that makes a customer active was at {last.isoformat()}. Who churned within "
            f"{horizon.days} days is known of instants up to {(last - horizon).isoformat()}.",
            field="to",
        )
    end = ends_at or last - horizon
    begin = starts_at or max(first + window, end - LONGEST)
    if starts_at is None and begin > end:
        raise TooLittleHistory(
            f"There are {(last - first).days} days of history; {window.days} of activity and a horizon of "
            f"{horizon.days} after it need {(window + horizon).days}."
        )
    if begin > end:
        raise Invalid("It must not be later than the end, which is `to`, or the last instant known.", field="from")
    number = (end - begin) // step + 1
    if number > MOST_INSTANTS:
        raise Invalid(f"These are {number} instants; there may be {MOST_INSTANTS}.", field="step_days")
    found = Plan(tuple(begin + step * place for place in range(number)), horizon, policy)
    churned = await _ended(connection, tenant, policy, found.instants[0], found.instants[-1] + max(horizon, window))
    if churned < MIN_CHURNED:
        raise TooFewChurned(churned)
    return found


async def _history(
    connection: AsyncConnection, tenant: str, policy: ActivityPolicy
) -> tuple[datetime | None, datetime | None]:
    f, ends = facts.c, list[datetime]()
    for type in {type for rule in policy.rules for type in rule.event_types}:
        times = select(func.min(f.time), func.max(f.time)).where(
            f.tenant_id == tenant, f.type == type, f.customer_id.is_not(None)
        )
        ends += [each for each in (await connection.execute(times)).one() if each is not None]
    return min(ends, default=None), max(ends, default=None)


async def _ended(
    connection: AsyncConnection, tenant: str, policy: ActivityPolicy, starts_at: datetime, ends_at: datetime
) -> int:
    """Customers with a span that ended within, up to as many as it takes."""
    s = activity_spans.c
    some = (
        select(s.customer_id)
        .where(
            s.tenant_id == tenant,
            s.rule.in_([rule.id for rule in policy.rules]),
            s.ends_at > starts_at,
            s.ends_at <= ends_at,
        )
        .distinct()
        .limit(MIN_CHURNED)
    )
    return int((await connection.execute(select(func.count()).select_from(some.subquery()))).scalar_one())


async def observe(
    connection: AsyncConnection, tenant: str, model: HealthModel, asked: Plan, progress: Progress
) -> Part:
    """Progress is in customers. Raises TooFewChurned and TooManyObserved."""
    everybody = await customers_of(connection, tenant)
    parts, rows = list[Part](), 0
    for start in range(0, len(everybody), AT_A_TIME):
        some = everybody[start : start + AT_A_TIME]
        part = await _part(connection, tenant, model, asked, some)
        if part is not None:
            parts.append(part.after(start))
            rows += len(part.seen)
        if rows > MOST_ROWS:
            raise TooManyObserved(
                f"Over {MOST_ROWS:,} times a customer was active at an instant, which is more than is looked at. "
                "Choose fewer instants: a longer `step_days`, or a later `from`."
            )
        await progress(start + len(some), len(everybody))
    whole = Part.whole(parts) if parts else None
    churned = churned_customers(whole.seen) if whole is not None else 0
    if whole is None or churned < MIN_CHURNED:
        raise TooFewChurned(churned)
    return whole


async def judge(model: HealthModel, asked: Plan, seen: Part) -> BacktestReport:
    """Needs no connection: of millions of rows it takes longer than one may be idle."""
    told = (model.id, model.version)
    return await asyncio.to_thread(report, told, asked.instants, asked.horizon, seen, list(_notes(model, asked)))


async def _part(
    connection: AsyncConnection, tenant: str, model: HealthModel, asked: Plan, customers: Sequence[UUID]
) -> Part | None:
    """None: nobody of these was active, or the model is for none of them."""
    rules = [
        Rule(await _events(connection, tenant, each, customers), each.window // _MICROSECOND)
        for each in asked.policy.rules
    ]
    place_of, rows = {id: place for place, id in enumerate(customers)}, []
    for at in asked.instants:
        rule_of = await _rule_of(connection, tenant, asked.policy, at, customers)
        outcome = Outcome.of(rules, rule_of, micros(at), asked.horizon // _MICROSECOND)
        active = [customers[place] for place in np.flatnonzero(outcome.active).tolist()]
        theirs = await assigned(connection, tenant, [model], micros(at), active)
        places = np.array(sorted(place_of[id] for each in theirs for id in each.customers), np.int64)
        rows.append((micros(at), outcome, places))
    watched = np.unique(np.concatenate([places for _, _, places in rows]))
    if not watched.size:
        return None
    base = await base_of(connection, tenant, model, [customers[place] for place in watched.tolist()])
    ended = Ended.of(rules, rule_of, rows[0][0], rows[-1][0] + asked.horizon // _MICROSECOND, watched)
    return await asyncio.to_thread(observed, Scorer(model, base), watched, rows, ended)


async def _events(connection: AsyncConnection, tenant: str, rule: ActivityRule, customers: Sequence[UUID]) -> Events:
    f = facts.c
    owner, time = (
        await connection.execute(
            select(sent(f.customer_id, "uuid_send"), sent(f.time, "timestamptz_send")).where(
                f.tenant_id == tenant,
                f.type.in_(sorted(rule.event_types)),
                f.customer_id.between(customers[0], customers[-1]),
            )
        )
    ).one()
    places = np.searchsorted(np.array([each.bytes for each in customers], "S16"), ids_of(owner))
    return Events.of(len(customers), places, np.frombuffer(time, ">i8").astype(np.int64) + _EPOCH)


async def _rule_of(
    connection: AsyncConnection, tenant: str, policy: ActivityPolicy, at: datetime, customers: Sequence[UUID]
) -> Ints:
    """The place of each customer's rule among the policy's: its segment's, as its record said then."""
    places = {rule.id: place for place, rule in enumerate(policy.rules)}
    found = np.full(len(customers), places[policy.default.id])
    if policy.segments:
        told = await attributes_of(connection, tenant, at, ("segment",), customers)
        for place, id in enumerate(customers):
            (segment,) = told.get(id, (None,))
            found[place] = places[policy.segments.get(segment, policy.default).id]
    return found


def _notes(model: HealthModel, asked: Plan) -> Iterator[str]:
    qualifying = {type for rule in asked.policy.rules for type in rule.event_types}
    same = [each.title for each in model.measures if qualifying.intersection(input_of(each).events)]
    if same:
        yield (
            f"{', '.join(same)}: read from the events that activity is made of. That who has been silent for long "
            "stays silent more often is no discovery; the comparison with recency alone says what is more than that."
        )
    if asked.horizon < max(rule.window for rule in asked.policy.rules):
        yield (
            "The horizon is shorter than an activity window. Not being active at its end is then partly settled by "
            "what was before; it is told as lapsed, and nothing else here is of it."
        )
    yield (
        "Customers were often observed several times; errors and intervals are of customers. What was recorded late, "
        "and merges since, are taken as if they had been known."
    )
