"""What a worker does in the background, whatever happens on the way."""

import asyncio
from contextlib import AsyncExitStack, nullcontext
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sqlalchemy.ext.asyncio import AsyncEngine

from kith.outbox.relay import Relay
from kith.runtime import process
from kith.runtime.settings import Settings
from kith.runtime.tasks import Task, attend
from sales.service import SERVICE

ENGINE: Any = None


async def test_steps_follow_at_once_while_there_is_more_and_go_on_after_a_fault() -> None:
    stop, outcomes = asyncio.Event(), [True, True, RuntimeError("gone"), False, True]
    left = list(outcomes)

    async def step(_: AsyncEngine) -> bool:
        answer = left.pop(0)
        if not left:
            stop.set()
        if isinstance(answer, RuntimeError):
            raise answer
        return bool(answer)

    async with asyncio.timeout(10):
        await attend(Task("counting", step, seconds=0.001), ENGINE, stop=stop)
    assert left == []


async def test_a_task_is_late_while_it_fails_and_on_time_once_it_is_done() -> None:
    def measured(name: str) -> float:
        return REGISTRY.get_sample_value(f"kith_task_{name}", {"task": "tried"}) or 0.0

    stop, found = asyncio.Event(), list[tuple[float, float]]()

    async def step(_: AsyncEngine) -> bool:
        found.append((measured("late_seconds"), measured("faults_total")))
        if len(found) < 4:
            raise RuntimeError("gone")
        return False

    faults = measured("faults_total")
    async with asyncio.timeout(10):
        attending = asyncio.create_task(attend(Task("tried", step, seconds=0.4), ENGINE, stop=stop))
        while len(found) < 4 or measured("late_seconds") > 0:  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0.01)
        stop.set()
        await attending
    lateness = [seconds for seconds, _ in found[:4]]
    assert lateness == sorted(lateness)
    assert lateness[-1] >= 3 * 0.2
    assert [number - faults for _, number in found[:4]] == [0, 1, 2, 3]


async def test_a_stop_cuts_the_wait_short() -> None:
    stop, looked = asyncio.Event(), asyncio.Event()

    async def step(_: AsyncEngine) -> bool:
        looked.set()
        return False

    async with asyncio.timeout(10):
        waiting = asyncio.create_task(attend(Task("idle", step, seconds=3600), ENGINE, stop=stop))
        await looked.wait()
        stop.set()
        await waiting


async def test_a_stop_cuts_a_long_step_short() -> None:
    stop, began, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def step(_: AsyncEngine) -> bool:
        began.set()
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()
        return True

    async with asyncio.timeout(10):
        working = asyncio.create_task(attend(Task("long", step), ENGINE, stop=stop))
        await began.wait()
        stop.set()
        await working
    assert ended.is_set()


async def test_a_worker_attends_to_the_tasks_of_its_service(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: Any, **__: Any) -> None:
        return None

    stop, looked = asyncio.Event(), []

    async def step(engine: AsyncEngine) -> bool:
        looked.append(engine.url.database)
        stop.set()
        return False

    monkeypatch.setattr(process, "open_bus", lambda *_: nullcontext(ENGINE))
    monkeypatch.setattr(process, "_prune", nothing)
    monkeypatch.setattr(process, "_report", nothing)
    monkeypatch.setattr(Relay, "run", nothing)
    settings = Settings(database_url="postgresql://localhost/none", port=0)
    async with asyncio.timeout(10), AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        service = replace(SERVICE, tasks=[Task("one", step)])
        await process._start_workers(service, settings, {}, {}, stop, stack, tasks)
    assert looked == ["none"]
