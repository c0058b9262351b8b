"""Records the runs of playbooks: one for each trigger event, with the requests for its actions, in the transaction that
records the trigger event. So a run is recorded exactly once, and its actions are requested exactly once."""

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

from analytics.playbooks.facts import EVENT_KINDS, customers_at, trigger_events_of
from analytics.playbooks.firing import CustomerAt, Firing, Run, RunState, undecided
from analytics.playbooks.form import playbooks
from analytics.playbooks.plan import Action, Customer, Plan, action_id
from analytics.playbooks.rules import PlaybookState
from analytics.playbooks.tables import playbook_runs
from analytics.playbooks.trigger_event import TriggerEvent
from analytics.tables import outbox
from kith.consumer.faults import Fault, fault_of
from kith.consumer.tracing import span_after
from kith.events import actors
from kith.events.analytics import ActionRequested
from kith.events.named_users import named_user
from kith.ids import new_id
from kith.runtime.telemetry import current_traceparent, log

FAILED = Metric(
    "kith_playbook_failed_total", "Trigger events that a playbook could not decide on, and unreadable playbooks"
)
_encode = msgspec.json.Encoder().encode
_P, _R = playbooks.c, playbook_runs.c


class Started(NamedTuple):
    """A playbook that is started, with its plan."""

    tenant: str
    id: UUID
    version: int
    started_at: datetime
    plan: Plan


async def fire(
    connection: AsyncConnection,
    tenant: str,
    trigger_events: Sequence[TriggerEvent],
    events: Sequence[tuple[UUID, str | None]] = (),
) -> int:
    """Records the runs of these trigger events, and requests their actions. Trigger events that `events` are by
    themselves, each given by its id and its traceparent, are looked up here. Returns how many runs were added.

    No other transaction may fire for the same customers until this one ends: cool-downs are checked here.
    """
    if not trigger_events and not events:
        return 0
    acting = await started(connection, tenant)
    if events and any(each.plan.when.kind in EVENT_KINDS for each in acting):
        trigger_events = [*trigger_events, *await trigger_events_of(connection, tenant, events)]
    found = [
        (playbook, mine)
        for playbook in acting
        if (mine := [each for each in trigger_events if _concerns(playbook, each)])
    ]
    if not found:
        return 0
    known = await customers_at(connection, tenant, [CustomerAt(h.customer_id, h.at) for _, mine in found for h in mine])
    return sum([await _fired(connection, playbook, mine, known) for playbook, mine in found])


async def _fired(
    connection: AsyncConnection,
    playbook: Started,
    trigger_events: Sequence[TriggerEvent],
    known: Mapping[CustomerAt, Customer],
) -> int:
    """Returns how many runs were added. A trigger event for which no decision can be made becomes a suppressed run with
    the reason: it stops neither the other trigger events nor the other playbooks, nor the score it came from."""
    try:
        async with connection.begin_nested():
            firing = await firing_of(connection, playbook, trigger_events)
            return await record(connection, playbook, firing.take(trigger_events, known))
    except Exception as error:
        if fault_of(error) is not Fault.POISON:
            raise
        if len(trigger_events) > 1:
            middle = len(trigger_events) // 2
            parts = trigger_events[:middle], trigger_events[middle:]
            return sum([await _fired(connection, playbook, part, known) for part in parts])
        FAILED.inc()
        log.error("playbook failed", tenant=playbook.tenant, playbook=str(playbook.id), exc_info=error)
        run = undecided(playbook.id, trigger_events[0], f"It could not be decided: {type(error).__name__}.")
        return await record(connection, playbook, [run])


async def started(connection: AsyncConnection, tenant: str) -> list[Started]:
    """Returns the started playbooks of the tenant, in the order of ids: so transactions that lock some of them cannot
    deadlock."""
    rows = await connection.execute(
        select(_P.id, _P.version, _P.started_at, _P.document)
        .where(_P.tenant_id == tenant, _P.state == PlaybookState.STARTED, _P.fires)
        .order_by(_P.id)
    )
    found = []
    for id, version, at, document in rows:
        try:
            found.append(Started(tenant, id, version, at, Plan.from_document(document)))
        except (ValueError, TypeError, KeyError) as error:  # msgspec's errors are ValueErrors
            FAILED.inc()
            log.error("playbook cannot be read", tenant=tenant, playbook=str(id), error=error)
    return found


