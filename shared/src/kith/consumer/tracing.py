"""One span per batch, tied to the traces that its events came from."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from opentelemetry import propagate, trace

from kith.consumer.delivery import Delivery
from kith.telemetry import tracer

_LINKS = 16
"""A batch may come from thousands of traces; some lead on, and more would cost more than they tell."""


@contextmanager
def batch_span(group: str, deliveries: Sequence[Delivery]) -> Iterator[None]:
    """A batch of one event goes on with its trace; one of more is a trace of its own with links to theirs."""
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):  # tracing was not configured
        yield
        return
    origins = _origins(deliveries)
    parent = propagate.extract({"traceparent": origins[0]}) if len(deliveries) == len(origins) == 1 else None
    with tracer.start_as_current_span(
        f"{group} process",
        context=parent,
        kind=trace.SpanKind.CONSUMER,
        attributes={"messaging.consumer.group.name": group, "messaging.batch.message_count": len(deliveries)},
        links=None if parent is not None else [trace.Link(_span_context(origin)) for origin in origins],
    ):
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
