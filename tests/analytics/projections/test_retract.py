"""What a service withdrew is gone from everything that is kept live, as if it had never come."""

import random
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.analytics.histories import history
from tests.analytics.projections.test_rebuild import contents, fold_all, mixed, rows
from tests.conftest import FreshDatabase

from analytics.consumers import handle
from analytics.metrics.rollups import settle_days
from analytics.projections import rebuild as rebuilding
from analytics.projections.rebuild import WithdrawnMeanwhile, rebuild
from analytics.service import SERVICE
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.events.contacts import CustomerMerged
from kith.events.envelope import Envelope
from kith.events.withdrawal import Withdrawal
from kith.ids import new_id

TENANT = "t-one"


@asynccontextmanager
async def worker_of(url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(url, role=WORKER_ROLE, pool_size=4, application="test worker")
    yield engine
    await engine.dispose()


@pytest.fixture
async def url(fresh_database: FreshDatabase) -> str:
    return await fresh_database(SERVICE)


@pytest.fixture
async def engine(url: str) -> AsyncIterator[AsyncEngine]:
    async with worker_of(url) as engine:
        yield engine


def withdrawal_of(event: Envelope) -> Envelope:
    body = msgspec.json.encode(Withdrawal(event.id, event.type))
    return msgspec.structs.replace(event, id=new_id(), type=Withdrawal.type, data=body)


def cut(envelopes: Sequence[Envelope], chance: random.Random) -> tuple[list[Envelope], list[Envelope]]:
    """Of a third of the aggregates the last events are lost. Returns what is left, and what is lost."""
    courses: dict[UUID, list[Envelope]] = defaultdict(list)
    for each in envelopes:
        courses[each.subject].append(each)
    lost: set[UUID] = set()
    for course in courses.values():
        if chance.random() < 0.3:
            course.sort(key=lambda each: each.aggregate_version)
            lost.update(each.id for each in course[chance.randrange(len(course)) :])
    return [each for each in envelopes if each.id not in lost], [each for each in envelopes if each.id in lost]


async def totals(engine: AsyncEngine) -> list[Any]:
    while await settle_days(engine):
        pass
    return await rows(engine, "SELECT t::text FROM totals t ORDER BY 1")


async def test_live_is_as_if_they_had_never_come(fresh_database: FreshDatabase, url: str, engine: AsyncEngine) -> None:
    chance = random.Random(11)
    envelopes = mixed(TENANT, 3000, 5)
    left, lost = cut(envelopes, chance)
    assert any(each.type == CustomerMerged.type for each in lost), "no merge is withdrawn"
    # What happened after the restore: the same aggregates go on, by the same versions.
    going_on = set(chance.sample(sorted({each.subject for each in lost}), 50))
    anew = [msgspec.structs.replace(each, id=new_id()) for each in lost if each.subject in going_on]
    other = history("t-two", 300, chance)
    await fold_all(engine, [*envelopes, *other])
    await totals(engine)

    withdrawals = [withdrawal_of(each) for each in lost]
    await fold_all(engine, withdrawals[:20], size=1)
    await fold_all(engine, [*withdrawals[20:], *anew], size=300)
    await fold_all(engine, [*lost[:100], *withdrawals[:100]], size=70)  # a consumer that reads the topic anew

    async with worker_of(await fresh_database(SERVICE)) as fresh:
        await fold_all(fresh, [*left, *anew, *other])
        assert await contents(engine) == await contents(fresh)
        assert await totals(engine) == await totals(fresh)
        ids = "SELECT id FROM ledger ORDER BY 1"
        assert await rows(engine, ids) == await rows(fresh, ids)
    assert (await rebuild(url)).differences == []
    assert await rows(engine, "SELECT id, data IS NULL FROM withdrawn_events ORDER BY 1") == sorted(
        (each.id, False) for each in lost
    )


async def test_a_withdrawal_in_the_batch_of_what_it_withdraws(engine: AsyncEngine) -> None:
    envelopes = history(TENANT, 60, random.Random(2))
    lost = envelopes[-1]
    await fold_all(engine, [*envelopes, withdrawal_of(lost)])
    assert await rows(engine, f"SELECT id FROM ledger WHERE id = '{lost.id}'") == []  # noqa: S608
    assert await rows(engine, f"SELECT event_id FROM facts WHERE event_id = '{lost.id}'") == []  # noqa: S608
    assert await rows(engine, "SELECT id, data FROM withdrawn_events") == [(lost.id, None)]


async def test_their_customers_are_scored_again(engine: AsyncEngine) -> None:
    envelopes = [each for each in history(TENANT, 200, random.Random(3)) if each.customer_id is not None]
    await fold_all(engine, envelopes)
    async with engine.begin() as connection:
        await connection.exec_driver_sql("DELETE FROM health_queue")
        await connection.exec_driver_sql("DELETE FROM arrivals")
    lost = envelopes[-1]
    await fold_all(engine, [withdrawal_of(lost)])
    assert (lost.customer_id,) in await rows(engine, "SELECT customer_id FROM health_queue WHERE event_id IS NULL")
    assert await rows(engine, "SELECT tenant_id, types FROM arrivals") == [(TENANT, [lost.type])]


async def test_another_tenants_event_is_not_withdrawn(engine: AsyncEngine) -> None:
    envelopes = history(TENANT, 60, random.Random(2))
    await fold_all(engine, envelopes)
    before = await contents(engine)
    await fold_all(engine, [msgspec.structs.replace(withdrawal_of(envelopes[-1]), tenant_id="t-two")])
    assert await contents(engine) == before


async def test_a_rebuild_that_has_them_swaps_nothing(
    url: str, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    envelopes = mixed(TENANT, 300, 1)
    await fold_all(engine, envelopes)
    swap = rebuilding._swap

    async def withdrawn_first(*given: Any, **others: Any) -> None:
        async with engine.begin() as connection:
            await handle(connection, [withdrawal_of(envelopes[0])])
        await swap(*given, **others)

    monkeypatch.setattr(rebuilding, "_swap", withdrawn_first)
    with pytest.raises(WithdrawnMeanwhile):
        await rebuild(url)
    monkeypatch.undo()
    assert (await rebuild(url)).differences == []
