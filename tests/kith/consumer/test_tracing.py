"""Traces go on over the bus."""

from uuid import uuid4

import msgspec
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tests.kith.consumer.world import World

from kith.bus.port import Incoming
from kith.consumer import tracing
from kith.consumer.delivery import Delivery, read
from kith.events.envelope import Envelope
from kith.runtime import telemetry
from kith.runtime.telemetry import current_traceparent


def _delivery(world: World, trace: int) -> Delivery:
    traceparent = f"00-{trace:032x}-{trace:016x}-01".encode()
    return _delivered(world, world.event(uuid4()), ("ce_traceparent", traceparent))


def _delivered(world: World, event: Envelope, *more: tuple[str, bytes]) -> Delivery:
    message = world.message(event)
    return read(Incoming(message.topic, 0, 0, message.key, message.value, (*message.headers, *more)))


def test_a_single_event_goes_on_with_its_trace(world: World, spans: InMemorySpanExporter) -> None:
    with tracing.batch_span("group", [_delivery(world, 7)]):
        pass
    (span,) = spans.get_finished_spans()
    assert span.context.trace_id == 7
    assert span.parent is not None
    assert span.parent.span_id == 7


def test_a_batch_is_linked_to_the_traces_of_its_events(world: World, spans: InMemorySpanExporter) -> None:
    with tracing.batch_span("group", [_delivery(world, trace) for trace in (7, 7, 8)]):
        pass
    (span,) = spans.get_finished_spans()
    assert span.parent is None
    assert [link.context.trace_id for link in span.links] == [7, 8]


def test_what_an_event_of_a_batch_comes_to_goes_on_with_its_own_trace(
    world: World, spans: InMemorySpanExporter
) -> None:
    deliveries = [_delivery(world, trace) for trace in (7, 8)]
    written = []
    with tracing.batch_span("group", deliveries):
        for delivery in deliveries:
            assert delivery.envelope is not None
            with tracing.event_span(delivery.envelope, "create task"):
                written.append(current_traceparent())
    first, second, batch = spans.get_finished_spans()
    assert [(span.context.trace_id, span.parent and span.parent.span_id) for span in (first, second)] == [
        (7, 7),
        (8, 8),
    ]
    assert written == [f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-01" for span in (first, second)]
    assert {link.context.span_id for span in (first, second) for link in span.links} == {batch.context.span_id}


def test_what_an_event_without_a_trace_comes_to_is_part_of_the_batch(world: World, spans: InMemorySpanExporter) -> None:
    event = world.event(uuid4())
    with tracing.batch_span("group", [_delivered(world, event)]), tracing.event_span(event, "create task"):
        pass
    inner, batch = spans.get_finished_spans()
    assert inner.parent is not None
    assert (inner.parent.span_id, inner.links) == (batch.context.span_id, ())


def test_a_batch_of_watermarks_has_none(world: World, spans: InMemorySpanExporter) -> None:
    of_no_tenant = msgspec.structs.replace(world.event(uuid4()), tenant_id="")
    with tracing.batch_span("group", [_delivered(world, of_no_tenant)]):
        pass
    assert spans.get_finished_spans() == ()


def test_what_goes_wrong_is_recorded_by_its_kind_and_not_in_its_words(spans: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="what was sent"), telemetry.span("work"):
        raise ValueError("what was sent")
    (span,) = spans.get_finished_spans()
    assert (span.status.description, span.events) == ("ValueError", ())
