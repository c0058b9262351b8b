"""Slots that tenants share, and how often each may send a request.

A tenant holds no more than its share, and its next request waits behind its own: a tenant with few requests is not kept
waiting by one with many. Both are of one process.
"""

import asyncio
import time
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from math import ceil

IDLE_SECONDS = 1.0
"""A tenant without a request for so long needs no share."""
OFTEN = 40
"""A tenant with so many requests within one or two of these sends them often."""


class QueueFull(Exception):
    """More wait than may: of the tenant, or of all."""

    def __init__(self, *, of_tenant: bool) -> None:
        super().__init__("too many wait")
        self.of_tenant = of_tenant


class FairQueue:
    """`slots` for all tenants. There is always one share more than there are tenants, so that the next one to come
    finds a slot: a tenant alone holds half of them, two hold a third each."""

    def __init__(
        self,
        slots: int,
        *,
        waiting: int,
        seconds: float,
        share: int | None = None,
        beside: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`waiting`: how many of a tenant may wait, ten times as many of all; `seconds`: for how long. `share`: of each
        tenant, however many they are; `beside`: the most of one that sends requests often, while there are others."""
        self._free = slots
        self._slots = slots
        self._most_waiting = waiting
        self._seconds = seconds
        self._fixed_share = share
        self._beside = beside or slots
        self._clock = clock
        self._held: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._seen: OrderedDict[str, float] = OrderedDict()
        """When each tenant last sent a request, or was last seen to hold or want a slot; oldest first."""
        self._served: dict[str, int] = {}
        """Of these tenants, the number of the last slot that each was given."""
        self._given = 0
        self._requests: Counter[str] = Counter()
        self._requests_before: Counter[str] = Counter()
        """How many requests each has sent since `_since`, and in the time of the same length before."""
        self._since = clock()
        self.waiting = 0

    @asynccontextmanager
    async def slot(self, tenant: str) -> AsyncIterator[None]:
        """Raises QueueFull or TimeoutError."""
        await self.enter(tenant)
        try:
            yield
        finally:
            self.leave(tenant)

    async def enter(self, tenant: str) -> bool:
        """Whether it had to wait. Raises QueueFull or TimeoutError. After it returns, `leave` has to be called,
        once."""
        self._note(tenant)
        if tenant not in self._waiting and self._free and self._held[tenant] < self._most(tenant, self._share()):
            self._give(tenant)
            return False
        behind = len(self._waiting.get(tenant, ()))
        if behind >= self._most_waiting or self.waiting >= 10 * self._most_waiting:
            raise QueueFull(of_tenant=behind >= self._most_waiting)
        queue = self._waiting.setdefault(tenant, deque())
        turn = asyncio.get_running_loop().create_future()
        queue.append(turn)
        self.waiting += 1
        try:
            async with asyncio.timeout(self._seconds):
                await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                self.leave(tenant)  # it came in the same instant
            else:
                self._forget(tenant, turn)
            raise
        return True

    def leave(self, tenant: str) -> None:
        self._free += 1
        self._held[tenant] -= 1
        if not self._held[tenant]:
            del self._held[tenant]
        self._serve()

    def _share(self) -> int:
        """Of each tenant that is here."""
        now = self._clock()
        while self._seen:
            tenant, seen = next(iter(self._seen.items()))
            if now - seen < IDLE_SECONDS:
                break
            del self._seen[tenant]
            if tenant in self._held or tenant in self._waiting:
                self._seen[tenant] = now
            else:
                self._served.pop(tenant, None)
        if self._fixed_share is not None:
            return self._fixed_share
        return max(1, self._slots // (len(self._seen) + 1))

    def _most(self, tenant: str, share: int) -> int:
        """What a tenant may hold of its share: one that sends requests often would else be in hand whenever anybody
        is."""
        often = self._requests[tenant] + self._requests_before[tenant] > OFTEN
        return min(share, self._beside) if often and len(self._seen) > 1 else share

    def _note(self, tenant: str) -> None:
        now = self._clock()
        self._seen[tenant] = now
        self._seen.move_to_end(tenant)
        if now - self._since >= IDLE_SECONDS:
            self._requests_before = self._requests if now - self._since < 2 * IDLE_SECONDS else Counter()
            self._requests, self._since = Counter(), now
        self._requests[tenant] += 1

    def _serve(self) -> None:
        """Gives what is free to the tenant that holds least, and of these to the one served longest ago."""
        share = self._share()
        while self._free:
            eligible = [tenant for tenant in self._waiting if self._held[tenant] < self._most(tenant, share)]
            if not eligible:
                return
            tenant = min(eligible, key=lambda each: (self._held[each], self._served.get(each, 0)))
            turn = self._waiting[tenant].popleft()
            self._drop_if_empty(tenant)
            self.waiting -= 1
            if not turn.done():
                turn.set_result(None)
                self._give(tenant)

    def _give(self, tenant: str) -> None:
        self._free -= 1
        self._held[tenant] += 1
        self._given += 1
        self._served[tenant] = self._given

    def _forget(self, tenant: str, turn: asyncio.Future[None]) -> None:
        queue = self._waiting.get(tenant)
        if queue is not None and turn in queue:
            queue.remove(turn)
            self.waiting -= 1
            self._drop_if_empty(tenant)

    def _drop_if_empty(self, tenant: str) -> None:
        if not self._waiting[tenant]:
            del self._waiting[tenant]


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left to a tenant, as the fields RateLimit and RateLimit-Policy report it."""

    allowed: bool
    remaining: int
    reset: int
    """Seconds until all of it is there again."""
    retry: int
    """Seconds until there is enough for one."""


class Rates:
    """A bucket of tokens per tenant: `rate` come a second, `burst` are kept at most."""

    def __init__(self, rate: float, burst: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate, self.burst = rate, burst
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """By tenant the tokens it had and when; the one with the oldest request first."""

    def take(self, tenant: str) -> Allowance:
        now = self._clock()
        tokens, at = self._buckets.pop(tenant, (float(self.burst), now))
        tokens = min(float(self.burst), tokens + (now - at) * self.rate)
        allowed = tokens >= 1
        tokens -= allowed
        self._buckets[tenant] = (tokens, now)
        self._forget_the_full(now)
        return Allowance(
            allowed,
            int(tokens),
            ceil((self.burst - tokens) / self.rate),
            0 if allowed else max(1, ceil((1 - tokens) / self.rate)),
        )

    def _forget_the_full(self, now: float) -> None:
        """A bucket that has had the time to fill is like none."""
        tenant, (_, at) = next(iter(self._buckets.items()))
        if (now - at) * self.rate >= self.burst:
            del self._buckets[tenant]
