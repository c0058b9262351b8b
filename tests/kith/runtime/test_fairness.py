"""Slots and rates that tenants share: by a clock that the test turns, and without a database."""

import asyncio
from collections import Counter

import pytest

from kith.runtime.fairness import IDLE_SECONDS, Allowance, FairQueue, QueueFull, Rates


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class House:
    """A queue, and the requests in it."""

    def __init__(self, slots: int = 12, *, waiting: int = 100, seconds: float = 60, beside: int | None = None) -> None:
        self.clock = Clock()
        self.queue = FairQueue(slots, waiting=waiting, seconds=seconds, beside=beside, clock=self.clock)
        self.inside: list[str] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def ask(self, tenant: str, times: int = 1) -> None:
        self._tasks += [asyncio.create_task(self._enter(tenant)) for _ in range(times)]
        await self.settle()

    async def _enter(self, tenant: str) -> None:
        await self.queue.enter(tenant)
        self.inside.append(tenant)

    async def leave(self, tenant: str) -> None:
        self.inside.remove(tenant)
        self.queue.leave(tenant)
        await self.settle()

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def test_a_tenant_alone_holds_half_and_the_next_finds_a_slot_at_once() -> None:
    house = House(12)
    await house.ask("loud", 400)
    assert Counter(house.inside) == {"loud": 6}
    await house.ask("quiet")
    assert Counter(house.inside) == {"loud": 6, "quiet": 1}
    await house.close()


async def test_while_others_ask_a_tenant_holds_no_more_than_its_share() -> None:
    house = House(12)
    await house.ask("loud", 400)
    await house.ask("quiet", 400)
    for _ in range(3):
        await house.leave("loud")
    assert Counter(house.inside) == {"loud": 4, "quiet": 4}, "a third each, and a third for the next to come"
    await house.close()


async def test_beside_others_a_tenant_with_many_requests_is_held_to_less_than_its_share() -> None:
    house = House(12, beside=1)
    await house.ask("quiet", 4)
    await house.ask("loud", 400)
    assert Counter(house.inside) == {"quiet": 4, "loud": 4}, "it has not sent many requests yet, when it comes"
    for _ in range(4):
        await house.leave("loud")
    assert Counter(house.inside) == {"quiet": 4, "loud": 1}
    house.clock.now += IDLE_SECONDS
    await house.ask("quiet")
    await house.leave("loud")
    assert Counter(house.inside)["loud"] == 1, "it sent many requests just before"
    for _ in range(4):
        await house.leave("quiet")
    house.clock.now += IDLE_SECONDS
    await house.leave("quiet")
    house.clock.now += IDLE_SECONDS
    await house.leave("loud")
    assert Counter(house.inside) == {"loud": 6}, "alone again"
    await house.close()


async def test_the_share_grows_again_when_the_others_are_gone() -> None:
    house = House(12)
    await house.ask("quiet")
    await house.ask("loud", 400)
    assert Counter(house.inside)["loud"] == 4
    await house.leave("quiet")
    house.clock.now += IDLE_SECONDS
    await house.leave("loud")
    assert Counter(house.inside) == {"loud": 6}
    await house.close()


async def test_many_tenants_have_a_place_each_and_take_turns() -> None:
    house = House(3)
    for name in "abcdef":
        await house.ask(name, 3)
    served: list[str] = []
    while house.inside:
        served.append(house.inside[0])
        await house.leave(house.inside[0])
    assert sorted(served) == sorted("abcdef" * 3)
    assert [Counter(served[at : at + 6]).most_common(1)[0][1] for at in (0, 6, 12)] == [1, 1, 1]
    await house.close()


async def test_more_than_may_wait_are_refused_and_others_are_not() -> None:
    house = House(2, waiting=3)
    await house.ask("loud", 4)
    with pytest.raises(QueueFull) as refused:
        await house.queue.enter("loud")
    assert refused.value.of_tenant
    await house.ask("quiet")
    assert Counter(house.inside) == {"loud": 1, "quiet": 1}
    await house.close()


async def test_all_tenants_together_may_not_wait_without_end_either() -> None:
    house = House(1, waiting=1)
    for n in range(11):
        await house.ask(f"tenant {n}")
    with pytest.raises(QueueFull) as refused:
        await house.queue.enter("one more")
    assert not refused.value.of_tenant
    await house.close()


async def test_who_waits_too_long_or_gives_up_takes_no_place() -> None:
    house = House(1, seconds=0.01)
    await house.ask("a")
    with pytest.raises(TimeoutError):
        await house.queue.enter("a")
    given_up = asyncio.create_task(house.queue.enter("a"))
    await house.settle()
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    assert house.queue.waiting == 0
    await house.leave("a")
    await house.ask("b")
    assert house.inside == ["b"]


async def test_who_gives_up_in_the_instant_of_its_turn_gives_the_place_on() -> None:
    house = House(1)
    await house.ask("a")
    late = asyncio.create_task(house.queue.enter("a"))
    await house.settle()
    house.queue.leave("a")
    late.cancel()
    await asyncio.gather(late, return_exceptions=True)
    async with asyncio.timeout(5):
        await house.queue.enter("b")


def test_a_rate_lets_a_burst_through_and_then_so_many_a_second() -> None:
    clock = Clock()
    rates = Rates(rate=2, burst=4, clock=clock)
    assert [rates.take("a").allowed for _ in range(5)] == [True] * 4 + [False]
    assert rates.take("a") == Allowance(allowed=False, remaining=0, reset=2, retry=1)
    assert rates.take("b") == Allowance(allowed=True, remaining=3, reset=1, retry=0), "each tenant has its own"
    clock.now += 1
    assert [rates.take("a").allowed for _ in range(3)] == [True, True, False]


def test_a_rate_below_one_a_second_says_how_long_to_wait() -> None:
    rates = Rates(rate=0.1, burst=1, clock=Clock())
    rates.take("a")
    assert rates.take("a").retry == 10


def test_tenants_that_are_gone_are_forgotten() -> None:
    clock = Clock()
    rates = Rates(rate=1, burst=2, clock=clock)
    for n in range(100):
        rates.take(f"tenant {n}")
    for _ in range(100):
        clock.now += 2
        rates.take("stays")
    assert len(rates._buckets) <= 2
