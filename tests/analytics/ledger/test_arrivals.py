"""Arrivals go when they are old, and not before every watcher may have looked at them."""

from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from tests.analytics.conftest import Fold, at, happened

from analytics.ledger import arrivals
from kith.db.login import sqlalchemy_url
from kith.events.contacts import CustomerCreated
from kith.ids import new_id
from kith_local.postgres import EmbeddedPostgres

LEFT = text("SELECT types, customers FROM arrivals WHERE tenant_id = :tenant ORDER BY seq")
AGE = text("UPDATE arrivals SET recorded_at = recorded_at - interval '2 hours' WHERE tenant_id = :tenant")


async def left(worker: AsyncEngine, tenant: str) -> Any:
    async with worker.connect() as connection:
        return (await connection.execute(LEFT, {"tenant": tenant})).all()


async def aged(postgres: EmbeddedPostgres, tenant: str) -> None:
    """Nobody but the owner may change when something arrived."""
    owner = create_async_engine(sqlalchemy_url(postgres.url("kith_analytics")))
    async with owner.begin() as connection:
        await connection.execute(AGE, {"tenant": tenant})
    await owner.dispose()


async def test_a_fold_says_what_came_and_for_whom(
    worker: AsyncEngine, tenant: str, other_tenant: str, fold: Fold
) -> None:
    customers = [new_id() for _ in range(3)]
    events = [happened(CustomerCreated(kind="person"), tenant, at("2026-01-01"), each) for each in customers]
    await fold(*events[:2], happened(CustomerCreated(kind="person"), other_tenant, at("2026-01-01"), customers[0]))
    await fold(*events)
    await fold(*events)
    assert [(types, set(whom)) for types, whom in await left(worker, tenant)] == [
        ([CustomerCreated.type], set(customers[:2])),
        ([CustomerCreated.type], {customers[2]}),
    ], "what the ledger has already does not arrive again"


async def test_old_arrivals_go_once_all_transactions_before_them_have_ended(
    worker: AsyncEngine, postgres: EmbeddedPostgres, tenant: str, fold: Fold
) -> None:
    async with worker.begin() as slow:
        await slow.execute(text("SELECT pg_current_xact_id()"))
        await fold(happened(CustomerCreated(kind="person"), tenant, at("2026-01-01"), new_id()))
        await aged(postgres, tenant)
        await arrivals.prune_arrivals(worker)
        assert len(await left(worker, tenant)) == 1
    await arrivals.prune_arrivals(worker)
    assert await left(worker, tenant) == []
