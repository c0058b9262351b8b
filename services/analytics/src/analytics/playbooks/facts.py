"""Reads what playbooks need from the facts: customers as they were known at an instant, and trigger events."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.playbooks.firing import CustomerAt
from analytics.playbooks.plan import Customer
from analytics.playbooks.trigger_event import TriggerEvent
from analytics.projections.facts import types_of
from kith.db.tables import Moment
from kith.events.analytics import ReadingRecorded
from kith.events.contacts import CustomerAmended, CustomerCreated
from kith.events.service_desk import CaseResolved

TRIGGER_EVENT_TYPES = (CaseResolved.type, CustomerCreated.type, CustomerAmended.type, ReadingRecorded.type)
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
          ELSE f.state ->> 'segment' IS DISTINCT FROM b.state ->> 'segment' END
"""
_OF_THESE = text(
    _TRIGGER_EVENTS.format(which=_OF_EVENTS.format(mine="l.tenant_id = :tenant AND l.id = ANY(:events)"))
).bindparams(bindparam("events", type_=ARRAY(Uuid)))
_BETWEEN = text(_TRIGGER_EVENTS.format(which="f.time >= :starts_at AND f.time < :ends_at"))
_KINDS = {CaseResolved.type: "sla_breached", ReadingRecorded.type: "signal_crossed"}
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
    types = {"types": list(TRIGGER_EVENT_TYPES), "resolved": CaseResolved.type, "reading": ReadingRecorded.type}
    return {"tenant": tenant, **types}


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
