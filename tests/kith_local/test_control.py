import io
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from kith_local import control
from kith_local.errors import LocalError
from kith_local.layout import Layout
from kith_local.state import Phase, StateFile

HOUSE = str(Path(__file__).with_name("fake_house.py"))


class Screen:
    def __init__(self) -> None:
        self._written = io.StringIO()
        self.console = Console(file=self._written, width=200)

    @property
    def text(self) -> str:
        return self._written.getvalue()


@pytest.fixture
def screen() -> Screen:
    return Screen()


@pytest.fixture
def house(layout: Layout, free_port: Callable[[], int]) -> Iterator[tuple[str, ...]]:
    """The command that runs a supervisor over one fake service."""
    yield (sys.executable, HOUSE, str(layout.home), str(free_port()))
    control.stop(layout, Console(quiet=True))


def test_start_returns_when_all_is_ready_and_shows_where(
    layout: Layout, house: tuple[str, ...], screen: Screen
) -> None:
    assert control.start(layout, screen.console, command=house) == 0
    assert f"http://127.0.0.1:{house[-1]}/docs" in screen.text
    state = StateFile(layout.run).read()
    assert state is not None
    assert state.phase is Phase.READY


def test_status_shows_what_somebody_should_look_at_though_all_is_ready(
    layout: Layout, house: tuple[str, ...], screen: Screen
) -> None:
    control.start(layout, Console(quiet=True), command=house)
    assert control.status(layout, screen.console) == 0
    assert "sales-api: sales.outbox: dead letters: 1 failed, 2 wait behind them" in screen.text


def test_what_was_started_is_stopped_and_nothing_is_left(
    layout: Layout, house: tuple[str, ...], screen: Screen
) -> None:
    control.start(layout, screen.console, command=house)
    state = StateFile(layout.run).read()
    assert state is not None
    assert state.supervisor is not None
    supervisor = psutil.Process(state.supervisor.pid)
    family = [supervisor, *supervisor.children(recursive=True)]
    assert len(family) == 2
    assert control.stop(layout, screen.console) == 0
    assert psutil.wait_procs(family, timeout=5)[1] == []
    assert control.status(layout, screen.console) == 3


def test_a_second_start_says_so_and_starts_nothing(layout: Layout, house: tuple[str, ...], screen: Screen) -> None:
    control.start(layout, Console(quiet=True), command=house)
    before = StateFile(layout.run).read()
    assert control.start(layout, screen.console, command=house) == 0
    assert screen.text.startswith("Kith runs already (bus: embedded).")
    assert StateFile(layout.run).read() == before


def test_a_start_on_another_bus_than_the_running_one_is_refused(
    layout: Layout, house: tuple[str, ...], screen: Screen
) -> None:
    control.start(layout, Console(quiet=True), command=house)
    with pytest.raises(LocalError, match="runs on the embedded bus, not on kafka"):
        control.start(replace(layout, bus="kafka"), screen.console, command=house)


def test_a_start_that_fails_shows_which_part_and_the_end_of_its_log(
    layout: Layout, house: tuple[str, ...], screen: Screen
) -> None:
    assert control.start(layout, screen.console, command=(*house, "broken")) == 1
    assert "sales-api did not come up: it ended 5 times within 30 s" in screen.text
    assert "| no such table" in screen.text
    assert not StateFile(layout.run).is_held


def test_a_supervisor_that_cannot_even_begin_is_reported_in_its_words(layout: Layout, screen: Screen) -> None:
    with pytest.raises(LocalError, match="no room"):
        control.start(layout, screen.console, command=(sys.executable, "-c", "raise SystemExit('no room')"))


def test_stopping_what_does_not_run_is_no_error(layout: Layout, screen: Screen) -> None:
    assert control.stop(layout, screen.console) == 0
    assert "does not run" in screen.text


def test_reset_clears_all_but_what_was_downloaded(layout: Layout, screen: Screen) -> None:
    for folder in (layout.data, layout.issuer, layout.logs, layout.downloads, layout.backups):
        folder.mkdir(parents=True)
        (folder / "file").write_text("x")
    assert control.reset(layout, screen.console) == 0
    assert sorted(entry.name for entry in layout.home.iterdir()) == ["backups", "downloads"]


def test_two_supervisors_do_not_run_side_by_side(layout: Layout, house: tuple[str, ...]) -> None:
    control.start(layout, Console(quiet=True), command=house)
    second = subprocess.run([*house[:-1], "1"], capture_output=True, text=True, check=False)
    assert "Kith runs already." in second.stderr
