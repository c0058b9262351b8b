"""The plots of docs/health.md, as SVG that is the same whenever it is drawn from the same figures."""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import pairwise
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLOURS = ("#0072b2", "#d55e00", "#009e73")
"""Distinguishable for the colour-blind, too (Okabe and Ito)."""
GREY, BLACK = "#777777", "#000000"
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "kith",  # ids are made of the content: the same figures give the same file
    "svg.fonttype": "none",  # text stays text
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "sans-serif"],  # the first is the library's own, and the widest
    "font.size": 10,
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "legend.frameon": False,
    "legend.fontsize": 9,
    "figure.constrained_layout.h_pad": 0.1,
    "figure.constrained_layout.w_pad": 0.1,
    # A page may be dark around it.
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}
FEW = 100
"""Of fewer warnings a share is noise."""

Found = Mapping[str, Any]


def pictures(found: Found) -> dict[str, str]:
    """By file name."""
    return {
        "calibration.svg": calibration(found["models"]),
        "precision-recall.svg": precision_recall(found["models"], found["baselines"]),
        "lead-times.svg": lead_times(found["models"]),
        "by-instant.svg": by_instant(found["models"]),
    }


class Picture:
    """One plot: what is drawn into `axes` while the block lasts is in `svg` after it."""

    def __init__(self, title: str, x: str, y: str) -> None:
        self.figure = Figure(figsize=(8, 4.8), layout="constrained")
        self.axes: Axes = self.figure.subplots()
        self.axes.set(title=title, xlabel=x, ylabel=y)
        self.svg = ""

    @classmethod
    @contextmanager
    def of(cls, title: str, *, x: str, y: str) -> Iterator["Picture"]:
        with mpl.rc_context(STYLE):
            it = cls(title, x, y)
            yield it
            it.figure.legend(loc="outside lower center", ncols=3)
            file = io.StringIO()
            it.figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
            it.svg = "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"


def calibration(models: Found) -> str:
    with Picture.of(
        "Who churned within 90 days, by tenths of the score", x="mean score of the tenth", y="churned (95 % interval)"
    ) as picture:
        for (title, report), colour in zip(models.items(), COLOURS, strict=True):
            tenths = report["calibration"]
            rates = [each["rate"] for each in tenths]
            picture.axes.errorbar(
                [each["mean_score"] for each in tenths],
                rates,
                [
                    [rate - each["low"] for rate, each in zip(rates, tenths, strict=True)],
                    [each["high"] - rate for rate, each in zip(rates, tenths, strict=True)],
                ],
                label=title,
                color=colour,
                marker="o",
                markersize=4,
                elinewidth=1,
            )
        base = next(iter(models.values()))["base_rate"]["value"]
        picture.axes.axhline(base, color=GREY, linestyle="--", linewidth=1)
        picture.axes.text(1, base + 0.01, "of all who were active", color=GREY)
        picture.axes.set(xlim=(0, 100), ylim=(0, 0.8))
        picture.axes.yaxis.set_major_formatter("{x:.0%}")
    return picture.svg


def precision_recall(models: Found, baselines: Found) -> str:
    with Picture.of(
        "Warned of, and churned: at every threshold",
        x="recall: of those who churned, warned of",
        y="precision: of those warned of, churned",
    ) as picture:
        for (title, report), colour in zip(models.items(), COLOURS, strict=True):
            picture.axes.plot(*_curve(report["curve"]), label=title, color=colour)
            border = report["at_risk"]
            picture.axes.plot(border["recall"]["value"], border["precision"]["value"], "o", color=colour)
        for (title, curve), colour, dashes in zip(
            (
                ("recency alone", next(iter(models.values()))["curve_of_recency"]),
                ("number of orders alone", baselines["orders"]["curve"]),
            ),
            (GREY, BLACK),
            ("--", ":"),
            strict=True,
        ):
            picture.axes.plot(*_curve(curve), label=title, color=colour, linestyle=dashes, linewidth=2)
        picture.axes.set(xlim=(0, 1), ylim=(0.35, 0.75))
        picture.axes.xaxis.set_major_formatter("{x:.0%}")
        picture.axes.yaxis.set_major_formatter("{x:.0%}")
    return picture.svg


def _curve(points: Sequence[Mapping[str, Any]]) -> tuple[list[float], list[float]]:
    enough = [each for each in points if each["warned"] >= FEW]
    return [each["recall"] for each in enough], [each["precision"] for each in enough]


def lead_times(models: Found) -> str:
    with Picture.of(
        "Days at risk before a customer was lost",
        x="days before the end of its activity",
        y="of those who were lost",
    ) as picture:
        width = 0.8 / len(models)
        for index, ((title, report), colour) in enumerate(zip(models.items(), COLOURS, strict=True)):
            lead = report["lead"]
            picture.axes.bar(
                [number + (index - (len(models) - 1) / 2) * width for number in range(len(lead["bins"]))],
                [each["customers"] / lead["ended"] for each in lead["bins"]],
                width,
                label=f"{title}: warned of {1 - lead['without_warning']['value']:.0%}",
                color=colour,
            )
        days = [each["days"] for each in lead["bins"]]
        names = [f"{day} to {after}" for day, after in pairwise(days)] + [f"{days[-1]} and more"]
        picture.axes.set_xticks(range(len(days)), names, fontsize=8)
        picture.axes.grid(visible=False, axis="x")
        picture.axes.yaxis.set_major_formatter("{x:.0%}")
    return picture.svg


def by_instant(models: Found) -> str:
    with Picture.of(
        "How well scores rank at each instant", x="instant, 30 days apart", y="area under the ROC curve"
    ) as picture:
        for (title, report), colour in zip(models.items(), COLOURS, strict=True):
            instants = report["by_instant"]
            picture.axes.plot(
                [f"{datetime.fromisoformat(each['at']):%d %b}" for each in instants],
                [each["roc_area"] for each in instants],
                label=title,
                color=colour,
                marker="o",
                markersize=4,
            )
        picture.axes.set_ylim(0.5, 0.85)
    return picture.svg
