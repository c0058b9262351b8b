"""Health of a page of customers in one query: read once, the same as of each one alone, however many requests come at
once."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import event
from tests.analytics.conftest import happened

from analytics.service import SERVICE
from kith.api import api_of, context_for
from kith.db.connections import Database
from kith.events.analytics import HealthModelPublished, PulseSet
from kith.events.contacts import CustomerCreated, CustomerMerged
from kith.events.sales import OrderPlaced
from kith.events.service_desk import CaseOpened
from kith.ids import new_id
from kith.runtime.settings import Settings
from kith.testing import Issuer, Tenant
from kith_local.postgres import EmbeddedPostgres

DAY = timedelta(days=1)
MANY = 50
AT_ONCE = 12
PAGE = """query ($r: [_Any!]!, $at: DateTime!, $from: DateTime!) { _entities(representations: $r) { ... on Customer {
    id
    now: health { model }
    health(at: $at) {
        score band trend words drivers { measure change } contributions { measure input contribution events words }
        difference(from: $from) { change byModel words modelChanges { at change } changes { measure change words } }
        history(from: $from) { models { model startsAt } points { at score } changes { at band cause words } }
        path { up { border steps { measure words } } down { border steps { measure words } } } }
    before: health(at: $from, language: "zh") { score words history(from: "2020-01-01T00:00:00Z") { band } }
    pulses { nodes { score } }
    readings { nodes { value } }
    value(at: $at) { historic }
    timeline(first: 3) { nodes { id } } } } }"""


HEALTH = """query ($r: [_Any!]!, $at: DateTime!, $from: DateTime!) { _entities(representations: $r) { ... on Customer {
    id health(at: $at) { score trend path { up { border } }
        history(from: $from) { changes { at band } } difference(from: $from) { change byModel } } } } }"""


class Counted:
    def __init__(self) -> None:
        self.statements = 0
        self.connections = 0


@pytest.fixture
async def narrow(
    analytics: httpx.AsyncClient, postgres: EmbeddedPostgres, issuer: Issuer, tenant: str
) -> AsyncIterator[tuple[Tenant, Database]]:
    """Of a process with two connections, and no more."""
    settings = Settings(database_url=postgres.url("kith_analytics"), port=0, pool_size=2, tenant_queue_seconds=120)
    context = context_for(SERVICE, settings, issuer.authenticator())
    transport = httpx.ASGITransport(app=api_of(SERVICE).create(context))
    async with httpx.AsyncClient(transport=transport, base_url="http://analytics") as client:
        yield Tenant(client, issuer, tenant), context.database
    await context.database.close()


@asynccontextmanager
async def counting(database: Database) -> AsyncIterator[Counted]:
    """Records the statements that the database gets meanwhile."""
    counted = Counted()

    def statement(*_: object) -> None:
        counted.statements += 1

    def connection(*_: object) -> None:
        counted.connections += 1

    engine = database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", statement)
    event.listen(engine.pool, "checkout", connection)
    yield counted
    event.remove(engine, "before_cursor_execute", statement)
    event.remove(engine.pool, "checkout", connection)


def document(lasts: int, **audience: list[str]) -> dict[str, Any]:
    measures = [
        {"id": "recency", "input": "purchase_recency", "weight": 3, "curve": [[0, 100], [lasts, 0]]},
        {"id": "orders", "input": "orders", "weight": 1, "curve": [[0, 0], [3, 100]], "half_life_days": 40},
        {"id": "cases", "input": "open_cases", "weight": 1, "curve": [[0, 100], [2, 0]]},
    ]
    return {"title": "m", "measures": measures, "audience": audience, "hysteresis": 2}


@pytest.fixture
async def customers(fold: Any, tenant: str) -> list[UUID]:
    """Of two segments, with models of their own; the second is merged with another, who is none of these."""
    dice, start, ids, model = (
        random.Random(3),
        datetime(2026, 1, 1, tzinfo=UTC),
        [new_id() for _ in range(MANY)],
        new_id(),
    )
    events = [
        happened(HealthModelPublished(1, document(90)), tenant, start, subject=model),
        happened(HealthModelPublished(2, document(50)), tenant, start + 70 * DAY, subject=model, aggregate_version=2),
        happened(HealthModelPublished(1, document(60, segments=["gold"])), tenant, start),
    ]
    for number, id in enumerate(ids):
        segment = "gold" if number % 2 else "plain"
        events.append(happened(CustomerCreated(kind="person", segment=segment), tenant, start, id))
        events.append(happened(PulseSet(score=50, expires_at=start + 300 * DAY), tenant, start, id))
        for _ in range(dice.randint(1, 6)):
            order = OrderPlaced(value=Decimal(9), currency="EUR")
            events.append(happened(order, tenant, start + dice.uniform(0, 90) * DAY, id))
        if dice.random() < 0.3:
            opened = CaseOpened(state="new", priority="high", channel="email")
            events.append(happened(opened, tenant, start + dice.uniform(0, 90) * DAY, id))
        other = new_id()
        events.append(happened(OrderPlaced(value=Decimal(1), currency="EUR"), tenant, start + 9 * DAY, other))
        events.append(happened(CustomerMerged(into=id), tenant, start + 10 * DAY, other))
    await fold(*events)
    return ids


def query_of(ids: list[UUID]) -> dict[str, Any]:
    representations = [{"__typename": "Customer", "id": str(id)} for id in ids]
    return {"r": representations, "at": "2026-04-01T00:00:00Z", "from": "2026-02-20T00:00:00Z"}


async def test_a_page_shows_the_same_as_each_of_its_customers_alone(
    narrow: tuple[Tenant, Database], customers: list[UUID]
) -> None:
    acme, _ = narrow
    page = (await acme.ask(PAGE, **query_of(customers)))["_entities"]
    assert [each["id"] for each in page] == [str(id) for id in customers]
    for number in range(0, MANY, 9):
        (alone,) = (await acme.ask(PAGE, **query_of([customers[number]])))["_entities"]
        assert page[number] == alone
    assert all(each["health"]["score"] is not None for each in page)
    assert any(each["health"]["difference"]["byModel"] for each in page)


async def test_how_many_statements_there_are_is_not_up_to_how_many_customers_there_are(
    narrow: tuple[Tenant, Database], customers: list[UUID]
) -> None:
    acme, database = narrow
    await acme.ask(PAGE, **query_of(customers[:2]))

    async def counted_for(variables: dict[str, Any]) -> Counted:
        async with counting(database) as counted:
            await acme.ask(PAGE, **variables)
        return counted

    few, many = [await counted_for(query_of(page)) for page in (customers[:2], customers)]
    # A busy machine may split a batch: that is a few more. One for each customer would be 48 more.
    assert many.statements < few.statements + MANY // 2
    assert many.connections < few.connections + MANY // 2
    assert few.statements > 5


async def test_many_pages_at_once_need_no_more_than_two_connections(
    narrow: tuple[Tenant, Database], customers: list[UUID]
) -> None:
    acme, _ = narrow
    variables = query_of(customers)
    alone = (await acme.ask(HEALTH, **variables))["_entities"]
    pages = await asyncio.gather(*(acme.ask(HEALTH, **variables) for _ in range(AT_ONCE)))
    for each in pages:
        assert each["_entities"] == alone
