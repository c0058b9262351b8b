"""Services that keep facts of customers learn of those that were there before them."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import FreshDatabase
from tests.playbooks import hearing

from analytics.consumers import handle as analytics_handle
from analytics.service import SERVICE as ANALYTICS
from contacts.customers.form import CUSTOMERS
from contacts.service import SERVICE as CONTACTS
from contacts.tables import outbox
from kith.custom.stating import FIELD_STATED
from kith.customers.stating import CustomerStated, stating
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.events.envelope import Envelope
from kith.nouns.fills import filling
from kith.testing import Answer, Issuer, Tenant, serving
from kith_local.postgres import EmbeddedPostgres
from sales.service import SERVICE as SALES

_OF_ENVELOPE = (
    *("id", "type", "subject", "time", "tenant_id", "customer_id", "aggregate_version", "recorded_at"),
    *("traceparent", "data"),
)


@pytest.fixture
async def database_url(fresh_database: FreshDatabase) -> str:
    return await fresh_database(CONTACTS)


@pytest.fixture
async def worker(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(database_url, role=WORKER_ROLE, pool_size=2, application="test worker")
    yield engine
    await engine.dispose()


@pytest.fixture
async def made(database_url: str, issuer: Issuer, tenant: str) -> list[Answer]:
    async with serving(CONTACTS, database_url, issuer) as client:
        contacts = Tenant(client, issuer, tenant)
        return [
            await contacts.made("/v1/customers", kind="person", name="Ann", segment="gold"),
            await contacts.made("/v1/customers", kind="organisation", name="Acme", stage="prospect"),
        ]


async def stated(worker: AsyncEngine) -> list[Envelope]:
    """As the relay publishes them, after a few starts of a worker."""
    for _ in range(3):
        task = filling([], stating(CUSTOMERS, outbox, source="contacts"))
        while await task.step(worker):
            pass
    async with worker.connect() as connection:
        rows = await connection.execute(
            text("SELECT * FROM outbox WHERE type = :type ORDER BY seq"), {"type": CustomerStated.type}
        )
        return [Envelope(source="contacts", **{name: getattr(row, name) for name in _OF_ENVELOPE}) for row in rows]


async def test_it_is_stated_once_and_known_elsewhere(
    worker: AsyncEngine, made: list[Answer], issuer: Issuer, tenant: str, postgres: EmbeddedPostgres, serve: Any
) -> None:
    envelopes = await stated(worker)
    assert [str(each.subject) for each in envelopes] == sorted(each["id"] for each in made)
    assert {each.customer_id for each in envelopes} == {UUID(each["id"]) for each in made}

    sales = Tenant(await serve(SALES), issuer, tenant)
    for each in made:
        await sales.made("/v1/orders", customer_id=each["id"], value="10", currency="EUR")
    async with hearing(SALES, postgres) as hears:
        await hears.hears(*envelopes)
        assert await hears.reasons() == []
    for condition, customer in (({"customer.segment": "gold"}, made[0]), ({"customer.stage": "prospect"}, made[1])):
        found = (await sales.get("/v1/orders", **condition)).json()["items"]
        assert [each["customer_id"] for each in found] == [customer["id"]]


async def test_it_is_no_event(
    worker: AsyncEngine, made: list[Answer], tenant: str, postgres: EmbeddedPostgres, serve: Any
) -> None:
    assert made
    await serve(ANALYTICS)
    engine = create_engine(postgres.url("kith_analytics"), role=WORKER_ROLE, pool_size=1, application="test worker")
    async with engine.begin() as connection:
        told = await stated(worker)
        await analytics_handle(connection, [*told, *(replace(each, type=FIELD_STATED) for each in told)])
        number = await connection.scalar(text("SELECT count(*) FROM ledger WHERE tenant_id = :t"), {"t": tenant})
    await engine.dispose()
    assert number == 0
