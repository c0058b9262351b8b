"""A watermark is reached when the consumer has passed the offsets it names, on every partition."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.analytics.conftest import at, happened

from analytics.ledger.freshness import report_freshness
from analytics.ledger.sources import GROUP
from kith.events.sales import OrderPlaced
from kith.ids import new_id
from kith.outbox.relay import Watermark

Headers = dict[str, str]


@pytest.fixture(autouse=True)
async def nothing_read(worker: AsyncEngine) -> AsyncIterator[None]:
    yield
    async with worker.begin() as connection:
        await connection.execute(text("DELETE FROM watermarks"))
        await connection.execute(text("DELETE FROM consumer_offsets"))


@pytest.fixture
def read_up_to(worker: AsyncEngine) -> Callable[..., Awaitable[None]]:
    async def advance(source: str, *offsets: int) -> None:
        async with worker.begin() as connection:
            for partition, offset in enumerate(offsets):
                await connection.execute(
                    text(
                        "INSERT INTO consumer_offsets VALUES (:group, :topic, :partition, :next) "
                        "ON CONFLICT (group_name, topic, partition) DO UPDATE SET next_offset = excluded.next_offset"
                    ),
                    {"group": GROUP, "topic": f"kith.{source}", "partition": partition, "next": offset},
                )

    return advance


async def counted_up_to(analytics: httpx.AsyncClient, headers: Headers, source: str) -> datetime | None:
    answer = (await analytics.get("/v1/freshness", headers=headers)).json()
    (found,) = [each["counted_up_to"] for each in answer["sources"] if each["source"] == source]
    return found and datetime.fromisoformat(found)


def watermark(source: str, up_to: str, *ends: int, topic: str | None = None) -> Any:
    return happened(Watermark(list(ends), topic), "", at(up_to), source=source)


async def test_before_the_first_sign_of_a_source_nothing_is_said(analytics: httpx.AsyncClient, mine: Headers) -> None:
    assert await counted_up_to(analytics, mine, "sales") is None


async def test_a_watermark_is_reached_on_the_topic_that_it_names(
    analytics: httpx.AsyncClient, mine: Headers, fold: Any, read_up_to: Any
) -> None:
    """Partitions were added: what was read of the former topic says nothing of the latter."""
    await fold(watermark("sales", "2026-01-01", 5), watermark("sales", "2026-01-02", 3, 3, topic="kith.sales.2"))
    await read_up_to("sales", 9, 9)
    assert await counted_up_to(analytics, mine, "sales") == at("2026-01-01")
    await read_up_to("sales.2", 3, 3)
    assert await counted_up_to(analytics, mine, "sales") == at("2026-01-02")


async def test_the_newest_watermark_that_is_reached_counts(
    analytics: httpx.AsyncClient, mine: Headers, fold: Any, read_up_to: Any
) -> None:
    await fold(watermark("sales", "2026-01-01", 5, 0), watermark("sales", "2026-01-02", 7, 3))
    assert await counted_up_to(analytics, mine, "sales") is None
    await read_up_to("sales", 5)
    assert await counted_up_to(analytics, mine, "sales") == at("2026-01-01")
    await read_up_to("sales", 7, 2)
    assert await counted_up_to(analytics, mine, "sales") == at("2026-01-01")
    await read_up_to("sales", 7, 3)
    assert await counted_up_to(analytics, mine, "sales") == at("2026-01-02")


async def test_each_source_is_as_fresh_as_it_is(
    analytics: httpx.AsyncClient, mine: Headers, fold: Any, read_up_to: Any
) -> None:
    await fold(watermark("sales", "2026-01-01", 1), watermark("service-desk", "2026-01-02", 1))
    await read_up_to("service-desk", 1)
    assert await counted_up_to(analytics, mine, "sales") is None
    assert await counted_up_to(analytics, mine, "service-desk") == at("2026-01-02")


async def test_watermarks_do_not_pile_up(fold: Any, worker: AsyncEngine) -> None:
    await fold(*(watermark("sales", f"20{year:02}-01-01", 1) for year in range(10, 99)))
    await fold(*(watermark("sales", f"21{year:02}-01-01", 1) for year in range(10, 99)))
    async with worker.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM watermarks")) == 100


async def test_operators_see_how_old_the_figures_of_a_source_are_and_it_grows(
    fold: Any, read_up_to: Any, worker: AsyncEngine
) -> None:
    def seconds() -> float:
        return REGISTRY.get_sample_value("kith_freshness_seconds", {"source": "sales"}) or 0.0

    await fold(watermark("sales", "2026-01-01", 5, 0))
    await read_up_to("sales", 5, 0)
    await report_freshness(worker)
    first = seconds()
    assert first == pytest.approx((datetime.now(UTC) - at("2026-01-01")).total_seconds(), abs=60)
    assert seconds() > first


async def test_an_event_is_counted_by_type_once_and_an_unknown_type_is_not_named(fold: Any, tenant: str) -> None:
    def counted(type: str) -> float:
        return REGISTRY.get_sample_value("kith_ledger_events_total", {"type": type}) or 0.0

    placed = happened(OrderPlaced(value=Decimal(1), currency="EUR"), tenant, at("2026-01-01"), new_id())
    foreign = happened(
        OrderPlaced(value=Decimal(1), currency="EUR"), tenant, at("2026-01-01"), new_id(), type="sales.x.v1"
    )
    before = counted(OrderPlaced.type), counted("other")
    await fold(placed, foreign)
    await fold(placed)
    assert (counted(OrderPlaced.type), counted("other")) == (before[0] + 1, before[1] + 1)
