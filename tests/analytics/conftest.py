"""Events for the fold, as the other services would publish them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import FreshDatabase

from analytics.consumers import handle
from analytics.service import SERVICE
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.events.envelope import Envelope
from kith.events.event import Event
from kith.ids import new_id
from kith.outbox.relay import Watermark
from kith.runtime.service import Service
from kith.testing import Issuer, serving
from kith_local.postgres import EmbeddedPostgres

Fold = Callable[..., Awaitable[None]]
Serve = Callable[[Service], Awaitable[httpx.AsyncClient]]


@pytest.fixture(scope="module")
def own_database(request: pytest.FixtureRequest) -> bool:
    """Whether the module's mark says so: what is done for all tenants at once is then done for those of its tests only,
    and not for all that other modules have left."""
    return request.node.get_closest_marker("own_database") is not None


@pytest.fixture(scope="module")
async def database_url(
    own_database: bool, fresh_database: FreshDatabase, serve: Serve, postgres: EmbeddedPostgres
) -> str:
    if own_database:
        return await fresh_database(SERVICE)
    await serve(SERVICE)
    return postgres.url("kith_analytics")


@pytest.fixture(scope="module")
async def analytics(
    own_database: bool, database_url: str, serve: Serve, issuer: Issuer
) -> AsyncIterator[httpx.AsyncClient]:
    if own_database:
        async with serving(SERVICE, database_url, issuer) as client:
            yield client
    else:
        yield await serve(SERVICE)


@pytest.fixture(scope="module")
async def worker(database_url: str) -> AsyncIterator[AsyncEngine]:
    """The engine of the analytics worker."""
    engine = create_engine(database_url, role=WORKER_ROLE, pool_size=5, application="test worker")
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
