"""Totals: read or not, figures are the same."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.analytics.conftest import at, happened
from tests.conftest import FreshDatabase

from analytics.metrics import rollup_keys as shapes
from analytics.metrics.rollups import settle_days
from analytics.service import SERVICE
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.events.exchanges import TouchpointRecorded
from kith.events.sales import OrderPlaced
from kith.ids import new_id
from kith.testing import Issuer, serving

Headers = dict[str, str]
Fold = Callable[..., Awaitable[None]]
YEAR = {"from": "2011-01-01T00:00:00Z", "to": "2012-01-01T00:00:00Z"}
ASKED: tuple[dict[str, str], ...] = (
    YEAR,
    YEAR | {"grain": "month"},
    YEAR | {"grain": "month", "zone": "Asia/Kolkata"},
    {"from": "2011-02-03T04:05:06Z", "to": "2011-09-08T07:06:05Z", "grain": "week", "zone": "America/New_York"},
    YEAR | {"groupBy": "currency"},
    YEAR | {"filter": "currency:EUR", "grain": "quarter"},
)
IDS = ("revenue", "orders", "arpu", "marketing.response_rate", "marketing.touchpoints")


@pytest.fixture(scope="module")
async def url(fresh_database: FreshDatabase) -> str:
    """A database of this file's own: days are added up for all tenants, and others have very many."""
    return await fresh_database(SERVICE)


@pytest.fixture(scope="module")
async def worker(url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(url, role=WORKER_ROLE, pool_size=5, application="test worker")
    yield engine
    await engine.dispose()


@pytest.fixture(scope="module")
async def analytics(url: str, issuer: Issuer) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(SERVICE, url, issuer) as client:
        yield client


async def figures(analytics: httpx.AsyncClient, headers: Headers) -> list[Any]:
    found = []
    for params in ASKED:
        for id in IDS:
            answer = await analytics.get(f"/v1/metrics/{id}", params=params, headers=headers)
            it = answer.json()
            found.append((id, params, {name: it.get(name) for name in ("value", "components", "breakdown", "errors")}))
    return found


async def settle(worker: AsyncEngine) -> None:
    while await settle_days(worker):
        pass


def some(tenant: str, number: int, since: str = "2010-12-20") -> list[Any]:
    """Events at odd times, of customers and of nobody."""
    found: list[Any] = []
    for n in range(number):
        time, customer = at(since) + n * timedelta(hours=7, minutes=13), (new_id() if n % 5 else None)
        found.append(happened(OrderPlaced(value=Decimal(n), currency="EUR"), tenant, time, customer))
        event = TouchpointRecorded(channel="phone", direction=("inbound", "outbound")[n % 2], responded=n % 3 == 0)
        found.append(happened(event, tenant, time, new_id()))
    return found


async def days(worker: AsyncEngine, tenant: str, table: str) -> int:
    async with worker.connect() as connection:
        found = await connection.scalar(
            text(f"SELECT count(DISTINCT day) FROM {table} WHERE tenant_id = :tenant"),  # noqa: S608 - named below
            {"tenant": tenant},
        )
    return int(found or 0)


async def test_settled_or_not_figures_are_the_same(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, worker: AsyncEngine, fold: Fold
) -> None:
    await fold(*some(tenant, 300))
    before = await figures(analytics, mine)
    assert await days(worker, tenant, "stale_days") > 80
    await settle(worker)
    assert await days(worker, tenant, "stale_days") == 0
    assert await days(worker, tenant, "settled_days") > 80
    assert await figures(analytics, mine) == before


async def test_a_late_event_counts_at_once_and_after_its_day_is_settled_again(
    analytics: httpx.AsyncClient,
    mine: Headers,
    tenant: str,
    other_tenant: str,
    theirs: Headers,
    worker: Any,
    fold: Fold,
) -> None:
    await fold(*some(tenant, 100), *some(other_tenant, 100))
    await settle(worker)
    late = OrderPlaced(value=Decimal(1000), currency="EUR")
    for each in (tenant, other_tenant):
        await fold(happened(late, each, at("2011-01-02T03:04")))
    await settle_days(worker)
    assert await figures(analytics, mine) == await figures(analytics, theirs)
    await settle(worker)
    assert await figures(analytics, mine) == await figures(analytics, theirs)
    orders = await analytics.get("/v1/metrics/orders", params=YEAR, headers=mine)
    assert orders.json()["value"] == 100 + 1 - 40  # the ones of 2010


async def test_a_fact_that_was_not_seen_keeps_its_day_stale(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, worker: AsyncEngine, fold: Fold
) -> None:
    """The fold commits while its day is being added up."""
    await fold(happened(OrderPlaced(value=Decimal(1), currency="EUR"), tenant, at("2011-03-01T01:00")))
    late = happened(OrderPlaced(value=Decimal(2), currency="EUR"), tenant, at("2011-03-01T02:00"))
    from analytics.consumers import handle

    async with worker.connect() as connection, connection.begin():
        await handle(connection, [late])
        await settle(worker)
    assert (await analytics.get("/v1/metrics/revenue", params=YEAR, headers=mine)).json()["value"] == 3
    assert await days(worker, tenant, "stale_days") == 1


async def test_totals_are_read_where_they_are_settled(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, worker: AsyncEngine, fold: Fold
) -> None:
    await fold(*some(tenant, 50))
    await settle(worker)
    async with worker.begin() as connection:
        await connection.execute(
            text("UPDATE totals SET facts = facts + 1 WHERE tenant_id = :tenant AND type = :type"),
            {"tenant": tenant, "type": OrderPlaced.type},
        )
    wrong = (await analytics.get("/v1/metrics/orders", params=YEAR, headers=mine)).json()["value"]
    async with worker.begin() as connection:
        await connection.execute(text("UPDATE settled_days SET shape = 'of old' WHERE tenant_id = :t"), {"t": tenant})
    right = (await analytics.get("/v1/metrics/orders", params=YEAR, headers=mine)).json()["value"]
    assert wrong > right  # a catalogue that looks at other fields does not read them
    await settle(worker)
    assert (await analytics.get("/v1/metrics/orders", params=YEAR, headers=mine)).json()["value"] == right
    assert await days(worker, tenant, "settled_days") > 0


def test_the_catalogue_says_what_is_kept_apart() -> None:
    assert shapes.SHAPES[OrderPlaced.type] == ("currency",)
    assert shapes.SHAPES[TouchpointRecorded.type] == ("direction", "responded")
