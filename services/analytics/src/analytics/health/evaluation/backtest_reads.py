"""Reads a backtest's observations: the score of every customer at instants of the past, as it would have been then, and
what followed. At an instant T only facts from before T are read, also to choose the customer's model."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.customer_value.purchases import ids_of, sent
from analytics.health.engine.base import micros
from analytics.health.engine.columns import Unread
from analytics.health.engine.reads import everybody_of, merged_of, number_of_customers, records_of, unread_of
from analytics.health.engine.scoring import Scorer
from analytics.health.evaluation.backtest import MIN_CHURNED, churned_customers, report
from analytics.health.evaluation.observation import Ended, Events, Outcome, Part, Rule, observed
from analytics.health.evaluation.report import BacktestReport
from analytics.health.evaluation.statistics import Ints
from analytics.health.model.assignment import Attributes, Models, Record, attributes_at
from analytics.health.model.definition import HealthModel
from analytics.health.model.inputs import input_of
from analytics.projections.activity import ActivityPolicy, ActivityRule
from analytics.projections.snapshot import Reads
from analytics.projections.tables import activity_spans, facts
from analytics.projections.tenants import tenant_settings
from kith.error_codes import ErrorCode
from kith.errors import Conflict, Invalid
from kith.runtime.offload import BACKGROUND, offload

Progress = Callable[[int, int], Awaitable[None]]

STEP_DAYS = 30
MOST_INSTANTS = 60
MOST_ROWS = 6_000_000
"""Customers times instants at which they were active: half a gigabyte, and as much again while it is evaluated."""
LONGEST = timedelta(days=365)
"""The default length of the past."""
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = 946_684_800_000_000
"""PostgreSQL's epoch, in microseconds since 1970."""


class TooLittleHistory(Conflict):
    code = ErrorCode.TOO_LITTLE_HISTORY


class TooManyObserved(Conflict):
    code = ErrorCode.TOO_MANY_OBSERVED


class TooFewChurned(Conflict):
    code = ErrorCode.TOO_FEW_CHURNED

    def __init__(self, churned: int) -> None:
        super().__init__(
            f"{churned} customers churned in that time, and of fewer than {MIN_CHURNED} nothing can be said: any model "
            "looks good or bad by chance. Look further back, or at a shorter horizon."
        )


@dataclass(frozen=True)
class Plan:
    """The instants of observation and the horizon."""

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
    """Returns the plan. Raises Invalid for an end whose outcome is not known yet, TooLittleHistory, and TooFewChurned
    as far as that is known at once."""
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
    found = Plan(tuple(begin + step * index for index in range(number)), horizon, policy)
    churned = await _ended(connection, tenant, policy, found.instants[0], found.instants[-1] + max(horizon, window))
    if churned < MIN_CHURNED:
        raise TooFewChurned(churned)
    return found


async def _history(
    connection: AsyncConnection, tenant: str, policy: ActivityPolicy
) -> tuple[datetime | None, datetime | None]:
    f, ends = facts.c, list[datetime]()
    for type in {type for rule in policy.rules for type in rule.types}:
        times = select(func.min(f.time), func.max(f.time)).where(
            f.tenant_id == tenant, f.type == type, f.customer_id.is_not(None)
        )
        ends += [each for each in (await connection.execute(times)).one() if each is not None]
    return min(ends, default=None), max(ends, default=None)


async def _ended(
    connection: AsyncConnection, tenant: str, policy: ActivityPolicy, starts_at: datetime, ends_at: datetime
) -> int:
    """Counts the customers with a span that ended within, up to the number needed."""
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


async def observe(reads: Reads, tenant: str, model: HealthModel, plan: Plan, progress: Progress) -> Part:
    """Returns the observations. Progress is in customers. Raises TooFewChurned and TooManyObserved."""
    async with reads() as connection:
        total = await number_of_customers(connection, tenant)
    parts, rows, done = list[Part](), 0, 0
    async for some in everybody_of(reads, tenant):
        part = await part_of(reads, tenant, model, plan, some)
        if part is not None:
            parts.append(part.after(done))
            rows += len(part.seen)
        if rows > MOST_ROWS:
            raise TooManyObserved(
                f"Over {MOST_ROWS:,} times a customer was active at an instant, which is more than is looked at. "
                "Choose fewer instants: a longer `step_days`, or a later `from`."
            )
        done += len(some)
        await progress(done, max(total, done))
    whole = Part.whole(parts) if parts else None
    churned = churned_customers(whole.seen) if whole is not None else 0
    if whole is None or churned < MIN_CHURNED:
        raise TooFewChurned(churned)
    return whole


