"""Measuring: how often something is done in a second, by so many at once."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

SECONDS = 4.0


@dataclass(frozen=True)
class Figure:
    work: str
    rate: float
    ceiling: str
    ceiling_rate: float
    target: float
    target_is_ratio: bool = True
    unit: str = "/s"
    """A unit of time: `rate` and what it is compared with are durations, and the target is the longest it may take."""

    @property
    def ratio(self) -> float:
        return self.rate / self.ceiling_rate

    @property
    def is_met(self) -> bool:
        if self.unit != "/s":
            return self.rate <= self.target
        return (self.ratio if self.target_is_ratio else self.rate) >= self.target


async def rate(once: Callable[[], Awaitable[object]], *, at_once: int = 1, counts: int = 1) -> float:
    """How many per second, after a warm-up; `once` does `counts` of them."""
    await asyncio.gather(*(once() for _ in range(at_once)))
    done, started = 0, time.perf_counter()
    ends = started + SECONDS

    async def worker() -> None:
        nonlocal done
        while time.perf_counter() < ends:
            await once()
            done += counts

    await asyncio.gather(*(worker() for _ in range(at_once)))
    return done / (time.perf_counter() - started)


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
