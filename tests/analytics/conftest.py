"""Events for the fold, as the other services would publish them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from analytics.consumers import handle
from analytics.service import SERVICE
from kith.db.connections import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.events.envelope import Envelope
from kith.events.event import Event
from kith.ids import new_id
from kith.outbox.relay import Watermark
from kith.runtime.service import Service
from kith_local.postgres import EmbeddedPostgres

Fold = Callable[..., Awaitable[None]]


@pytest.fixture
async def analytics(serve: Callable[[Service], Awaitable[httpx.AsyncClient]]) -> httpx.AsyncClient:
    return await serve(SERVICE)


@pytest.fixture(scope="session")
async def worker(
    serve: Callable[[Service], Awaitable[httpx.AsyncClient]], postgres: EmbeddedPostgres
) -> AsyncIterator[AsyncEngine]:
    """The engine of the analytics worker."""
    await serve(SERVICE)
    engine = create_engine(postgres.url("kith_analytics"), role=WORKER_ROLE, pool_size=5, application="test worker")
    yield engine
    await engine.dispose()


@pytest.fixture
def fold(worker: AsyncEngine) -> Fold:
    """Folds envelopes as the consumer does, each call one transaction."""

    async def apply(*envelopes: Envelope) -> None:
        async with worker.begin() as connection:
            await handle(connection, envelopes)

    return apply


def at(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


def happened(
    event: Event | Watermark, tenant: str, time: datetime, customer: UUID | None = None, **envelope: Any
) -> Envelope:
    given = {
        "id": new_id(),
        "source": event.type.partition(".")[0],
        "type": event.type,
        "subject": customer if customer and event.type.startswith("contacts.customer.") else new_id(),
        "time": time,
        "tenant_id": tenant,
        "customer_id": customer,
        "aggregate_version": 1,
        "recorded_at": datetime.now(UTC),
        "traceparent": None,
        "data": msgspec.json.encode(event),
    }
    return Envelope(**{**given, **envelope})
