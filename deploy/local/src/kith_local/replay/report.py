"""What a person sees of a replay: how far it is, and at the end what became of every row."""

import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from rich import progress as bars
from rich.console import Console
from rich.table import Table
from rich.text import Text

from kith_local.replay.commands import DataSet, Mapped, Rejected
from kith_local.replay.sender import Progress, Sent, Tally

SAY_EVERY = 5.0


@dataclass(frozen=True, slots=True)
class Outcome:
    data_set: DataSet
    tenant: str
    rows: Mapping[str, int]
    """Rows read, by file."""
    mapped: Mapped
    sent: Sent
    folded: int
    seconds_sending: float
    seconds_folding: float
    moved_by: timedelta | None = None
    end: datetime | None = None

    @property
    def rejected(self) -> list[Rejected]:
        return [*self.mapped.rejected, *self.sent.rejected]


class Bars:
    """On a terminal."""

    def __init__(self, progress: bars.Progress) -> None:
        self._progress = progress
        self._task: bars.TaskID | None = None

    def begin(self, what: str, total: int) -> None:
        self._task = self._progress.add_task(what, total=total)

    def advance(self, done: int) -> None:
        assert self._task is not None
        self._progress.advance(self._task, done)


class Lines:
    """Into a file or a pipe: a line at the end of each part, and now and then between."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._what, self._done, self._total, self._said_at = "", 0, 0, 0.0

    def begin(self, what: str, total: int) -> None:
        self._what, self._done, self._total, self._said_at = what, 0, total, time.monotonic()

    def advance(self, done: int) -> None:
        self._done += done
        if done and (self._done == self._total or time.monotonic() - self._said_at > SAY_EVERY):
            self._said_at = time.monotonic()
            self._console.print(f"{self._what}: {self._done:,} of {self._total:,}", highlight=False)


@contextmanager
def shown_progress() -> Iterator[tuple[Console, Progress]]:
    # Piped, rich would cut its lines to 80 columns: a reason must stay whole.
    console = Console(width=None if sys.stdout.isatty() else 200)
    if not console.is_terminal:
        yield console, Lines(console)
        return
    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TimeElapsedColumn(),
    )
    with bars.Progress(*columns, console=console) as progress:
        yield console, Bars(progress)


def show(console: Console, outcome: Outcome) -> None:
    console.print(f"\n[bold]{outcome.data_set.name}[/] replayed as tenant [bold]{outcome.tenant}[/]", highlight=False)
    rows = ", ".join(f"{count:,} of {file}" for file, count in outcome.rows.items())
    console.print(f"Rows read: {rows}; not mapped: {len(outcome.mapped.rejected):,}\n", highlight=False)
    if outcome.end is not None:
        console.print(
            f"Times moved by {outcome.moved_by}: the last event is of END={outcome.end.isoformat()}\n", highlight=False
        )
    console.print(_sent(outcome), "")
    console.print(_decisions(outcome), "")
    if outcome.rejected:
        console.print(_rejections(outcome.rejected), "")
    sent = outcome.sent
    console.print(
        f"Events published {sent.events:,}, folded {outcome.folded:,}. "
        f"Seconds: mapping and sending {outcome.seconds_sending:.1f}, then folding {outcome.seconds_folding:.1f}.",
        highlight=False,
    )
    if outcome.folded > sent.events:
        console.print("More were folded than published here: some were under way from before.", style="yellow")


def _sent(outcome: Outcome) -> Table:
    table = _table("Sent")
    table.add_column("as", no_wrap=True)
    for heading in ("commands", "accepted", "unchanged", "rejected", "events"):
        table.add_column(heading, justify="right")
    tallies = outcome.sent.tallies
    for noun, tally in tallies.items():
        table.add_row(f"{noun.service} {noun.plural}", *_counts(tally))
    total = (
        Tally(*(sum(values) for values in zip(*map(_numbers, tallies.values()), strict=True))) if tallies else Tally()
    )
    table.add_section()
    table.add_row("all", *_counts(total), style="bold")
    return table


def _numbers(tally: Tally) -> tuple[int, ...]:
    return tally.commands, tally.accepted, tally.unchanged, tally.rejected, tally.events


def _counts(tally: Tally) -> list[str]:
    return [f"{number:,}" for number in _numbers(tally)]


def _decisions(outcome: Outcome) -> Table:
    """All of them, also the ones that met no row: what was looked for and not found is worth knowing."""
    table = _table("Decisions")
    table.add_column("times", justify="right")
    table.add_column("decided")
    for decision in outcome.data_set.decisions:
        count = outcome.mapped.decisions[decision]
        table.add_row(f"{count:,}", Text(decision.value), style="" if count else "dim")
    return table


def _rejections(rejected: list[Rejected]) -> Table:
    table = _table("Rejected")
    table.add_column("times", justify="right")
    table.add_column("why")
    table.add_column("for example")
    groups: dict[str, list[Rejected]] = defaultdict(list)
    for each in rejected:
        groups[each.reason].append(each)
    for reason, group in sorted(groups.items(), key=lambda group: -len(group[1])):
        first = group[0]
        example = f"{first.origin.file}, line {first.origin.line}: {first.detail}"
        # As Text: a bracket in the data is no markup.
        table.add_row(f"{len(group):,}", Text(reason), Text(example))
    return table


def _table(title: str) -> Table:
    return Table(
        title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0), header_style="dim"
    )
