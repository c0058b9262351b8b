"""One span per batch, tied to the traces that its events came from; and where an event makes others, one in its own."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from opentelemetry import propagate, trace

from kith.consumer.delivery import Delivery
from kith.events.envelope import Envelope
from kith.runtime.telemetry import span

_LINKS = 16
"""A batch may come from thousands of traces; some lead on, and more would cost more than they show."""


@contextmanager
def batch_span(group: str, deliveries: Sequence[Delivery]) -> Iterator[None]:
    """A batch of one event goes on with its trace; one of more is a trace of its own with links to theirs. One of
    nothing but watermarks, which come every second, has none."""
    is_traced = any(each.envelope is None or each.envelope.tenant_id for each in deliveries)
    if not is_traced or isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):  # or it was not configured
        yield
        return
    origins = _origins(deliveries)
    parent = propagate.extract({"traceparent": origins[0]}) if len(deliveries) == len(origins) == 1 else None
    with span(
        f"{group} process",
        context=parent,
        kind=trace.SpanKind.CONSUMER,
        attributes={"messaging.consumer.group.name": group, "messaging.batch.message_count": len(deliveries)},
        links=None if parent is not None else [trace.Link(_span_context(origin)) for origin in origins],
    ):
        yield


@contextmanager
def event_span(envelope: Envelope, name: str) -> Iterator[None]:
    """Of what one event comes to: what is written within goes on with the event's own trace."""
    with span_after(envelope.traceparent, name):
        yield


@contextmanager
def span_after(traceparent: str | None, name: str) -> Iterator[None]:
    """A span that goes on from there, with a link to the one around it; without a `traceparent`, a part of that."""
    around = trace.get_current_span().get_span_context()
    if traceparent is None:
        parent, links = None, []
    else:
        parent = propagate.extract({"traceparent": traceparent})
        links = [trace.Link(around)] if around.is_valid else []
    with span(name, context=parent, kind=trace.SpanKind.CONSUMER, links=links):
        yield


def _origins(deliveries: Sequence[Delivery]) -> list[str]:
    found: dict[str, None] = {}
    for delivery in deliveries:
        if delivery.envelope is not None and delivery.envelope.traceparent is not None:
            found[delivery.envelope.traceparent] = None
            if len(found) == _LINKS:
                break
    return list(found)


def _span_context(traceparent: str) -> trace.SpanContext:
    return trace.get_current_span(propagate.extract({"traceparent": traceparent})).get_span_context()
