"""Computation in a process of its own."""

import asyncio
import os
import signal
import time
from multiprocessing import active_children

import pytest

from kith.consumer.faults import Fault, fault_of
from kith.errors import Conflict
from kith.runtime.offload import Lane, Lost, NotStarted, offload

REFUSES = "from kith.errors import Conflict\nraise Conflict('it is so')"
FAILS = "class Awkward(Exception): pass\nraise Awkward(7)"
"""It cannot be pickled: nobody else knows its class."""


@pytest.fixture
def lane() -> Lane:
    return Lane("test")


async def test_it_is_computed_in_another_process_the_same_each_time(lane: Lane) -> None:
    first, second = await offload(os.getpid, lane=lane), await offload(os.getpid, lane=lane)
    assert first == second != os.getpid()


async def test_what_it_raises_is_raised_and_the_next_piece_is_computed(lane: Lane) -> None:
    with pytest.raises(Conflict, match="it is so"):
        await offload(exec, REFUSES, lane=lane)
    with pytest.raises(RuntimeError, match="Awkward: 7"):
        await offload(exec, FAILS, lane=lane)
    assert await offload(abs, -3, lane=lane) == 3


async def test_a_process_that_dies_loses_its_piece_and_no_other(lane: Lane) -> None:
    with pytest.raises(Lost):
        await offload(os._exit, 1, lane=lane)
    assert await offload(abs, -3, lane=lane) == 3


async def test_a_process_that_dies_while_idle_loses_nothing(lane: Lane) -> None:
    first = await offload(os.getpid, lane=lane)
    (process,) = [each for each in active_children() if each.pid == first]
    os.kill(first, signal.SIGKILL)
    process.join(10)
    assert await offload(os.getpid, lane=lane) != first


async def test_the_first_piece_finds_the_process_begun_and_what_it_needs_loaded(lane: Lane) -> None:
    before = {each.pid for each in active_children()}
    await lane.start("wave")
    begun = {each.pid for each in active_children()} - before
    assert {await offload(os.getpid, lane=lane)} == begun
    assert await offload(eval, "'wave' in __import__('sys').modules", lane=lane)


async def test_a_piece_that_takes_too_long_is_given_up(lane: Lane) -> None:
    await offload(abs, -3, lane=lane)
    with pytest.raises(Lost, match="It took over"):
        await offload(exec, "while True: pass", lane=lane, seconds=0)
    assert await offload(abs, -3, lane=lane) == 3


async def test_who_stops_waiting_holds_up_nobody(lane: Lane) -> None:
    waiting = asyncio.ensure_future(offload(time.sleep, 60.0, lane=lane))
    await asyncio.wait((waiting,), timeout=0.01)
    waiting.cancel()
    assert await offload(abs, -3, lane=lane) == 3
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_that_no_process_starts_is_no_piece_s_fault(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("multiprocessing.spawn.get_executable", lambda: b"/bin/false")
        with pytest.raises(NotStarted) as refused:
            await offload(abs, -3, lane=lane)
    assert fault_of(refused.value) is Fault.OUTAGE
    assert await offload(abs, -3, lane=lane) == 3


async def test_one_piece_after_the_other_and_lanes_beside_each_other(lane: Lane) -> None:
    other = Lane("other", niceness=1)
    same = await asyncio.gather(*(offload(os.getpid, lane=each) for each in (lane, lane, other)))
    assert same[0] == same[1] != same[2]
