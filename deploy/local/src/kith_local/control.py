"""The commands: run, start, stop, status, reset."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

from rich.console import Console

from kith_local.errors import LocalError
from kith_local.foreground import foreground
from kith_local.layout import ROOT, Layout
from kith_local.plan import Plan
from kith_local.probe import answer_of
from kith_local.state import PartPhase, Phase, State, StateFile, clear_leftovers
from kith_local.supervisor import Supervisor, supervise
from kith_local.view import Progress, end_of, show_failure, show_notes, show_table, show_welcome

LOOK_EVERY = 0.1
STOP_WITHIN = 90.0


def run(plan: Plan, layout: Layout, console: Console) -> int:
    """Everything in the foreground until Ctrl-C."""
    file = StateFile(layout.run)
    if file.is_held:
        return _already_running(file, layout, console)
    welcomed = False

    def notify(state: State) -> None:
        nonlocal welcomed
        progress(state)
        if state.phase is Phase.READY and not welcomed:
            welcomed = True
            show_welcome(console, state, layout)
            console.print("\nCtrl-C stops everything.")

    with foreground(), Progress(console) as progress:
        supervisor = Supervisor(plan, layout, notify=notify)
        console.print(f"Kith starts (bus: {layout.bus}).")
        code = asyncio.run(supervise(supervisor))
    if supervisor.state.failure is not None:
        show_failure(console, supervisor.state.failure, layout)
    else:
        console.print("Stopped.")
    return code


def start(layout: Layout, console: Console, *, command: tuple[str, ...] = ()) -> int:
    """Everything in the background. Returns once all is ready, or what failed is shown and all is stopped."""
    file = StateFile(layout.run)
    if file.is_held:
        return _already_running(file, layout, console)
    log = layout.log_of("supervisor")
    log.parent.mkdir(parents=True, exist_ok=True)
    console.print(f"Kith starts (bus: {layout.bus}).")
    with log.open("wb") as output:
        daemon = subprocess.Popen(  # noqa: S603 - ourselves
            command or (sys.executable, "-m", "kith_local", "supervise"),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        state = _follow(file, daemon, console)
    except KeyboardInterrupt:
        daemon.terminate()
        daemon.wait()
        console.print("Stopped.")
        return 130
    if state is None:
        raise LocalError("\n".join(["The supervisor ended before it began:", *end_of(log)]))
    if state.phase is not Phase.READY:
        if state.failure is not None:
            show_failure(console, state.failure, layout)
        return 1
    show_welcome(console, state, layout)
    console.print("Stop it:                  make stop")
    daemon.returncode = 0  # it lives on, and that is meant
    return 0


def _follow(file: StateFile, daemon: "subprocess.Popen[bytes]", console: Console) -> State | None:
    """Tell what it does until it is ready or has ended. None if it never said anything."""
    with Progress(console) as progress:
        while True:
            ended = daemon.poll() is not None
            state = file.read()
            if state is not None and state.supervisor is not None and state.supervisor.pid == daemon.pid:
                progress(state)
                if ended or state.phase is Phase.READY:
                    return state
            elif ended:
                return None
            time.sleep(LOOK_EVERY)


def stop(layout: Layout, console: Console) -> int:
    """Signals the supervisor to stop, and waits. What a dead supervisor left behind is stopped here."""
    file = StateFile(layout.run)
    state = file.read()
    if not file.is_held:
        left = clear_leftovers(state) if state is not None else []
        console.print(f"Stopped what was left: {', '.join(left)}." if left else "Kith does not run.")
        return 0
    if state is None or state.supervisor is None or (process := state.supervisor.find()) is None:
        raise LocalError(f"Something holds {layout.shown(layout.run)}/lock, but no supervisor is known.")
    process.send_signal(signal.SIGTERM)
    with Progress(console, known=state) as progress:
        ended = _wait(lambda: not file.is_held, report=lambda: _report(file, progress))
    if not ended:
        raise LocalError(f"The supervisor (process {process.pid}) has not stopped within {STOP_WITHIN:.0f} s.")
    console.print("Stopped.")
    return 0


def _report(file: StateFile, progress: Progress) -> None:
    if (state := file.read()) is not None:
        progress(state)


def _wait(done: Callable[[], bool], *, report: Callable[[], None]) -> bool:
    deadline = time.monotonic() + STOP_WITHIN
    while time.monotonic() < deadline:
        report()
        if done():
            report()
            return True
        time.sleep(LOOK_EVERY)
    return False


def status(layout: Layout, console: Console) -> int:
    """Exit code 0 if all runs, 3 if nothing does, 1 if something is amiss."""
    file = StateFile(layout.run)
    state = file.read()
    if state is None or not file.is_held:
        console.print("Kith does not run. Start it: make start (or make run).")
        return 3
    console.print(f"Kith is {state.phase} (bus: {state.bus}).")
    show_table(console, state, layout)
    state.notes += asyncio.run(_to_look_at(state))
    show_notes(console, state)
    return 0 if state.phase is Phase.READY else 1


async def _to_look_at(state: State) -> list[str]:
    """What the parts say of themselves beyond that they are ready."""
    ready = [part for part in state.parts if part.ready and part.phase is PartPhase.READY]
    answers = await asyncio.gather(*(answer_of(part.ready) for part in ready))
    # As kith.http.probes has it. The gateway says nothing more.
    return [
        f"{part.name}: {body.removeprefix('ok; ')}"
        for part, (status, body) in zip(ready, answers, strict=True)
        if body.startswith("ok; ") or status == HTTPStatus.SERVICE_UNAVAILABLE
    ]


def reset(layout: Layout, console: Console) -> int:
    """Stops, and clears all data, keys and logs. What was downloaded stays, and so do backups."""
    stop(layout, console)
    for entry in layout.home.iterdir() if layout.home.exists() else ():
        if entry not in (layout.downloads, layout.backups):
            _remove(entry)
    console.print(f"Cleared {layout.shown(layout.home)}. What was downloaded stays.")
    return 0


def _remove(entry: Path) -> None:
    if entry.is_dir():
        shutil.rmtree(entry)
    else:
        entry.unlink()


def supervise_detached(plan: Plan, layout: Layout) -> int:
    """What `start` starts."""
    os.chdir(ROOT)
    return asyncio.run(supervise(Supervisor(plan, layout)))


def _already_running(file: StateFile, layout: Layout, console: Console) -> int:
    state = file.read()
    console.print("Kith runs already." if state is None else f"Kith runs already (bus: {state.bus}).")
    if state is not None:
        show_table(console, state, layout)
    if state is not None and state.bus != layout.bus:
        raise LocalError(f"It runs on the {state.bus} bus, not on {layout.bus}. Stop it first: make stop")
    console.print("Stop it: make stop")
    return 0
