"""The races that the machine is there for, each brought about on purpose: two read before either has written."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from tests.analytics.conftest import Fold, at, happened

from analytics.consumers import handle
from analytics.projections import fold as folding
from analytics.projections import fold_activity, merges
from kith.bus.port import TopicPartition
from kith.consumer.offsets import advance
from kith.events.contacts import CustomerMerged
from kith.events.envelope import Envelope
from kith.events.sales import OrderPlaced
from kith.ids import new_id

BOUGHT = OrderPlaced(value=Decimal(10), currency="EUR")
Read = Callable[..., Awaitable[Any]]


def lingering(read: Read, seconds: float = 0.3) -> Read:
    async def linger(*arguments: Any) -> Any:
        found = await read(*arguments)
        await asyncio.sleep(seconds)
        return found

    return linger


async def spans(worker: AsyncEngine, tenant: str) -> list[tuple[UUID, datetime]]:
    async with worker.connect() as connection:
        rows = await connection.execute(
            text("SELECT customer_id, starts_at FROM activity_spans WHERE tenant_id = :t ORDER BY 2"), {"t": tenant}
        )
        return [(row.customer_id, row.starts_at) for row in rows]


async def test_batches_of_one_partition_number_take_turns(
    worker: AsyncEngine, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replaced consumer has a batch of one topic in hand while the new one works on the other topic: of the same
    customers, though on rows of its own in the table of offsets."""
    monkeypatch.setattr(fold_activity, "_touching", lingering(fold_activity._touching))
    customer, run = new_id(), new_id().hex

    async def work(topic: str, number: int, *events: Envelope) -> None:
        async with worker.begin() as connection:
            await advance(connection, run, {}, {TopicPartition(topic, number): 1})
            await handle(connection, events)

    await asyncio.gather(
        work("contacts", 7, happened(BOUGHT, tenant, at("2011-05-01"), customer)),
        work("sales", 7, happened(BOUGHT, tenant, at("2011-05-20"), customer)),
    )
    assert await spans(worker, tenant) == [(customer, at("2011-05-01"))]


async def test_who_finds_a_merge_after_waiting_for_it_has_the_tenant_to_itself(
    worker: AsyncEngine, tenant: str, fold: Fold, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looked before the merge, so it waited to share the tenant; now its customer is another's, which another
    process is working on."""
    merged, into = new_id(), new_id()
    looked, go_on = asyncio.Event(), asyncio.Event()
    survivors = merges.survivors

    async def late(connection: AsyncConnection, events: Sequence[Any]) -> Any:
        found = await survivors(connection, events)
        if not looked.is_set():
            looked.set()
            await go_on.wait()
        return found

    monkeypatch.setattr(folding, "survivors", late)
    one = asyncio.ensure_future(fold(happened(BOUGHT, tenant, at("2011-05-01"), merged)))
    await looked.wait()
    await fold(happened(CustomerMerged(into=into), tenant, at("2011-04-01"), merged, aggregate_version=2))
    monkeypatch.setattr(fold_activity, "_touching", lingering(fold_activity._touching))
    go_on.set()
    await asyncio.gather(one, fold(happened(BOUGHT, tenant, at("2011-05-20"), into)))
    assert await spans(worker, tenant) == [(into, at("2011-05-01"))]
