"""docs/health.md says what the code says."""

import json
from datetime import timedelta

import polars as pl
from tests.analytics.reference.facts import company
from tests.backtest import page, plots
from tests.backtest.models import FIGURES, FOLDER, STARTS_AT, STEP_DAYS, models
from tests.recorded import needs_recorded_data

FOUND = json.loads(FIGURES.read_text())
HOW = "write it again: .venv/bin/python -m tests.backtest"


def test_the_generated_parts_are_as_they_would_be_written() -> None:
    text = page.PAGE.read_text()
    assert page.with_parts(text, FOUND) == text, HOW


def test_the_plots_are_of_these_figures_and_small() -> None:
    for name, picture in plots.pictures(FOUND).items():
        assert (FOLDER / name).read_text() == picture, HOW
        assert len(picture) < 60_000
        assert f"health/{name}" in page.PAGE.read_text()
    assert set(FOUND) == set(models())


@needs_recorded_data
def test_those_observed_and_those_who_churned_are_as_the_file_says() -> None:
    """Counted in the file itself; and so is what the guide says of those with one order."""
    orders = company("retail").orders.filter(pl.col("customer") != "(blank)")
    window, time = timedelta(days=90), pl.col("time")
    rows, churned, once, once_churned = 0, 0, 0, 0
    for number in range(7):
        at = STARTS_AT + number * timedelta(days=STEP_DAYS)
        before = orders.filter(time < at).group_by("customer").agg(pl.len().alias("orders"), time.max().alias("last"))
        active = before.filter(pl.col("last") >= at - window)
        back = orders.filter((time >= at) & (time < at + window)).select("customer").unique()
        gone = active.join(back, on="customer", how="anti")
        rows, churned = rows + len(active), churned + len(gone)
        once += len(active.filter(pl.col("orders") == 1))
        once_churned += len(gone.filter(pl.col("orders") == 1))
    for report in FOUND.values():
        assert (len(report["instants"]), report["rows"], report["churned"]) == (7, rows, churned)
    assert f"({once_churned:,} of {churned:,})" in page.PAGE.read_text()
    assert 0.55 < once_churned / once < 0.65
