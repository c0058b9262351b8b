"""A read model is one file and one line: this one is declared here, and nothing else knows of it."""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Uuid, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from tests.analytics.conftest import at, happened
from tests.analytics.projections.test_rebuild import fold_all, mixed
from tests.conftest import FreshDatabase

from analytics.projections.as_known_at import as_known_at
from analytics.projections.lines import line_of
from analytics.projections.past import Past
from analytics.projections.projection import Batch, Moved, Projection, ReadModel, declare, declared, swapped
from analytics.projections.rebuild import rebuild
from analytics.projections.replay import CountedFact, Recomputation
from analytics.projections.shadow import Part
from analytics.read_models import PROJECTIONS
from analytics.service import SERVICE
from kith.db.connections import Database
from kith.db.sessions import create_engine
from kith.db.tables import tenant_column
from kith.db.tenancy import WORKER_ROLE, secure
from kith.events.contacts import CustomerMerged
from kith.events.sales import OrderPlaced
from kith.ids import new_id

TENANT = "t-one"
order_counts = Table(
    "order_counts",
    MetaData(),
    tenant_column(),
    Column("customer_id", Uuid, primary_key=True),
    Column("orders", Integer, nullable=False),
)


class OrderCounts(Projection):
    """How many orders each customer placed."""

    tables = (ReadModel(order_counts),)
    event_types = frozenset({OrderPlaced.type})

    async def apply(self, connection: AsyncConnection, batch: Batch) -> None:
        counts = Counter((each.tenant_id, each.customer_id) for each in batch.facts if each.type in self.event_types)
        for (tenant, customer), orders in counts.items():
            if customer is not None:
                await connection.exec_driver_sql(
                    "INSERT INTO order_counts (tenant_id, customer_id, orders) VALUES ($1, $2, $3) "
                    "ON CONFLICT (tenant_id, customer_id) DO UPDATE SET orders = order_counts.orders + $3",
                    (tenant, customer, orders),
                )

    async def move(self, connection: AsyncConnection, tenant: str, moved: Moved) -> None:
        whose = (tenant, list(moved.customers))
        await connection.exec_driver_sql(
            "DELETE FROM order_counts WHERE tenant_id = $1 AND customer_id = ANY($2::uuid[])", whose
        )
        await connection.exec_driver_sql(
            "INSERT INTO order_counts (tenant_id, customer_id, orders) SELECT tenant_id, customer_id, count(*) "
            "FROM facts WHERE tenant_id = $1 AND customer_id = ANY($2::uuid[]) AND type = $3 GROUP BY 1, 2",
            (*whose, OrderPlaced.type),
        )

    async def recompute(self, past: Past) -> Sequence[Recomputation]:
        return [OrderCountRows(past.tenant)]


class OrderCountRows(Recomputation):
    table, columns = "order_counts", ("tenant_id", "customer_id", "orders")

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self.counts: dict[UUID, int] = defaultdict(int)

    def take(self, facts: Sequence[CountedFact]) -> Iterable[str]:
        for fact, _ in facts:
            if fact.type == OrderPlaced.type and fact.customer_id is not None:
                self.counts[fact.customer_id] += 1
        return ()

    def rest(self) -> Iterator[str]:
        return (line_of(self.tenant, *each) for each in self.counts.items())


@pytest.fixture
def one_more() -> Iterator[None]:
    """The line."""
    declare(*PROJECTIONS, OrderCounts())
    yield
    declare(*PROJECTIONS)


@pytest.fixture
async def url(fresh_database: FreshDatabase) -> str:
    """A database of the test's own, with the migration that makes the table."""
    url = await fresh_database(SERVICE)
    engine = create_engine(url, role="postgres", pool_size=1, application="test owner")
    async with engine.begin() as connection:
        await connection.run_sync(order_counts.create)
        for statement in secure("order_counts"):
            await connection.execute(text(statement))
    await engine.dispose()
    return url


@pytest.fixture
async def engine(url: str, one_more: None) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(url, role=WORKER_ROLE, pool_size=2, application="test worker")
    yield engine
    await engine.dispose()


async def counted(connection: AsyncConnection) -> dict[UUID, int]:
    rows: Any = await connection.exec_driver_sql("SELECT customer_id, orders FROM order_counts")
    return {row.customer_id: row.orders for row in rows}


async def live(engine: AsyncEngine) -> dict[UUID, int]:
    async with engine.connect() as connection:
        return await counted(connection)


async def in_facts(engine: AsyncEngine) -> dict[UUID, int]:
    async with engine.connect() as connection:
        rows: Any = await connection.exec_driver_sql(
            "SELECT customer_id, count(*) FROM facts WHERE type = $1 AND customer_id IS NOT NULL GROUP BY 1",
            (OrderPlaced.type,),
        )
        return {row.customer_id: row.count for row in rows}


async def test_it_is_folded_live_whatever_comes_late_and_is_merged(engine: AsyncEngine) -> None:
    await fold_all(engine, mixed(TENANT, 2000, 1), size=90)
    assert len(await live(engine)) > 10
    assert await live(engine) == await in_facts(engine)


async def test_it_is_compared_rebuilt_and_swapped(url: str, engine: AsyncEngine) -> None:
    await fold_all(engine, mixed(TENANT, 1000, 1))
    before = await live(engine)
    assert (await rebuild(url, compare_only=True)).differences == []
    async with engine.begin() as connection:
        await connection.exec_driver_sql("UPDATE order_counts SET orders = orders + 1")
    done = await rebuild(url)
    assert [each.part for each in done.differences] == [Part(TENANT, "order_counts", "")]
    assert done.swapped
    assert await live(engine) == before
    await fold_all(engine, [happened(order(), TENANT, at("2026-01-01"), next(iter(before)))])
    assert sum((await live(engine)).values()) == sum(before.values()) + 1


async def test_of_what_was_known_it_is_as_it_was(url: str, engine: AsyncEngine) -> None:
    one, other = new_id(), new_id()
    await fold_all(
        engine,
        [
            happened(order(), TENANT, at("2026-01-01"), one, recorded_at=at("2026-01-01")),
            happened(order(), TENANT, at("2026-01-01"), other, recorded_at=at("2026-02-01")),
            happened(order(), TENANT, at("2026-01-02"), other, recorded_at=at("2026-03-01")),
            happened(CustomerMerged(into=one), TENANT, at("2026-01-03"), other, recorded_at=at("2026-04-01")),
        ],
    )
    database = Database(url, pool_size=1, application="test")
    try:
        for day, known in (("2026-01-15", {one: 1}), ("2026-03-15", {one: 1, other: 2}), ("2026-04-15", {one: 3})):
            async with as_known_at(database, TENANT, at(day), ()) as connection:
                assert await counted(connection) == known
    finally:
        await database.close()
    assert await live(engine) == {one: 3}


def test_a_reader_in_a_snapshot_waits_for_a_swap_of_any() -> None:
    assert swapped() == ("facts",)


def test_what_is_not_declared_is_not_folded_in_silence() -> None:
    declare()
    try:
        with pytest.raises(RuntimeError, match=r"^No projections are declared"):
            declared()
    finally:
        declare(*PROJECTIONS)


def order() -> OrderPlaced:
    return OrderPlaced(value=Decimal(1), currency="EUR")
