"""Fixtures for what the services share."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tests.kith.adapters import SESSION, Adapter

from kith.bus.embedded import EmbeddedBus
from kith.bus.port import Bus
from kith.runtime import telemetry
from kith_local.postgres import EmbeddedPostgres


@pytest.fixture(scope="session")
def embedded_bus_url(postgres: EmbeddedPostgres) -> str:
    name = f"bus_{uuid4().hex}"
    postgres.create_databases(name)
    return postgres.url(name)


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def adapter(request: pytest.FixtureRequest) -> Adapter:
    url = request.getfixturevalue("kafka_bootstrap" if request.param == "kafka" else "embedded_bus_url")
    return Adapter(request.param, url)


@pytest.fixture
async def bus(adapter: Adapter) -> AsyncIterator[Bus]:
    async with adapter.bus() as bus:
        yield bus


@pytest.fixture
async def embedded_bus(embedded_bus_url: str) -> AsyncIterator[EmbeddedBus]:
    async with EmbeddedBus(embedded_bus_url, session=SESSION) as bus:
        yield bus


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """The spans that end during the test."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(telemetry, "tracer", provider.get_tracer("test"))
    monkeypatch.setattr("opentelemetry.trace.get_tracer_provider", lambda: provider)
    return exporter
