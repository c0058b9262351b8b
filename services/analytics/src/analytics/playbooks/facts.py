"""Reads what playbooks need from the facts: customers as they were known at an instant, and trigger events."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.health.engine.base import FAR, moment, to_micros
from analytics.health.model.definition import DAY
from analytics.playbooks.firing import CustomerAt
from analytics.playbooks.plan import Customer
from analytics.playbooks.trigger_event import TriggerEvent
from analytics.playbooks.trigger_scan import Renewal
from analytics.projections.facts import types_of
from kith.db.tables import Moment
from kith.events.analytics import ReadingRecorded
from kith.events.contacts import CustomerAmended, CustomerCreated
from kith.events.goals import MilestoneMissed
from kith.events.service_desk import CaseResolved
from kith.events.subscriptions import SubscriptionStarted

TRIGGER_EVENT_TYPES = (
    *(CaseResolved.type, CustomerCreated.type, CustomerAmended.type, ReadingRecorded.type),
    MilestoneMissed.type,
)
"""The event types that may trigger a playbook by themselves, without a score."""

_CUSTOMERS = text("""
    SELECT k.customer_id, k.at, f.state
    FROM unnest(:customers, :instants) AS k(customer_id, at)
    JOIN facts f ON f.tenant_id = :tenant AND f.subject = k.customer_id AND f.type = ANY(:types)
        AND (f.version = 1 OR f.time <= k.at) AND (f.until IS NULL OR f.until > k.at)
""").bindparams(bindparam("customers", type_=ARRAY(Uuid)), bindparam("instants", type_=ARRAY(Moment)))

_OF_EVENTS = "(f.subject, f.version) IN (SELECT subject, aggregate_version FROM ledger l WHERE {mine})"
_TRIGGER_EVENTS = """
    SELECT f.event_id, f.type, f.customer_id, f.time, f.state ->> 'segment' AS segment,
           (f.state ->> 'signal_id')::uuid AS signal,
           CASE WHEN f.type = :reading AND pg_input_is_valid(f.state ->> 'value', 'float8')
               THEN (f.state ->> 'value')::float8 END AS value, r.value AS from_value
    FROM facts f
    LEFT JOIN facts b ON b.tenant_id = f.tenant_id AND b.subject = f.subject AND b.version = f.version - 1
    LEFT JOIN LATERAL (
        SELECT CASE WHEN pg_input_is_valid(e.state ->> 'value', 'float8')
            THEN (e.state ->> 'value')::float8 END AS value FROM facts e
        WHERE f.type = :reading AND e.tenant_id = f.tenant_id AND e.customer_id = f.customer_id AND e.type = :reading
          AND e.state ->> 'signal_id' = f.state ->> 'signal_id'
          AND (e.time, e.event_id) < (f.time, f.event_id)
        ORDER BY e.time DESC, e.event_id DESC LIMIT 1
    ) r ON true
    WHERE f.tenant_id = :tenant AND f.type = ANY(:types) AND f.customer_id IS NOT NULL AND {which}
      AND CASE f.type
          WHEN :resolved THEN f.state ->> 'sla_met' = 'false'
          WHEN :reading THEN r.value IS NOT NULL
          WHEN :missed THEN true
          ELSE f.state ->> 'segment' IS DISTINCT FROM b.state ->> 'segment' END
