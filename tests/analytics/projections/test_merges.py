"""Merges in the read models: what one costs does not depend on the others, and late and repeated ones come to the
same."""

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from tests.analytics.conftest import Fold, at, happened

from analytics.consumers import handle
from kith.customers.chains import survivors_of
from kith.db.sessions import create_engine
from kith.events.contacts import CustomerMerged, CustomerUnmerged
from kith.events.envelope import Envelope
from kith.events.sales import OrderPlaced
from kith.ids import new_id

DAY = at("2011-04-01")


def merged(tenant: str, customer: UUID, into: UUID, version: int = 2) -> Envelope:
    return happened(CustomerMerged(into=into), tenant, DAY, customer, aggregate_version=version)


def unmerged(tenant: str, customer: UUID, out_of: UUID, version: int = 3) -> Envelope:
    return happened(CustomerUnmerged(out_of=out_of), tenant, DAY, customer, aggregate_version=version)


def ordered(tenant: str, customer: UUID) -> Envelope:
    return happened(OrderPlaced(value=Decimal(10), currency="EUR"), tenant, DAY, customer)


async def survivors(worker: AsyncEngine, tenant: str) -> dict[UUID, UUID]:
    async with worker.connect() as connection:
        rows = await connection.execute(
            text("SELECT customer_id, survivor FROM merged_customers WHERE tenant_id = :tenant"), {"tenant": tenant}
        )
        return {row.customer_id: row.survivor for row in rows}


async def reads(worker: AsyncEngine, database_url: str, events: Sequence[Envelope]) -> Counter[str]:
    """Folds the events. Returns how many rows of each table were read for it."""
    owner = create_engine(database_url, role="postgres", pool_size=1, application="test owner")
    async with owner.begin() as connection:  # the planner knows nothing of tables that were just filled
        await connection.execute(text("ANALYZE facts, activity_spans, merged_customers"))
    await owner.dispose()
    async with worker.begin() as connection:
        for scan in ("seqscan", "hashjoin", "mergejoin"):  # as in a table that is not small
            await connection.execute(text(f"SET LOCAL enable_{scan} = off"))
        before = await _read_so_far(connection)
        await handle(connection, events)
        return await _read_so_far(connection) - before


async def _read_so_far(connection: AsyncConnection) -> Counter[str]:
    rows = await connection.execute(
        text("SELECT relname, seq_tup_read + coalesce(idx_tup_fetch, 0) AS read FROM pg_stat_xact_user_tables")
    )
    return Counter({row.relname: row.read for row in rows})


def test_a_chain_ends_where_its_last_customer_stands_for_itself() -> None:
    ids = [UUID(int=number) for number in range(1, 30_001)]
    into: dict[UUID, UUID | None] = dict(pairwise(ids))
    assert set(survivors_of(into).values()) == {ids[-1]}
    into[ids[20_000]] = None
    found = survivors_of(into)
    assert (found[ids[0]], found[ids[20_000]], found[ids[20_001]]) == (ids[20_000], ids[20_000], ids[-1])


def test_customers_merged_in_a_circle_are_the_smallest_of_their_ids() -> None:
    a, b, c, d = (UUID(int=number) for number in (4, 3, 2, 1))
    assert survivors_of({d: a, a: b, b: c, c: a}) == dict.fromkeys((a, b, c, d), c)
    assert survivors_of({c: a, b: c, a: b, d: a}) == dict.fromkeys((a, b, c, d), c)


@pytest.mark.parametrize("how", ["merge", "unmerge", "event"])
async def test_what_a_fold_reads_does_not_grow_with_other_merges(
    worker: AsyncEngine, database_url: str, tenant: str, fold: Fold, how: str
) -> None:
    # So many that no plan reads all of them for a few: a hundred are on one page.
    pairs = [(new_id(), new_id()) for _ in range(1500)]
    (a, b), (x, y) = pairs[:2]
    await fold(*(ordered(tenant, each) for each in (a, b, x, y)))
    await fold(*(merged(tenant, *pair) for pair in pairs[1:]))
    event = {"merge": merged(tenant, a, b), "unmerge": unmerged(tenant, x, y), "event": ordered(tenant, x)}[how]
    assert (await reads(worker, database_url, [event]))["merged_customers"] < 20


async def test_a_merge_into_a_customer_with_many_events_reads_those_of_the_other(
    worker: AsyncEngine, database_url: str, tenant: str, fold: Fold
) -> None:
    one, many = new_id(), new_id()
    await fold(*(ordered(tenant, many) for _ in range(200)), ordered(tenant, one))
    assert (await reads(worker, database_url, [merged(tenant, one, many)]))["facts"] < 30


async def test_merges_of_one_batch_come_to_the_same_as_one_by_one(worker: AsyncEngine, tenant: str, fold: Fold) -> None:
    a, b, c, d, e = ids = [new_id() for _ in range(5)]
    await fold(*(ordered(tenant, each) for each in ids))
    await fold(merged(tenant, a, b), merged(tenant, b, c), merged(tenant, d, a), merged(tenant, c, e))
    assert await survivors(worker, tenant) == dict.fromkeys((a, b, c, d), e)
    await fold(unmerged(tenant, b, c), unmerged(tenant, c, e), merged(tenant, c, d, 4))
    assert await survivors(worker, tenant) == {a: b, b: b, c: b, d: b}
    await fold(unmerged(tenant, c, d, 5), unmerged(tenant, a, b), unmerged(tenant, d, a))
    assert await survivors(worker, tenant) == {each: each for each in (a, b, c, d)}


async def test_a_merge_that_comes_after_its_unmerge_changes_nothing(
    worker: AsyncEngine, tenant: str, fold: Fold
) -> None:
    a, b = new_id(), new_id()
    await fold(ordered(tenant, a), ordered(tenant, b))
    await fold(unmerged(tenant, a, b))
    await fold(merged(tenant, a, b))
    assert await survivors(worker, tenant) == {a: a}