def _concerns(playbook: Started, trigger_event: TriggerEvent) -> bool:
    return trigger_event.at >= playbook.started_at and playbook.plan.when.fires(trigger_event)


async def firing_of(connection: AsyncConnection, playbook: Started, trigger_events: Sequence[TriggerEvent]) -> Firing:
    """Returns the playbook's firing, with the earlier runs of these customers and of these days."""
    if not trigger_events:
        return Firing(playbook.id, playbook.plan)
    first, last = min(each.at for each in trigger_events), max(each.at for each in trigger_events)
    mine = (_R.tenant_id == playbook.tenant, _R.playbook_id == playbook.id, _R.state != RunState.SUPPRESSED)
    of_day: Counter[date] = Counter()
    if playbook.plan.limit_per_day is not None:
        # One transaction at a time: two would both find room below the limit.
        await lock_playbook(connection, playbook)
        day = func.date(func.timezone("UTC", _R.at))
        found = await connection.execute(
            select(day.label("day"), func.count().label("runs"))
            .where(*mine, _R.at >= first - timedelta(days=1), _R.at <= last + timedelta(days=1))
            .group_by(day)
        )
        of_day = Counter({row.day: row.runs for row in found})
    customers = cast(sorted({each.customer_id for each in trigger_events}), ARRAY(Uuid))
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
    """Inserts the runs that do not exist yet, and the requests of their actions. Returns how many were inserted."""
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
        for row in _requests(playbook, run, traces[run.id], now)
    ]
    if requests:
        await connection.execute(insert(outbox), requests)
    return len(new)


async def lock_playbook(connection: AsyncConnection, playbook: Started) -> None:
    """Locks the playbook until the transaction ends, against other transactions that count its runs or scan for it."""
    await connection.execute(_ALONE, {"playbook": f"playbook {playbook.id}"})


_ALONE = text("SELECT pg_advisory_xact_lock(hashtextextended(:playbook, 0))")
# The transaction takes its id before its time: see kith.outbox.relay on what is not seen yet.
_NOW = text("SELECT pg_current_xact_id(), clock_timestamp() AS now")


def _traced(trigger_event: TriggerEvent) -> str | None:
    """Returns the traceparent of the run, which continues the trace of its trigger event; its requests continue from
    there."""
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
    """Returns the actions in the form that the run records."""
    if run.state is not RunState.REQUESTED:
        return []
    return [
        {"kind": each.kind, "title": each.title, "due_at": each.due_at(run.trigger_event.at)}
        for each in playbook.plan.actions
    ]


def _requests(playbook: Started, run: Run, traceparent: str | None, now: datetime) -> list[dict[str, Any]]:
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
            "actor": actors.run(run.id),
            "data": _encode(_event(playbook, run, action, now)),
        }
        for index, action in enumerate(playbook.plan.actions)
    ]


def _event(playbook: Started, run: Run, action: Action, now: datetime) -> ActionRequested:
    trigger_event = run.trigger_event
    # The record as it was known then: what is published or recorded later does not change the reason.
    owner = action.owner_for(run.customer)
    at, known_at = (each.isoformat().replace("+00:00", "Z") for each in (trigger_event.at, now))
    return ActionRequested(
        kind=action.kind,
        playbook_id=playbook.id,
        run_id=run.id,
        trigger=trigger_event.kind,
        title=action.title,
        due_at=action.due_at(trigger_event.at),
        owner_id=None if owner is None else named_user(playbook.tenant, owner),
        priority=action.priority,
        category=action.category,
        queue=action.queue,
        explanation=f"/v1/customers/{trigger_event.customer_id}/health?at={at}&knownAt={known_at}",
    )
