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
    assert set(FOUND["models"]) == set(models())


def test_what_the_guide_says_of_one_number_alone_is_so() -> None:
    text, simpler, tuned = page.PAGE.read_text(), FOUND["baselines"], FOUND["models"]["Retail, tuned"]

    def more_than(id: str, title: str = "Retail, tuned") -> tuple[float, float]:
        """By how much the model's area is greater, at the least and at the most."""
        estimate = simpler[id]["models"][title]
        value, margin = estimate["value"], 1.96 * estimate["standard_error"]
        return value - margin, value + margin

    assert "More than recency, clearly" in text
    assert more_than("recency")[0] > 0
    assert f"whose area is {simpler['orders']['models']['Retail, tuned']['value']:.3f} greater, far within the" in text
    assert more_than("orders")[0] < 0 < more_than("orders")[1]
    for title in ("Default", "Retail, of the gallery"):
        assert more_than("orders", title)[1] < 0, "both ready-made models rank worse"
    assert more_than("logistic")[1] < 0, "a logistic regression ranks better than all"
    assert not simpler["p_alive"]["fitted_before"], "no maximum of the months before July"
    assert simpler["p_alive"]["roc_area"]["value"] < 0.5, "the wrong way round"
    assert simpler["expected"]["roc_area"]["value"] < simpler["orders"]["roc_area"]["value"], (
        "worse than the bare count"
    )

    strongest, recency = tuned["comparison"]["baselines"]
    assert (strongest["name"], recency["name"]) == ("frequency", "recency")
    assert strongest["roc_area"] == simpler["orders"]["roc_area"], "by the product as by the guide"
    assert strongest["brier"] == simpler["orders"]["brier"]
    assert tuned["notes"][-1].startswith("No better than frequency alone")
    ours, as_many = tuned["comparison"]["rules"][1], strongest["rules"][1]
    assert as_many["warned"] <= ours["warned"] < 1.05 * as_many["warned"]
    assert ours["precision"]["value"] < as_many["precision"]["value"], "not more of them are right"


@needs_recorded_data
def test_the_observed_and_the_churned_are_as_the_file_says() -> None:
    """Counted in the file itself; and so is what the guide says of customers with one order."""
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
    for report in FOUND["models"].values():
        assert (len(report["instants"]), report["rows"], report["churned"]) == (7, rows, churned)
    assert f"({once_churned:,} of {churned:,})" in page.PAGE.read_text()
    assert 0.55 < once_churned / once < 0.65
