"""Changes of a relationship's band: stored as they were published, with the events that publish them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid5

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.health.scores.kept import NewBandChange
from analytics.ledger.unnest import UnnestParams
from analytics.playbooks.trigger_event import TriggerEvent
from kith.consumer.tracing import span_after
from kith.events import actors
from kith.events.analytics import Driver, HealthChanged
from kith.ids import new_id
from kith.runtime.telemetry import current_traceparent

_NAMESPACE = UUID("5b0f5d3c-6c0e-4a6e-9a43-9f1a5a2c7d10")
_encode = msgspec.json.Encoder().encode


class PublishedChange(NamedTuple):
    id: UUID
    change: NewBandChange
    traceparent: str | None

    @property
    def trigger_event(self) -> TriggerEvent:
        change = self.change
        return TriggerEvent(
            kind="band_changed",
            customer_id=change.customer_id,
            at=change.at,
            band=change.band,
            from_band=change.from_band,
            score=change.score,
            cause=change.cause,
            event_id=self.id,
            traceparent=self.traceparent,
        )


def _traced(change: NewBandChange, traceparent: str | None) -> str | None:
    """Continues the trace of the event that caused the change; a change by silence begins a trace. A first score is
    published without a span: those would cost most of the first scoring."""
    if change.from_band is None:
        return traceparent
    with span_after(traceparent, f"health {change.band or 'unknown'}"):
        return current_traceparent()


_CHANGES = UnnestParams(
    id="uuid",
    customer_id="uuid",
    at="timestamptz",
    cause="name",
    model="name",
    model_version="int",
    from_band="name",
    band="name",
    score="number",
    coverage="number",
    drivers="text",
    trace_id="text",
)
_INSERT_CHANGES = f"""
    INSERT INTO health_changes (id, customer_id, at, cause, model, model_version, from_band, band, score, coverage,
                                drivers, trace_id, tenant_id, recorded_at)
    SELECT id, customer_id, at, cause, model, model_version, from_band, band, score, coverage, drivers::jsonb, trace_id,
           ${len(_CHANGES) + 1}, ${len(_CHANGES) + 2}
    FROM {_CHANGES.sql}
"""  # noqa: S608 - made here
_EVENTS = UnnestParams(
    id="uuid", subject="uuid", version="int", customer_id="uuid", time="timestamptz", traceparent="text", data="text"
)
_INSERT_EVENTS = f"""
    INSERT INTO outbox (id, subject, aggregate_version, customer_id, time, traceparent, data, actor, tenant_id,
                        recorded_at, type)
    SELECT id, subject, version, customer_id, time, traceparent, convert_to(data, 'UTF8'),
           '{actors.service("analytics")}', ${len(_EVENTS) + 1},
           ${len(_EVENTS) + 2}, ${len(_EVENTS) + 3}
    FROM {_EVENTS.sql}
"""  # noqa: S608 - made here


def _change_rows(published: Sequence[PublishedChange]) -> list[tuple[Any, ...]]:
    return [
        (
            each.id,
            each.change.customer_id,
            each.change.at,
            each.change.cause,
            each.change.model,
            each.change.model_version,
            each.change.from_band,
            each.change.band,
            each.change.score,
            each.change.coverage,
            _encode(_drivers(each.change)).decode(),
            each.traceparent.split("-")[1] if each.traceparent else None,
        )
        for each in published
    ]


def _event_rows(published: Sequence[PublishedChange]) -> list[tuple[Any, ...]]:
    return [
        (
            each.id,
            uuid5(_NAMESPACE, str(each.change.customer_id)),
            each.change.version,
            each.change.customer_id,
            each.change.at,
            each.traceparent,
            _encode(_event(each.change)).decode(),
        )
        for each in published
    ]


def _event(change: NewBandChange) -> HealthChanged:
    return HealthChanged(
        cause=change.cause,
        coverage=change.coverage,
        model=change.model,
        model_version=change.model_version,
        band=change.band,
        from_band=change.from_band,
        score=change.score,
        drivers=_drivers(change),
    )


def _drivers(change: NewBandChange) -> list[Driver]:
    return [Driver(*each) for each in change.drivers]


async def publish(
    connection: AsyncConnection,
    tenant: str,
    now: datetime,
    changes: Iterable[NewBandChange],
    traceparents: Mapping[UUID, str | None],
) -> list[PublishedChange]:
    """Writes each change, and the event that publishes it, with the customer's version after it."""
    published = [
        PublishedChange(new_id(), change, _traced(change, traceparents.get(change.customer_id))) for change in changes
    ]
    if published:
        rows, events = zip(*_change_rows(published), strict=True), zip(*_event_rows(published), strict=True)
        await connection.exec_driver_sql(_INSERT_CHANGES, (*_CHANGES.values(*rows), tenant, now))
        await connection.exec_driver_sql(_INSERT_EVENTS, (*_EVENTS.values(*events), tenant, now, HealthChanged.type))
    return published
