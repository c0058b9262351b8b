"""What a person sees: a line for each part as it comes up, then a table of what runs where."""

from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kith_local.layout import Layout
from kith_local.state import Failure, PartPhase, PartState, Phase, State

LOG_LINES = 30
WIDE = 115
"""Columns from which there is room for the logs' paths in the table."""
_MARKS = {
    PartPhase.READY: ("ready", "green"),
    PartPhase.DONE: ("done", "green"),
    PartPhase.RESTARTING: ("starts again", "yellow"),
    PartPhase.FAILING: ("fails", "red"),
    PartPhase.STOPPED: ("stopped", "dim"),
}


class Progress:
    """Prints what has changed since it last looked. On a terminal a line below says what is still awaited."""

    def __init__(self, console: Console, *, known: State | None = None) -> None:
        """`known`: what was so before, and is no news."""
        self._console = console
        parts = known.parts if known is not None else []
        self._shown = {part.name: (part.phase, part.restarts, part.note) for part in parts}
        self._status = console.status("")

    def __enter__(self) -> Self:
        self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._status.stop()

    def __call__(self, state: State) -> None:
        for part in state.parts:
            now = (part.phase, part.restarts, part.note)
            if self._shown.get(part.name) != now:
                self._shown[part.name] = now
                self._show(part)
        awaited = [part.name for part in state.parts if part.phase in (PartPhase.STARTING, PartPhase.STOPPING)]
        line = f"{_doing(state.phase)}: {', '.join(awaited)}" if awaited else ""
        # A line that wraps would leave its end behind on the screen.
        self._status.update(f"[dim]{line[: self._console.width - 10]}")

    def _show(self, part: PartState) -> None:
        word, style = _MARKS.get(part.phase, ("", ""))
        if not word and not part.note:
            return
        seconds = f"{part.seconds:5.1f} s" if part.phase in (PartPhase.READY, PartPhase.DONE) else ""
        self._console.print(Text.assemble(f"  {part.name:22}", (f"{word:13}", style), seconds, part.note).markup)


def _doing(phase: Phase) -> str:
    return "stopping" if phase is Phase.STOPPING else "starting"


def show_table(console: Console, state: State, layout: Layout) -> None:
    """What runs where."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    wide = console.width >= WIDE
    for heading in ("What", "State", "Where", "Pid", "Log") if wide else ("What", "State", "Where", "Pid"):
        table.add_column(heading, no_wrap=True)
    for part in sorted(state.parts, key=_rank):
        if part.phase is PartPhase.DONE:
            continue
        word, style = _MARKS.get(part.phase, (part.phase.value, "yellow"))
        restarts = f", {part.restarts}x restarted" if part.restarts else ""
        pid = "" if part.process is None else str(part.process.pid)
        link = f"[link={part.url}]{part.url}[/link]" if part.url.startswith("http") else part.url
        log = (layout.shown(Path(part.log)),) if wide else ()
        table.add_row(part.name, f"[{style}]{word}{restarts}[/]", link, pid, *log)
    console.print(table)


def _rank(part: PartState) -> tuple[int, str]:
    """The gateway first: it is what most people want. Then the APIs, then what works unseen."""
    order = ("gateway", "-api", "issuer", "-worker")
    return next((rank for rank, ending in enumerate(order) if part.name.endswith(ending)), len(order)), ""


def show_welcome(console: Console, state: State, layout: Layout) -> None:
    console.print()
    show_table(console, state, layout)
    gateway = next((part.url for part in state.parts if part.name == "gateway"), "")
    console.print()
    console.print(f"GraphQL over everything:  [link={gateway}]{gateway}[/link]  (open it in a browser)")
    console.print("A token for it:           make -s token TENANT=demo")
    console.print(f"Data and logs:            {layout.shown(layout.data)}, {layout.shown(layout.logs)}")
    show_notes(console, state)


def show_notes(console: Console, state: State) -> None:
    for note in state.notes:
        console.print(f"Note: {note}", style="yellow", markup=False, highlight=False, soft_wrap=True)


def show_failure(console: Console, failure: Failure, layout: Layout) -> None:
    """Shows the message, then the end of the log that shows more."""
    console.print(failure.message, style="bold red", markup=False, highlight=False, soft_wrap=True)
    if failure.log and (lines := end_of(Path(failure.log))):
        console.print(f"The end of {layout.shown(Path(failure.log))}:", highlight=False)
        for line in lines:
            console.print(f"  | {line}", markup=False, highlight=False, soft_wrap=True)


def end_of(log: Path, lines: int = LOG_LINES) -> list[str]:
    try:
        with log.open(errors="replace") as file:
            return [line.rstrip("\n") for line in deque(file, lines)]
    except OSError:
        return []
