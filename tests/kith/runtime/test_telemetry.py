"""What leaves a service about a request."""

import os
from collections.abc import Awaitable, Callable

import httpx
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import REGISTRY

from kith.http.probes import probes
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


async def test_a_measurement_leads_to_the_trace_of_its_request(sales: httpx.AsyncClient, mine: Headers) -> None:
    async def scraped(accept: str) -> httpx.Response:
        transport = httpx.ASGITransport(probes({}))
        async with httpx.AsyncClient(transport=transport, base_url="http://sales") as prometheus:
            return await prometheus.get("/metrics", headers={"accept": accept})

    sampled, not_sampled = f"{int.from_bytes(os.urandom(16)) | 1:032x}", f"{int.from_bytes(os.urandom(16)) | 1:032x}"
    for trace, flags in ((sampled, "01"), (not_sampled, "00")):
        traceparent = f"00-{trace}-{9:016x}-{flags}"
        assert (await sales.get("/v1/products", headers={**mine, "traceparent": traceparent})).status_code == 200
    answer = await scraped("application/openmetrics-text;version=1.0.0")
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    (line,) = (line for line in answer.text.splitlines() if sampled in line)
    assert line.startswith("kith_http_request_seconds_bucket{")
    assert 'route="/v1/products"' in line
    assert f'# {{trace_id="{sampled}"}}' in line
    assert not_sampled not in answer.text
    plain = await scraped("text/plain")
    assert plain.headers["content-type"].startswith("text/plain")
    assert sampled not in plain.text
