"""Outcomes: whether a run was a success, judged once its days are over, with the evidence. Runs left alone are judged
too."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import numpy as np
from sqlalchemy import ARRAY, Boolean, Uuid, bindparam, cast, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from analytics.health.engine.base import micros
from analytics.health.engine.facts import HealthFacts
from analytics.health.engine.reads import facts_of
from analytics.health.model.definition import band_of
from analytics.playbooks.facts import customers_at
from analytics.playbooks.firing import CustomerAt
from analytics.playbooks.plan import Outcome
from analytics.playbooks.runs import FAILED
from analytics.playbooks.tables import playbook_runs
from analytics.projections.activity import DEFAULT_POLICY, ActivityPolicy
from analytics.projections.survivors import merged_among
from analytics.projections.tables import facts
from kith.consumer.faults import Fault, fault_of
from kith.db.tables import Moment
from kith.events.contacts import SettingsChanged
from kith.events.sales import OrderPlaced
from kith.runtime.tasks import Task
from kith.runtime.telemetry import log

GRACE = timedelta(minutes=5)
"""The delay after the last day before a run is settled: by then the events of that day have arrived, as a rule."""
AT_A_TIME = 500
_R = playbook_runs.c


class Open(NamedTuple):
    id: UUID
    customer_id: UUID
    """The survivor, after merges."""
    at: datetime
    settles_at: datetime
    outcome: Outcome


class Settled(NamedTuple):
    succeeded: bool
    evidence_id: UUID | None
    """The first event that made it a success; for a band, the last change of health before its days were over."""


_NOT = Settled(False, None)

_FIRST_EVENT = text("""
    SELECT r.id, f.event_id
    FROM unnest(:runs, :customers, :since, :until) AS r(id, customer_id, since, until)
    CROSS JOIN LATERAL (
        SELECT event_id FROM facts
        WHERE tenant_id = :tenant AND customer_id = r.customer_id AND type = ANY(:types)
          AND time > r.since AND time < r.until
        ORDER BY time, event_id LIMIT 1
    ) f
""").bindparams(
    bindparam("runs", type_=ARRAY(Uuid)),
    bindparam("customers", type_=ARRAY(Uuid)),
    bindparam("since", type_=ARRAY(Moment)),
    bindparam("until", type_=ARRAY(Moment)),
)
_SUBSCRIBED = text("""
    SELECT r.id, s.in_force, s.event_id
    FROM unnest(:runs, :customers, :until) AS r(id, customer_id, until)
    CROSS JOIN LATERAL (
        SELECT coalesce(s.ends_at, 'infinity') > r.until AS in_force, f.event_id
        FROM subscription_spans s
        JOIN facts f ON f.tenant_id = s.tenant_id AND f.subject = s.subject AND f.until IS NULL
        WHERE s.tenant_id = :tenant AND s.customer_id = r.customer_id AND s.starts_at <= r.until
        ORDER BY s.ends_at DESC NULLS FIRST, s.subject LIMIT 1
    ) s
""").bindparams(
    bindparam("runs", type_=ARRAY(Uuid)),
    bindparam("customers", type_=ARRAY(Uuid)),
    bindparam("until", type_=ARRAY(Moment)),
)
_LAST_CHANGE = text("""
    SELECT r.id, c.id
    FROM unnest(:runs, :customers, :until) AS r(id, customer_id, until)
    CROSS JOIN LATERAL (
        SELECT id FROM health_changes
        WHERE tenant_id = :tenant AND customer_id = r.customer_id AND at <= r.until
        ORDER BY at DESC, seq DESC LIMIT 1
    ) c