"""
_OF_THESE = text(
    _TRIGGER_EVENTS.format(which=_OF_EVENTS.format(mine="l.tenant_id = :tenant AND l.id = ANY(:events)"))
).bindparams(bindparam("events", type_=ARRAY(Uuid)))
_BETWEEN = text(_TRIGGER_EVENTS.format(which="f.time >= :starts_at AND f.time < :ends_at"))
_KINDS = {
    CaseResolved.type: "sla_breached",
    ReadingRecorded.type: "signal_crossed",
    MilestoneMissed.type: "milestone_missed",
}
EVENT_KINDS = frozenset({*_KINDS.values(), "segment_entered"})
"""The kinds of triggers that such an event may fire."""


async def customers_at(
    connection: AsyncConnection, tenant: str, known: Iterable[CustomerAt]
) -> dict[CustomerAt, Customer]:
    """Returns each customer as it was known at the instant, events at that very instant included."""
    wanted = list(dict.fromkeys(known))
    rows = await connection.execute(
        _CUSTOMERS,
        {
            "tenant": tenant,
            "customers": [each.customer_id for each in wanted],
            "instants": [each.at for each in wanted],
            "types": list(types_of("contacts.customer")),
        },
    )
    return {CustomerAt(id, at): customer_of(state) for id, at, state in rows}


def customer_of(state: dict[str, Any]) -> Customer:
    return Customer(state.get("segment"), state.get("tier"), state.get("owner"), frozenset(state.get("tags") or ()))


_RENEWALS = text("""
    SELECT customer_id, event_id, time, until, renews_at FROM (
        SELECT f.customer_id, f.event_id, f.time, f.until, f.state,
               CASE WHEN pg_input_is_valid(f.state ->> 'term_ends_at', 'timestamptz')
                   THEN (f.state ->> 'term_ends_at')::timestamptz END AS renews_at,
               CASE WHEN pg_input_is_valid(f.state ->> 'ends_at', 'timestamptz')
                   THEN (f.state ->> 'ends_at')::timestamptz END AS ends_at
        FROM facts f
        WHERE f.tenant_id = :tenant AND f.type = ANY(:types) AND f.customer_id = ANY(:customers)
          AND f.time < :ends_at AND (f.until IS NULL OR f.until >= :starts_at)
    ) f
    WHERE renews_at > :starts_at AND renews_at < :last
      AND (ends_at IS NULL OR ends_at > renews_at
        -- One that ends with its term may be renewed all the same, unless it was cancelled.
        OR (ends_at = renews_at AND state ->> 'auto_renew' = 'false' AND 'cancelled' IS DISTINCT FROM (
          SELECT verb FROM jsonb_array_elements_text(
              CASE jsonb_typeof(state -> 'seen') WHEN 'array' THEN state -> 'seen' ELSE '[]' END
          ) WITH ORDINALITY AS v(verb, number)
          WHERE verb IN ('cancelled', 'reactivated') ORDER BY number DESC LIMIT 1
        )))
""").bindparams(bindparam("customers", type_=ARRAY(Uuid)))


async def renewals_between(
    connection: AsyncConnection, tenant: str, customers: Sequence[UUID], starts_at: int, ends_at: int, days: int
) -> list[Renewal]:
    """Returns the renewals of these customers that are due within the days after an instant of `[starts_at, ends_at)`,
    as they were known at any of those."""
    rows = await connection.execute(
        _RENEWALS,
        {
            "tenant": tenant,
            "types": list(types_of(SubscriptionStarted.noun)),
            "customers": customers,
            "starts_at": moment(starts_at),
            "ends_at": moment(ends_at),
            "last": moment(ends_at + days * DAY),
        },
    )
    return [
        Renewal(customer, event, to_micros(time), int(FAR) if until is None else to_micros(until), to_micros(at))
        for customer, event, time, until, at in rows
    ]


async def trigger_events_of(
    connection: AsyncConnection, tenant: str, events: Sequence[tuple[UUID, str | None]]
) -> list[TriggerEvent]:
    """Returns the trigger events that these events are by themselves, each given by its id and its traceparent. They
    are folded."""
    traces = dict(events)
    rows = await connection.execute(_OF_THESE, {**_parameters(tenant), "events": list(traces)})
    return [_trigger_event(row, traces[row.event_id]) for row in rows]


async def trigger_events_between(
    connection: AsyncConnection, tenant: str, starts_at: datetime, ends_at: datetime
) -> list[TriggerEvent]:
    """Returns all such trigger events in `[starts_at, ends_at)`."""
    rows = await connection.execute(_BETWEEN, {**_parameters(tenant), "starts_at": starts_at, "ends_at": ends_at})
    return [_trigger_event(row, None) for row in rows]


def _parameters(tenant: str) -> dict[str, Any]:
    types = {"resolved": CaseResolved.type, "reading": ReadingRecorded.type, "missed": MilestoneMissed.type}
    return {"tenant": tenant, "types": list(TRIGGER_EVENT_TYPES), **types}


def _trigger_event(row: Any, traceparent: str | None) -> TriggerEvent:
    kind = _KINDS.get(row.type, "segment_entered")
    return TriggerEvent(
        kind=kind,
        customer_id=row.customer_id,
        at=row.time,
        cause="event",
        segment=row.segment if kind == "segment_entered" else None,
        signal=row.signal,
        value=row.value,
        from_value=row.from_value,
        event_id=row.event_id,
        traceparent=traceparent,
    )
