"""What a service's worker does besides relaying and consuming: what comes due, step by step, in the background."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from kith.runtime.telemetry import log
from kith.runtime.waiting import pause


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
    while not stop.is_set():
        try:
            more = await _unless(stop, task.step(engine))
        except Exception as error:  # noqa: BLE001 - whatever it was, the next step tries again
            log.warning("step failed", task=task.name, error=error)
            more = False
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
