"""The catalogue as it is printed, and as it is committed."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from analytics.metrics import cli as catalogue_cli
from analytics.metrics.catalogue import METRICS
from analytics.metrics.cli import descriptions, document, run, text
from analytics.service import SERVICE
from kith.errors import NotFound
from kith.runtime import process
from kith_local.layout import ROOT

Printed = Callable[..., str]


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Printed:
    """What `python -m analytics metrics ...` prints, where no setting is there."""
    monkeypatch.delenv("KITH_DATABASE_URL_ANALYTICS", raising=False)

    def of(*words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["analytics", "metrics", *words])
        process.main(SERVICE)
        return capsys.readouterr().out

    return of


def test_the_catalogue_is_printed_without_a_database(printed: Printed) -> None:
    shown = printed()
    for each in METRICS.values():
        assert f"{each.id}  {each.title}" in shown


def test_one_metric_is_printed_alone_with_its_parts_in_words(printed: Printed) -> None:
    shown = printed("retention.crr")
    assert "(E - N) / S * 100" in shown
    unwrapped = " ".join(shown.split())
    assert "W customers not active at the start, active at the end and first active before the start" in unwrapped
    assert "retention.churn" not in shown


def test_an_unknown_metric_ends_with_a_list_of_what_there_is(printed: Printed) -> None:
    with pytest.raises(SystemExit, match=r"no metric retention\.cr\..*retention\.crr"):
        printed("retention.cr")


def test_a_program_reads_the_same(printed: Printed) -> None:
    (described,) = json.loads(printed("--json", "ror.reach"))
    assert described["formula"] == "helped / buyers * 100"
    assert described["components"]["buyers"] == "distinct customers with any orders placed to date"
    assert described["version"] == METRICS["ror.reach"].version
    assert [each["id"] for each in json.loads(printed("--json"))] == list(METRICS)


def test_no_line_is_wider_than_the_terminal() -> None:
    shown = "\n".join(text(descriptions(), 72))
    assert max(len(line) for line in shown.splitlines()) <= 72


def test_what_is_queried_must_be_there() -> None:
    with pytest.raises(NotFound):
        descriptions(["ror", "rorr"])


def test_the_committed_document_is_what_the_catalogue_says() -> None:
    committed = (ROOT / "docs/metrics.md").read_text()
    assert committed == document(descriptions()), "make contracts writes it anew"


def test_the_document_has_each_metric_with_its_example_and_links_to_it() -> None:
    made = document(descriptions())
    headings = {catalogue_cli._anchor(line.lstrip("# ")) for line in made.splitlines() if line.startswith("##")}
    links = re.findall(r"\[([^\]]+)\]\(#([^)]+)\)", made)
    assert {name for name, _ in links} >= METRICS.keys()
    assert {anchor for _, anchor in links} <= headings
    unwrapped = " ".join(made.split())
    for each in METRICS.values():
        assert f"*Example.* {each.example}" in unwrapped


def test_the_document_is_written_where_it_is_wanted(printed: Printed, tmp_path: Path) -> None:
    printed("--document", str(tmp_path / "metrics.md"))
    assert (tmp_path / "metrics.md").read_text() == document(descriptions())


def test_help_tells_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(SERVICE, ["--help"])
    assert "What each metric means" in capsys.readouterr().out
