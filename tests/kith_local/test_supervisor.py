import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from kith_local.layout import Layout
from kith_local.plan import Part, Plan
from kith_local.state import PartPhase, PartState, Phase, ProcessId, State, StateFile, clear_leftovers
from kith_local.supervisor import Supervisor
from kith_local.view import end_of

from .conftest import fake, plan

Serving = Callable[..., Part]


@asynccontextmanager
async def running(supervisor: Supervisor) -> AsyncIterator[Supervisor]:
    """The supervisor, ready."""
    life = asyncio.create_task(supervisor.run())
    try:
        await until(lambda: supervisor.state.phase is not Phase.STARTING)
        assert supervisor.state.failure is None
        yield supervisor
    finally:
        supervisor.request_stop()
        await life


async def until(true: Callable[[], bool], *, within: float = 20.0) -> None:
    async with asyncio.timeout(within):
        while not true():  # noqa: ASYNC110 - the state is another's
            await asyncio.sleep(0.02)


def row(supervisor: Supervisor, name: str) -> PartState:
    return next(part for part in supervisor.state.parts if part.name == name)


def pid(supervisor: Supervisor, name: str) -> int:
    process = row(supervisor, name).process
    assert process is not None
    return process.pid


async def test_everything_comes_up_and_stops_in_order(layout: Layout, serving: Serving) -> None:
    stopped: list[str] = []

    def notice(state: State) -> None:
        stopped.extend(p.name for p in state.parts if p.phase is PartPhase.STOPPED and p.name not in stopped)

    house = plan(serving("sales-worker"), serving("sales-api"), serving("gateway"))
    async with running(Supervisor(house, layout, notify=notice)) as supervisor:
        assert {part.phase for part in supervisor.state.parts} == {PartPhase.READY}
        pids = [pid(supervisor, part.name) for part in supervisor.state.parts]
        assert all(psutil.pid_exists(number) for number in pids)
    assert stopped == ["gateway", "sales-api", "sales-worker"]
    assert not any(psutil.pid_exists(number) for number in pids)
    assert supervisor.state.phase is Phase.STOPPED


async def test_a_killed_part_is_started_again(layout: Layout, serving: Serving) -> None:
    async with running(Supervisor(plan(serving("sales-api"), serving("sales-worker")), layout)) as supervisor:
        killed, untouched = pid(supervisor, "sales-api"), pid(supervisor, "sales-worker")
        os.kill(killed, signal.SIGKILL)
        await until(lambda: row(supervisor, "sales-api").restarts == 1)
        await until(lambda: row(supervisor, "sales-api").phase is PartPhase.READY)
        assert pid(supervisor, "sales-api") != killed
        assert pid(supervisor, "sales-worker") == untouched


async def test_a_part_that_keeps_dying_fails_the_start_and_its_log_is_named(layout: Layout, serving: Serving) -> None:
    broken = Part("sales-api", fake("die", "3", "no such table"), ready="http://127.0.0.1:9/")
    supervisor = Supervisor(plan(broken, serving("gateway")), layout)
    assert await supervisor.run() == 1
    assert supervisor.state.phase is Phase.FAILED
    failure = supervisor.state.failure
    assert failure is not None
    assert failure.message == (
        "sales-api did not come up: it ended 5 times within 30 s, the last time with exit code 3"
    )
    assert end_of(Path(failure.log)) == ["no such table"] * 5


async def test_a_part_that_never_answers_fails_the_start(layout: Layout, free_port: Callable[[], int]) -> None:
    mute = Part("sales-api", fake("loiter"), ready=f"http://127.0.0.1:{free_port()}/readyz")
    supervisor = Supervisor(plan(mute), layout, patience=0.5)
    assert await supervisor.run() == 1
    assert supervisor.state.failure is not None
    assert "did not answer 200 within" in supervisor.state.failure.message


async def test_a_failing_task_fails_the_start_before_any_part_runs(layout: Layout, serving: Serving) -> None:
    task = Part("migrate", fake("die", "1", "permission denied"))
    supervisor = Supervisor(plan(serving("sales-api"), before=(task,)), layout)
    assert await supervisor.run() == 1
    assert supervisor.state.failure is not None
    assert supervisor.state.failure.message == "migrate did not come up: exit code 1"
    assert row(supervisor, "sales-api").phase is PartPhase.WAITING


