"""The lag in seconds says how long ago the oldest message was recorded that has not taken effect."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import msgspec
import pytest
from prometheus_client import REGISTRY
from sqlalchemy.ext.asyncio import AsyncConnection
from tests.kith.consumer.world import World, eventually

from kith.bus.embedded import EmbeddedBus
from kith.bus.port import Incoming, TopicPartition
from kith.consumer.delivery import Delivery, read
from kith.consumer.lag import Lag
from kith.events.envelope import Envelope

NOW = 1_800_000_000.0
ONE, TWO = TopicPartition("orders", 0), TopicPartition("orders", 1)


def delivery(partition: TopicPartition, seconds_ago: float) -> Delivery:
    at = datetime.fromtimestamp(NOW - seconds_ago, UTC)
    envelope = Envelope(
        id=uuid4(),
        source="sales",
        type="sales.order.placed.v1",
        subject=uuid4(),
        time=at,
        tenant_id="acme",
        customer_id=None,
        aggregate_version=1,
        recorded_at=at,
        traceparent=None,
        data=b"{}",
    )
    return read(Incoming(*partition, 7, envelope.key(), envelope.data, envelope.headers()))


@pytest.fixture
def lag() -> Lag:
    return Lag(NOW - 5)


def test_without_messages_there_is_no_lag(lag: Lag) -> None:
    assert lag.seconds({ONE: 0, TWO: 0}, NOW) == 0


def test_a_batch_in_hand_is_as_late_as_its_oldest_message(lag: Lag) -> None:
    lag.take([delivery(ONE, 3), delivery(TWO, 40), delivery(ONE, 2)])
    assert lag.seconds({ONE: 0, TWO: 0}, NOW) == 40
    lag.apply([delivery(ONE, 2)])
    assert lag.seconds({ONE: 0, TWO: 0}, NOW) == 0


def test_what_is_left_was_recorded_after_what_was_applied_of_its_partition(lag: Lag) -> None:
    lag.apply([delivery(ONE, 90), delivery(ONE, 60), delivery(TWO, 1)])
    assert lag.seconds({ONE: 1, TWO: 1}, NOW) == 60
    assert lag.seconds({ONE: 0, TWO: 1}, NOW) == 1


def test_what_comes_after_a_quiet_time_is_not_as_old_as_the_quiet_time(lag: Lag) -> None:
    lag.apply([delivery(ONE, 3600)])
    lag.note({ONE: 0}, NOW - 2)
    assert lag.seconds({ONE: 1}, NOW) == 2


def test_a_consumer_that_has_applied_nothing_is_late_since_it_began(lag: Lag) -> None:
    lag.note({ONE: 5}, NOW - 1)
    assert lag.seconds({ONE: 5}, NOW) == 5


def test_a_partition_that_was_revoked_is_somebody_elses(lag: Lag) -> None:
    lag.apply([delivery(ONE, 60)])
    lag.lose([ONE])
    assert lag.seconds({ONE: 1}, NOW) == 5


def test_a_message_recorded_by_a_faster_clock_makes_no_negative_lag(lag: Lag) -> None:
    lag.take([delivery(ONE, -3)])
    assert lag.seconds({}, NOW) == 0


async def test_the_lag_of_a_batch_that_cannot_be_applied_grows_while_it_is_tried(
    embedded_bus: EmbeddedBus, world: World
) -> None:
    """Its database hangs up each time: an endless retry reports nothing by itself."""
    events = [
        msgspec.structs.replace(each, recorded_at=each.recorded_at - timedelta(hours=1))
        for each in world.events(subjects=2)
    ]
    refusing = asyncio.Event()
    refusing.set()

    async def refuse(_: AsyncConnection, __: Sequence[Envelope]) -> None:
        if refusing.is_set():
            raise ConnectionError("away")

    def metric() -> float:
        return REGISTRY.get_sample_value("kith_consumer_lag_seconds", {"group": world.group}) or 0.0

    async def late() -> bool:
        return len(world.calls) > 1 and metric() > 3600

    async def caught_up() -> bool:
        return len(await world.effects()) == len(events) and metric() == 0

    world.before = refuse
    await world.publish(embedded_bus, events)
    async with world.running(embedded_bus):
        await eventually(late)
        first = metric()
        assert metric() > first, "it is the figure of the last report"
        refusing.clear()
        await eventually(caught_up)
