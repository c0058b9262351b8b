"""What playbooks do: a run for each happening that sets one off, and what it asks for, in the transaction of whoever
records the happening. So a run is recorded exactly once, and its actions are asked for exactly once.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from prometheus_client import Counter as Metric
from sqlalchemy import ARRAY, Uuid, any_, cast, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.playbooks.facts import EVENT_KINDS, customers_at, happenings_of
from analytics.playbooks.firing import Firing, Known, Run, RunState, undecided
from analytics.playbooks.form import playbooks
from analytics.playbooks.plan import Action, Customer, Plan, action_id
from analytics.playbooks.rules import PlaybookState
from analytics.playbooks.tables import playbook_runs
from analytics.playbooks.trigger_event import TriggerEvent
from analytics.tables import outbox
from kith.consumer.faults import Fault, fault_of
from kith.consumer.tracing import span_after
from kith.events.analytics import ActionRequested
from kith.ids import new_id
from kith.runtime.telemetry import current_traceparent, log

FAILED = Metric(
    "kith_playbook_failed_total", "Happenings that a playbook could not decide on, and unreadable playbooks"
)
_encode = msgspec.json.Encoder().encode
_P, _R = playbooks.c, playbook_runs.c


class Started(NamedTuple):
    """A playbook that acts."""

    tenant: str
    id: UUID
    version: int
    started_at: datetime
    plan: Plan


async def fire(
    connection: AsyncConnection,
    tenant: str,
    happenings: Sequence[TriggerEvent],
    events: Sequence[tuple[UUID, str | None]] = (),
) -> int:
    """Records the runs that these set off, and requests their actions. What `events` set off by themselves, each given
    by its id and its traceparent, is looked for here. Returns how many runs there are more.

    Nobody else may fire for the same customers until the transaction ends: cool-downs are looked at here.
    """
    if not happenings and not events:
        return 0
    acting = await started(connection, tenant)
    if events and any(each.plan.when.kind in EVENT_KINDS for each in acting):
        happenings = [*happenings, *await happenings_of(connection, tenant, events)]
    found = [
        (playbook, mine) for playbook in acting if (mine := [each for each in happenings if _concerns(playbook, each)])
    ]
    if not found:
        return 0
    known = await customers_at(connection, tenant, [Known(h.customer_id, h.at) for _, mine in found for h in mine])
    return sum([await _fired(connection, playbook, mine, known) for playbook, mine in found])


async def _fired(
    connection: AsyncConnection, playbook: Started, happenings: Sequence[TriggerEvent], known: Mapping[Known, Customer]
) -> int:
    """Returns how many more runs there are. A happening that cannot be decided on becomes a suppressed run with the
    reason: it stops neither the other happenings nor the other playbooks, nor the score it came from."""
    try:
        async with connection.begin_nested():
            firing = await firing_of(connection, playbook, happenings)
            return await record(connection, playbook, firing.take(happenings, known))
    except Exception as error:
        if fault_of(error) is not Fault.POISON:
            raise
        if len(happenings) > 1:
            middle = len(happenings) // 2
            parts = happenings[:middle], happenings[middle:]
            return sum([await _fired(connection, playbook, part, known) for part in parts])
        FAILED.inc()
        log.error("playbook failed", tenant=playbook.tenant, playbook=str(playbook.id), exc_info=error)
        run = undecided(playbook.id, happenings[0], f"It could not be decided: {type(error).__name__}.")
        return await record(connection, playbook, [run])


async def started(connection: AsyncConnection, tenant: str) -> list[Started]:
    """Those of the tenant, in the order of ids: no two that lock some of them deadlock."""
    rows = await connection.execute(
        select(_P.id, _P.version, _P.started_at, _P.document)
        .where(_P.tenant_id == tenant, _P.state == PlaybookState.STARTED, _P.fires)
        .order_by(_P.id)
    )
    found = []
    for id, version, at, document in rows:
        try:
            found.append(Started(tenant, id, version, at, Plan.from_document(document)))
        except (ValueError, TypeError, KeyError) as error:  # msgspec's are ValueErrors
            FAILED.inc()
            log.error("playbook cannot be read", tenant=tenant, playbook=str(id), error=error)
    return found


def _concerns(playbook: Started, trigger_event: TriggerEvent) -> bool:
    return trigger_event.at >= playbook.started_at and playbook.plan.when.fires(trigger_event)


async def firing_of(connection: AsyncConnection, playbook: Started, happenings: Sequence[TriggerEvent]) -> Firing:
    """With what there was before of these customers and of these days."""
    if not happenings:
        return Firing(playbook.id, playbook.plan)
    first, last = min(each.at for each in happenings), max(each.at for each in happenings)
    mine = (_R.tenant_id == playbook.tenant, _R.playbook_id == playbook.id, _R.state != RunState.SUPPRESSED)
    of_day: Counter[date] = Counter()
    if playbook.plan.limit_per_day is not None:
        # One at a time: two would both find room below the limit.
        await be_alone(connection, playbook)
        day = func.date(func.timezone("UTC", _R.at))
        found = await connection.execute(
            select(day.label("day"), func.count().label("runs"))
            .where(*mine, _R.at >= first - timedelta(days=1), _R.at <= last + timedelta(days=1))
            .group_by(day)
        )
        of_day = Counter({row.day: row.runs for row in found})
    customers = cast(sorted({each.customer_id for each in happenings}), ARRAY(Uuid))
    cool_down = playbook.plan.cool_down
    rows = await connection.execute(
        select(_R.customer_id, _R.at)
        .where(*mine, _R.customer_id == any_(customers), _R.at.between(first - cool_down, last + cool_down))
        .order_by(_R.at)
    )
    before: dict[UUID, list[datetime]] = {}
    for customer, at in rows:
        before.setdefault(customer, []).append(at)
    return Firing(playbook.id, playbook.plan, before, of_day)


async def record(connection: AsyncConnection, playbook: Started, runs: Sequence[Run]) -> int:
    """Write the runs that are not there yet, and what they ask for. Answers how many."""
    if not runs:
        return 0
    now = (await connection.execute(_NOW)).one().now
    traces = {run.id: _traced(run.trigger_event) for run in runs}
    rows = [_row(playbook, run, traces[run.id], now) for run in runs]
    written = await connection.scalars(insert(playbook_runs).on_conflict_do_nothing().returning(_R.id), rows)
    new = set(written)
    requests = [
        row
        for run in runs
        if run.id in new and run.state is RunState.REQUESTED
        for row in _asked(playbook, run, traces[run.id], now)
    ]
    if requests:
        await connection.execute(insert(outbox), requests)
    return len(new)


async def be_alone(connection: AsyncConnection, playbook: Started) -> None:
    """Nobody else counts or looks for this playbook until the transaction ends."""
    await connection.execute(_ALONE, {"playbook": f"playbook {playbook.id}"})


_ALONE = text("SELECT pg_advisory_xact_lock(hashtextextended(:playbook, 0))")
# The transaction takes its id before its time: see kith.outbox.relay on what is not seen yet.
_NOW = text("SELECT pg_current_xact_id(), clock_timestamp() AS now")


def _traced(trigger_event: TriggerEvent) -> str | None:
    """The run is a part of the trace that led to it; what it asks for goes on from there."""
    with span_after(trigger_event.traceparent, "playbook run"):
        return current_traceparent()


def _row(playbook: Started, run: Run, traceparent: str | None, now: datetime) -> dict[str, Any]:
    trigger_event, outcome = run.trigger_event, playbook.plan.outcome
    settles = outcome is not None and run.state is not RunState.SUPPRESSED
    return {
        "tenant_id": playbook.tenant,
        "id": run.id,
        "playbook_id": playbook.id,
        "playbook_version": playbook.version,
        "customer_id": trigger_event.customer_id,
        "at": trigger_event.at,
        "recorded_at": now,
        "trigger": msgspec.to_builtins(trigger_event.payload()),
        "state": run.state,
        "is_control": run.is_control,
        "reason": run.reason,
        "actions": [
            {"id": str(action_id(run.id, index)), **msgspec.to_builtins(action)}
            for index, action in enumerate(_actions(playbook, run))
        ],
        "trace_id": traceparent.split("-")[1] if traceparent else None,
        "outcome": msgspec.to_builtins(outcome) if settles else None,
        "settles_at": outcome.settles_at(trigger_event.at) if outcome is not None and settles else None,
    }


def _actions(playbook: Started, run: Run) -> list[dict[str, Any]]:
    """As the run records them."""
    if run.state is not RunState.REQUESTED:
        return []
    return [
        {"kind": each.kind, "title": each.title, "due_at": each.due_at(run.trigger_event.at)}
        for each in playbook.plan.actions
    ]


def _asked(playbook: Started, run: Run, traceparent: str | None, now: datetime) -> list[dict[str, Any]]:
    return [
        {
            "id": new_id(),
            "tenant_id": playbook.tenant,
            "type": ActionRequested.type,
            "subject": action_id(run.id, index),
            "aggregate_version": 1,
            "customer_id": run.trigger_event.customer_id,
            "time": run.trigger_event.at,
            "recorded_at": now,
            "traceparent": traceparent,
            "data": _encode(_event(playbook, run, action, now)),
        }
        for index, action in enumerate(playbook.plan.actions)
    ]


def _event(playbook: Started, run: Run, action: Action, now: datetime) -> ActionRequested:
    trigger_event = run.trigger_event
    # As it was, and as it was known: what is published or recorded later does not change why.
    at, known_at = (each.isoformat().replace("+00:00", "Z") for each in (trigger_event.at, now))
    return ActionRequested(
        kind=action.kind,
        playbook_id=playbook.id,
        run_id=run.id,
        trigger=trigger_event.kind,
        title=action.title,
        due_at=action.due_at(trigger_event.at),
        owner=action.owner_for(run.customer),
        priority=action.priority,
        category=action.category,
        queue=action.queue,
        explanation=f"/v1/customers/{trigger_event.customer_id}/health?at={at}&knownAt={known_at}",
    )