async def test_a_failing_last_task_is_reported_and_ends_nothing(layout: Layout, serving: Serving) -> None:
    house = plan(serving("sales-api"), after=(Part("demo", fake("die", "1", "refused")),))
    async with running(Supervisor(house, layout)) as supervisor:
        assert supervisor.state.phase is Phase.READY
        assert supervisor.state.notes[0].startswith("demo did not come up: exit code 1")


async def test_a_busy_port_is_an_error_that_says_who_has_it_and_what_to_change(
    layout: Layout, serving: Serving
) -> None:
    part = serving("sales")
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", part.ports[0].number))
        squatter.listen()
        supervisor = Supervisor(plan(part), layout)
        assert await supervisor.run() == 1
    assert supervisor.state.failure is not None
    said = supervisor.state.failure.message
    assert f"Port {part.ports[0].number} is taken by process {os.getpid()} (" in said
    assert "KITH_PORT_SALES=..." in said
    assert "KITH_PORT_BASE" in said


async def test_a_part_that_ignores_the_wish_to_stop_is_killed(layout: Layout, serving: Serving) -> None:
    async with running(Supervisor(plan(serving("sales-api", "deaf")), layout, grace=0.3)) as supervisor:
        deaf = pid(supervisor, "sales-api")
    assert not psutil.pid_exists(deaf)


async def test_stopping_while_it_starts_leaves_nothing(layout: Layout, free_port: Callable[[], int]) -> None:
    mute = Part("sales-api", fake("loiter"), ready=f"http://127.0.0.1:{free_port()}/readyz")
    supervisor = Supervisor(plan(mute), layout)
    life = asyncio.create_task(supervisor.run())
    await until(lambda: bool(supervisor.state.parts) and row(supervisor, "sales-api").process is not None)
    started = pid(supervisor, "sales-api")
    supervisor.request_stop()
    assert await life == 0
    assert not psutil.pid_exists(started)


async def test_the_environment_reaches_the_parts(layout: Layout, serving: Serving) -> None:
    part = serving("sales-api")
    part = Part(part.name, part.command, {"KITH_METRICS_PORT": "8103"}, ready=part.ready)
    house = Plan(
        infrastructure=(), early=(), before=(), parts=(part,), after=(), environment={"KITH_PORT_SALES": "8002"}
    )
    async with running(Supervisor(house, layout)) as supervisor:
        environment = psutil.Process(pid(supervisor, "sales-api")).environ()
    assert (environment["KITH_PORT_SALES"], environment["KITH_METRICS_PORT"]) == ("8002", "8103")


async def test_the_log_of_the_run_before_is_kept_aside(layout: Layout, serving: Serving) -> None:
    log = layout.log_of("sales-api")
    log.parent.mkdir(parents=True)
    log.write_text("old\n")
    async with running(Supervisor(plan(serving("sales-api")), layout)):
        assert "old" not in log.read_text()
    assert log.with_suffix(".log.1").read_text() == "old\n"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the next start cleans up")
def test_the_parts_of_a_killed_supervisor_end(tmp_path: Path, free_port: Callable[[], int]) -> None:
    house = Path(__file__).with_name("fake_house.py")
    layout = Layout(home=tmp_path, bus="embedded")
    with subprocess.Popen([sys.executable, house, tmp_path, str(free_port())]) as supervisor:
        file = StateFile(layout.run)
        while (state := file.read()) is None or state.phase is not Phase.READY:
            assert supervisor.poll() is None
        supervisor.kill()
    process = state.parts[0].process
    assert process is not None
    if (left := process.find()) is not None:
        left.wait(timeout=5)


def test_what_an_earlier_run_left_is_stopped_and_a_stranger_of_the_same_number_is_not() -> None:
    with subprocess.Popen(fake("loiter")) as mine, subprocess.Popen(fake("loiter")) as strangers:
        left, stranger = ProcessId.of(mine.pid), ProcessId.of(strangers.pid)
        assert left is not None
        assert stranger is not None
        before = State(
            bus="embedded",
            parts=[
                PartState("sales-api", process=left),
                PartState("sales-worker", process=ProcessId(stranger.pid, stranger.created - 100)),
            ],
        )
        try:
            assert clear_leftovers(before) == ["sales-api"]
            assert not psutil.pid_exists(mine.pid)
            assert strangers.poll() is None
        finally:
            mine.kill()
            strangers.kill()
