"""What README.md and the pages below docs/ show is what the house answers: tests/documents says how they are read."""

import subprocess
import sys

import pytest
from tests.documents import picture
from tests.documents.page import Page, pages
from tests.documents.session import run
from tests.e2e.house import House, run_replay
from tests.recorded import DATA, needs_recorded_data

from kith_local.layout import ROOT

NOT_RUN = 7
"""Blocks of commands that are shown and not executed. There should be no more."""

pytestmark = pytest.mark.parametrize("house", ["embedded"], indirect=True)


@pytest.fixture(scope="module")
def demo(house: House) -> House:
    """The house with the demo tenant in it, as a reader has it."""
    subprocess.run([sys.executable, "-m", "kith_local", "demo"], env=house.environment, cwd=ROOT, check=True)
    return house


@pytest.fixture
def recorded(demo: House, page: Page) -> House:
    """The same with the recorded data, which docs/replay.md brings in itself."""
    if page.needs_recorded_data and page.path.name != "replay.md" and not demo.tenant("retail").ledger():
        with run_replay(demo, tenant="retail", folder=DATA) as replay:
            report, _ = replay.communicate()
        assert replay.returncode == 0, report
    return demo


def executed() -> list[object]:
    """Pages that have commands, as parameters of a test."""
    return [
        pytest.param(page, id=page.name, marks=needs_recorded_data if page.needs_recorded_data else ())
        for page in pages()
        if page.commands
    ]


@pytest.mark.timeout(360)
@pytest.mark.parametrize("page", executed())
def test_a_page_shows_what_is_answered(recorded: House, page: Page) -> None:
    results = run(page, recorded.environment)
    wrong = [str(result) for result in results if not result.is_as_shown]
    assert wrong == [], f"{page.name}, {wrong[0]}"
    assert len(results) == len(page.commands), "the shell of the page ended early"


def test_few_commands_are_shown_and_not_executed(demo: House) -> None:
    assert sum(block.not_run is not None for page in pages() for block in page.blocks) <= NOT_RUN


def test_the_picture_is_as_it_would_be_drawn(demo: House) -> None:
    drawn = picture.drawn(picture.story(demo.environment))
    assert picture.FILE.read_text() == drawn, "draw it again: .venv/bin/python -m tests.documents.picture"