""").bindparams(
    bindparam("runs", type_=ARRAY(Uuid)),
    bindparam("customers", type_=ARRAY(Uuid)),
    bindparam("until", type_=ARRAY(Moment)),
)


async def settle(engine: AsyncEngine, now: datetime | None = None) -> bool:
    """Settles the next runs whose days are over. Returns whether there may be more. Several processes may run it."""
    async with engine.begin() as connection:
        rows = (
            await connection.execute(
                select(_R.tenant_id, _R.id, _R.customer_id, _R.at, _R.settles_at, _R.outcome)
                .where(_R.settled_at.is_(None), _R.settles_at <= (now or datetime.now(UTC)) - GRACE)
                .order_by(_R.settles_at)
                .limit(AT_A_TIME)
                .with_for_update(skip_locked=True)
            )
        ).all()
        by_tenant: dict[str, list[Any]] = defaultdict(list)
        for row in rows:
            by_tenant[row.tenant_id].append(row)
        for tenant, runs in by_tenant.items():
            await _settle_each(connection, tenant, runs)
    return len(rows) == AT_A_TIME


async def _settle_each(connection: AsyncConnection, tenant: str, rows: Sequence[Any]) -> None:
    """Settles runs. One whose outcome cannot be determined is closed with the reason: it stops neither the others nor
    other tenants."""
    try:
        async with connection.begin_nested():
            runs = [
                Open(row.id, row.customer_id, row.at, row.settles_at, msgspec.convert(row.outcome, Outcome))
                for row in rows
            ]
            await _settle(connection, tenant, runs)
    except Exception as error:
        if fault_of(error) is not Fault.POISON:
            raise
        if len(rows) > 1:
            middle = len(rows) // 2
            await _settle_each(connection, tenant, rows[:middle])
            await _settle_each(connection, tenant, rows[middle:])
            return
        FAILED.inc()
        log.error("outcome not determined", tenant=tenant, run=str(rows[0].id), exc_info=error)
        closed = {
            "settled_at": func.clock_timestamp(),
            "reason": f"Its outcome could not be determined: {type(error).__name__}.",
        }
        await connection.execute(
            update(playbook_runs).where(_R.tenant_id == tenant, _R.id == rows[0].id).values(**closed)
        )


async def _settle(connection: AsyncConnection, tenant: str, runs: Sequence[Open]) -> None:
    survivors = await merged_among(connection, tenant, [each.customer_id for each in runs])
    runs = [each._replace(customer_id=survivors.get(each.customer_id, each.customer_id)) for each in runs]
    by_kind: dict[str, list[Open]] = defaultdict(list)
    for each in runs:
        by_kind[each.outcome.kind].append(each)
    settled = {
        **await _by_events(connection, tenant, by_kind["purchase"], [OrderPlaced.type]),
        **await _by_activity(connection, tenant, by_kind["active"]),
        **await _by_band(connection, tenant, by_kind["band_at_least"]),
    }
    results = [settled.get(each.id, _NOT) for each in runs]
    given: Any = func.unnest(
        cast([each.id for each in runs], ARRAY(Uuid)),
        cast([each.succeeded for each in results], ARRAY(Boolean)),
        cast([each.evidence_id for each in results], ARRAY(Uuid)),
    )
    given = given.table_valued("id", "succeeded", "evidence_id").render_derived(name="given")
    await connection.execute(
        update(playbook_runs)
        .where(_R.tenant_id == tenant, _R.id == given.c.id)
        .values(succeeded=given.c.succeeded, evidence_id=given.c.evidence_id, settled_at=func.clock_timestamp())
    )


async def _by_events(
    connection: AsyncConnection, tenant: str, runs: Sequence[Open], types: Sequence[str]
) -> dict[UUID, Settled]:
    """Returns the evidence of the runs that have such an event after their trigger event and before their days were
    over."""
    if not runs:
        return {}
    columns = {
        "runs": [each.id for each in runs],
        "customers": [each.customer_id for each in runs],
        "since": [each.at for each in runs],
        "until": [each.settles_at for each in runs],
    }
    rows = await connection.execute(_FIRST_EVENT, {"tenant": tenant, "types": list(types), **columns})
    return {run: Settled(True, event) for run, event in rows}


async def _by_activity(connection: AsyncConnection, tenant: str, runs: Sequence[Open]) -> dict[UUID, Settled]:
    """Judges by the tenant's current definition of activity, with the segment that each customer was in."""
    if not runs:
        return {}
    policy = await _policy(connection, tenant)
    known = await customers_at(connection, tenant, [CustomerAt(each.customer_id, each.at) for each in runs])
    settled: dict[UUID, Settled] = {}
    by_rule: dict[frozenset[str], list[Open]] = defaultdict(list)
    contractual: list[Open] = []
    for each in runs:
        customer = known.get(CustomerAt(each.customer_id, each.at))
        rule = policy.segments.get(customer.segment or "", policy.default) if customer else policy.default
        by_rule[rule.types].append(each)
        if rule.contractual:
            contractual.append(each)
    for types, of_rule in by_rule.items():
        settled |= await _by_events(connection, tenant, of_rule, sorted(types))
    return settled | await _by_subscriptions(connection, tenant, contractual)


async def _by_subscriptions(connection: AsyncConnection, tenant: str, runs: Sequence[Open]) -> dict[UUID, Settled]:
    """Judges contractual customers that have had a subscription by whether one is in force when the days are over."""
    if not runs:
        return {}
    columns = {
        "runs": [each.id for each in runs],
        "customers": [each.customer_id for each in runs],
        "until": [each.settles_at for each in runs],
    }
    rows = await connection.execute(_SUBSCRIBED, {"tenant": tenant, **columns})
    return {run: Settled(in_force, event if in_force else None) for run, in_force, event in rows}


async def _policy(connection: AsyncConnection, tenant: str) -> ActivityPolicy:
    f = facts.c
    newest = select(f.version, f.state).where(f.tenant_id == tenant, f.type == SettingsChanged.type)
    row = (await connection.execute(newest.order_by(f.version.desc()).limit(1))).one_or_none()
    return DEFAULT_POLICY if row is None else ActivityPolicy.of_event(row.version, row.state["activity"])


async def _by_band(connection: AsyncConnection, tenant: str, runs: Sequence[Open]) -> dict[UUID, Settled]:
    """Judges by the band when the days were over, by the models in force then."""
    if not runs:
        return {}
    ends, customers = [micros(each.settles_at) for each in runs], {each.customer_id for each in runs}
    facts = await facts_of(connection, tenant, list(customers), starts_at=min(ends), ends_at=max(ends))
    settled = await asyncio.to_thread(_met, facts, runs)
    columns = {
        "runs": [each.id for each in runs],
        "customers": [each.customer_id for each in runs],
        "until": [each.settles_at for each in runs],
    }
    rows = await connection.execute(_LAST_CHANGE, {"tenant": tenant, **columns})
    changes: dict[UUID, UUID] = {run: change for run, change in rows}  # noqa: C416 - of rows
    return {run: Settled(met, changes.get(run)) for run, met in settled.items()}


def _met(facts: HealthFacts, runs: Sequence[Open]) -> dict[UUID, bool]:
    """Judges the customers that a model scored then."""
    index = {customer: number for number, customer in enumerate(facts.customers)}
    some = np.array([index[each.customer_id] for each in runs], np.int64)
    ends = np.array([micros(each.settles_at) for each in runs], np.int64)
    bands, met = facts.bands(ends, some).tolist(), dict[UUID, bool]()
    for model, numbers in facts.assigned(ends, some):
        if model is not None:
            met |= {runs[n].id: runs[n].outcome.is_met_by(band_of(bands[n])) for n in numbers.tolist()}
    return met


TASKS = (Task("playbook outcomes", settle, seconds=30),)
