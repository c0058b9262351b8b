"""What leaves a service about a request."""

from collections.abc import Awaitable, Callable

import httpx
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import REGISTRY

from kith.ids import new_id
from kith.runtime.service import Service
from sales.service import SERVICE

Headers = dict[str, str]
Serve = Callable[[Service], Awaitable[httpx.AsyncClient]]


@pytest.fixture
async def sales(serve: Serve) -> httpx.AsyncClient:
    return await serve(SERVICE)


async def test_a_request_is_one_span_that_goes_on_with_the_callers_trace(
    sales: httpx.AsyncClient, mine: Headers, spans: InMemorySpanExporter
) -> None:
    id, traceparent = new_id(), f"00-{7:032x}-{9:016x}-01"
    answer = await sales.get(f"/v1/orders/{id}", headers={**mine, "traceparent": traceparent})
    assert answer.status_code == 404
    (span,) = spans.get_finished_spans()
    assert span.parent is not None
    assert (span.context.trace_id, span.parent.span_id) == (7, 9)
    assert span.name == "GET /v1/orders/{id:segment}"
    assert dict(span.attributes or {}) == {"http.response.status_code": 404}


async def test_a_span_has_nothing_that_a_caller_sent(
    sales: httpx.AsyncClient, mine: Headers, spans: InMemorySpanExporter
) -> None:
    requests = (("GET", "/v1/orders?after=secret", None), ("POST", "/v1/orders", {"secret": "secret"}))
    for method, path, body in requests:
        assert (await sales.request(method, path, json=body, headers=mine)).status_code == 422
    recorded = "".join(span.to_json() for span in spans.get_finished_spans())
    assert "/v1/orders" in recorded
    assert "secret" not in recorded


async def test_a_request_is_measured_once(sales: httpx.AsyncClient, mine: Headers) -> None:
    def measured() -> float:
        labels = {"service": "sales", "method": "GET", "route": "/v1/returns", "status": "200"}
        return REGISTRY.get_sample_value("kith_http_request_seconds_count", labels) or 0.0

    before = measured()
    assert (await sales.get("/v1/returns", headers=mine)).status_code == 200
    assert measured() == before + 1
