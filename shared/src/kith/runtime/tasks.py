"""What a service's worker does besides relaying and consuming: what comes due, step by step, in the background."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from prometheus_client import Counter, Gauge
from sqlalchemy.ext.asyncio import AsyncEngine

from kith.runtime.telemetry import log
from kith.runtime.waiting import pause

LATE = Gauge(
    "kith_task_late_seconds",
    "How long after its time a background task of a worker is not done: it fails, waits, or takes that long; 0: it is",
    ["task"],
)
FAULTS = Counter("kith_task_faults_total", "Steps of a background task that failed, and are tried again", ["task"])


@dataclass(frozen=True)
class Task:
    name: str
    step: Callable[[AsyncEngine], Awaitable[bool]]
    """Does a part of what is due, in transactions of its own, as the worker's role. Returns whether there is more to do
    at once. Any process may be killed in it, and several may be in it at a time."""
    seconds: float = 2.0
    """How long it may wait until it is looked again for what is due."""


async def attend(task: Task, engine: AsyncEngine, *, stop: asyncio.Event) -> None:
    """Take step after step, until `stop` is set, which cuts the one in hand short: a long one would hold up the end of
    the process. A fault is logged and waited out: what is due stays due."""
    due = time.monotonic()
    # When it is scraped: it grows although no step ends.
    LATE.labels(task.name).set_function(lambda: max(0.0, time.monotonic() - due))
    faults = FAULTS.labels(task.name)
    while not stop.is_set():
        try:
            more = await _unless(stop, task.step(engine))
        except Exception as error:  # noqa: BLE001 - whatever it was, the next step tries again
            log.warning("step failed", task=task.name, error=error)
            faults.inc()
            more = False
        else:
            due = time.monotonic() + (0.0 if more else task.seconds)
        if not more:
            await pause(stop, task.seconds * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret


async def _unless(stop: asyncio.Event, step: Awaitable[bool]) -> bool:
    doing, stopping = asyncio.ensure_future(step), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((doing, stopping), return_when=asyncio.FIRST_COMPLETED)
    finally:
        doing.cancel()
        stopping.cancel()
        await asyncio.wait((doing, stopping))
    return not doing.cancelled() and doing.result()