async def judge(model: HealthModel, plan: Plan, seen: Part) -> BacktestReport:
    notes = list(_notes(model, plan))
    return await offload(report, (model.id, model.version), plan.instants, plan.horizon, seen, notes, lane=BACKGROUND)


async def part_of(reads: Reads, tenant: str, model: HealthModel, plan: Plan, customers: Sequence[UUID]) -> Part | None:
    """Returns the observations of some customers; None if none was active, or the model is for none."""
    async with reads() as connection:
        read = _Read(
            plan,
            model,
            customers,
            [await _events(connection, tenant, rule, customers) for rule in plan.policy.rules],
            await records_of(connection, tenant, customers, Models(always=[model]).named),
            frozenset(await merged_of(connection, tenant, customers)),
            await unread_of(connection, tenant, [model], customers, customers),
        )
    return await offload(_part, read, lane=BACKGROUND)


class _Read(NamedTuple):
    """The observations of some customers, not parsed yet."""

    plan: Plan
    model: HealthModel
    customers: Sequence[UUID]
    events: Sequence[tuple[bytes, bytes]]
    """By rule of the policy, the events that made a customer active: the customers, and the times."""
    records: Mapping[UUID, Sequence[Record]]
    merged: AbstractSet[UUID]
    unread: Unread


def _part(read: _Read) -> Part | None:
    plan, customers = read.plan, read.customers
    rules = [
        Rule(_qualifying(customers, *events), rule.window // _MICROSECOND)
        for rule, events in zip(plan.policy.rules, read.events, strict=True)
    ]
    in_force, rows = Models(always=[read.model]), []
    for instant in plan.instants:
        at = micros(instant)
        attributes = [attributes_at(read.records.get(id, ()), at) for id in customers]
        rule_of = _rule_of(plan.policy, attributes)
        outcome = Outcome.of(rules, rule_of, at, plan.horizon // _MICROSECOND)
        scored = [
            index
            for index in np.flatnonzero(outcome.active).tolist()
            if customers[index] not in read.merged and in_force.choice(at, attributes[index]) is not None
        ]
        rows.append((at, outcome, np.array(scored, np.int64)))
    watched = np.unique(np.concatenate([indexes for _, _, indexes in rows]))
    if not watched.size:
        return None
    ended = Ended.of(rules, rule_of, rows[0][0], rows[-1][0] + plan.horizon // _MICROSECOND, watched)
    (base,) = read.unread.bases()
    return observed(Scorer(read.model, base), watched, rows, ended)


async def _events(
    connection: AsyncConnection, tenant: str, rule: ActivityRule, customers: Sequence[UUID]
) -> tuple[bytes, bytes]:
    f = facts.c
    owner, time = (
        await connection.execute(
            select(sent(f.customer_id, "uuid_send"), sent(f.time, "timestamptz_send")).where(
                f.tenant_id == tenant,
                f.type.in_(sorted(rule.types)),
                f.customer_id.between(customers[0], customers[-1]),
            )
        )
    ).one()
    return owner, time


def _qualifying(customers: Sequence[UUID], owner: bytes, time: bytes) -> Events:
    indexes = np.searchsorted(np.array([each.bytes for each in customers], "S16"), ids_of(owner))
    return Events.of(len(customers), indexes, np.frombuffer(time, ">i8").astype(np.int64) + _EPOCH)


def _rule_of(policy: ActivityPolicy, attributes: Sequence[Attributes]) -> Ints:
    """Returns the index of each customer's rule among the policy's: that of its segment, as its record said then."""
    indexes = {rule.id: index for index, rule in enumerate(policy.rules)}
    default = policy.default
    return np.array([indexes[policy.segments.get(each.segment or "", default).id] for each in attributes], np.int64)


def _notes(model: HealthModel, plan: Plan) -> Iterator[str]:
    if plan.policy.is_contractual:
        yield (
            "Contractual customers are observed by their qualifying events alone, not by whether a subscription is in "
            "force."
        )
    qualifying = {type for rule in plan.policy.rules for type in rule.types}
    same = [each.title for each in model.measures if qualifying.intersection(input_of(each).events)]
    if same:
        yield (
            f"{', '.join(same)}: read from the events that activity is made of. That who has been silent for long "
            "stays silent more often, and who has come often comes again, is no discovery; the comparison with recency "
            "alone and with frequency alone says what is more than that."
        )
    if plan.horizon < max(rule.window for rule in plan.policy.rules):
        yield (
            "The horizon is shorter than an activity window. Not being active at its end is then partly settled by "
            "what was before; it is reported as lapsed, and nothing else here is of it."
        )
    yield (
        "Customers were often observed several times; errors and intervals are of customers. What was recorded late, "
        "and merges since, are taken as if they had been known."
    )
