"""Plots as SVG, drawn by hand: a few lines each, small enough to be kept beside the page."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#777777")
"""Told apart by whoever sees no red or no green, too (Okabe and Ito)."""
WIDTH, HEIGHT = 640, 380
LEFT, RIGHT, TOP, BOTTOM = 60, 20, 44, 64

Point = tuple[float, float]


class Chart:
    def __init__(self, title: str, x: tuple[str, float, float, float], y: tuple[str, float, float, float]) -> None:
        """Of each axis: what it shows, from where to where, and the step of its ticks."""
        (x_title, self.x0, self.x1, x_step), (y_title, self.y0, self.y1, y_step) = x, y
        self.parts: list[str] = []
        self.next_key = LEFT + 4.0
        self.text(WIDTH / 2, 18, title, size=14, bold=True)
        for tick in _ticks(self.x0, self.x1, x_step):
            self._line(self.at(tick, self.y0), self.at(tick, self.y1), "#e4e4e4")
            self.text(self.at(tick, 0)[0], HEIGHT - BOTTOM + 16, f"{tick:g}")
        for tick in _ticks(self.y0, self.y1, y_step):
            here = self.at(self.x0, tick)
            self._line(here, self.at(self.x1, tick), "#e4e4e4")
            self.text(here[0] - 6, here[1] + 4, f"{tick:g}", anchor="end")
        self.text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - BOTTOM + 34, x_title)
        middle = (TOP + HEIGHT - BOTTOM) / 2
        self.text(14, middle, y_title, turn=f' transform="rotate(-90 14 {middle:g})"')

    def at(self, x: float, y: float) -> Point:
        across, up = (x - self.x0) / (self.x1 - self.x0), (y - self.y0) / (self.y1 - self.y0)
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    def key(self, name: str, colour: str) -> None:
        x = self.next_key
        self.parts.append(f'<rect x="{x:g}" y="{HEIGHT - 20}" width="14" height="4" fill="{colour}"/>')
        self.text(x + 20, HEIGHT - 14, name, anchor="start")
        self.next_key += 40 + 6.2 * len(name)

    def line(self, points: Iterable[Point], colour: str, *, dashed: bool = False) -> None:
        places = " ".join(f"{x:.1f},{y:.1f}" for x, y in (self.at(*each) for each in points))
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self.parts.append(f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')

    def dot(self, x: float, y: float, colour: str, *, size: float = 3) -> None:
        cx, cy = self.at(x, y)
        self.parts.append(f'<circle cx="{cx:.1f}" cy="{cy:.1f}" r="{size:g}" fill="{colour}"/>')

    def whisker(self, x: float, low: float, high: float, colour: str) -> None:
        self._line(self.at(x, low), self.at(x, high), colour)

    def bar(self, x: float, width: float, y: float, colour: str) -> None:
        (left, top), (right, bottom) = self.at(x, y), self.at(x + width, self.y0)
        self.parts.append(
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{bottom - top:.1f}" '
            f'fill="{colour}"/>'
        )

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        size: int = 11,
        anchor: str = "middle",
        bold: bool = False,
        turn: str = "",
    ) -> None:
        weight = ' font-weight="bold"' if bold else ""
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="#333"{weight}{turn}>'
            f"{words}</text>"
        )

    def _line(self, one: Point, other: Point, colour: str) -> None:
        self.parts.append(
            f'<line x1="{one[0]:.1f}" y1="{one[1]:.1f}" x2="{other[0]:.1f}" y2="{other[1]:.1f}" stroke="{colour}"/>'
        )

    def svg(self) -> str:
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">\n'
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>\n'
        )
        return head + "\n".join(self.parts) + "\n</svg>\n"


def _ticks(low: float, high: float, step: float) -> list[float]:
    return [low + step * number for number in range(round((high - low) / step) + 1)]


def pictures(found: Mapping[str, Any]) -> dict[str, str]:
    """By file name."""
    return {
        "calibration.svg": calibration(found),
        "precision-recall.svg": precision_recall(found),
        "lead-times.svg": lead_times(found),
        "by-instant.svg": by_instant(found),
    }


def calibration(found: Mapping[str, Any]) -> str:
    chart = Chart(
        "Who churned within 90 days, by tenths of the score",
        ("mean score of the tenth", 0, 100, 10),
        ("churned (95% interval)", 0, 1, 0.2),
    )
    for (title, report), colour in zip(found.items(), COLOURS, strict=False):
        chart.key(title, colour)
        tenths = report["calibration"]
        chart.line([(each["mean_score"], each["rate"]) for each in tenths], colour)
        for each in tenths:
            chart.whisker(each["mean_score"], each["low"], each["high"], colour)
            chart.dot(each["mean_score"], each["rate"], colour)
    base = next(iter(found.values()))["base_rate"]["value"]
    chart.line([(0, base), (100, base)], COLOURS[-1], dashed=True)
    chart.text(chart.at(100, base)[0], chart.at(0, base)[1] - 5, "of all", anchor="end")
    return chart.svg()


def precision_recall(found: Mapping[str, Any]) -> str:
    chart = Chart(
        "Warned of, and churned: at every threshold",
        ("recall: of those who churned, warned of", 0, 1, 0.1),
        ("precision: of those warned of, churned", 0.2, 0.9, 0.1),
    )
    for (title, report), colour in zip(found.items(), COLOURS, strict=False):
        chart.key(title, colour)
        chart.line(_curve(report["curve"]), colour)
        border = report["at_risk"]
        if border["precision"]["value"] is not None and border["warned"] >= 100:
            chart.dot(border["recall"]["value"], border["precision"]["value"], colour, size=6)
    chart.key("recency alone", COLOURS[-1])
    chart.line(_curve(next(iter(found.values()))["curve_of_recency"]), COLOURS[-1], dashed=True)
    return chart.svg()


def _curve(points: Sequence[Mapping[str, Any]]) -> list[Point]:
    """Of fewer than a hundred warnings a share is noise."""
    return [(each["recall"], each["precision"]) for each in points if each["warned"] >= 100]


def lead_times(found: Mapping[str, Any]) -> str:
    ended = max(report["lead"]["ended"] for report in found.values())
    chart = Chart(
        "Days at risk before a customer was lost",
        ("days before the end of its activity (the last: 90 and more)", 0, 100, 10),
        ("of those who were lost, %", 0, 20, 5),
    )
    width = 10 / (len(found) + 1)
    for place, ((title, report), colour) in enumerate(zip(found.items(), COLOURS, strict=False)):
        lead = report["lead"]
        chart.key(f"{title}: {1 - lead['without_warning']['value']:.0%}", colour)
        for each in lead["bins"]:
            chart.bar(each["days"] + width * (place + 0.5), width, 100 * each["customers"] / ended, colour)
    return chart.svg()


def by_instant(found: Mapping[str, Any]) -> str:
    number = len(next(iter(found.values()))["instants"])
    chart = Chart(
        "The same at each instant",
        ("instant, 30 days apart", 1, number, 1),
        ("area under the ROC curve", 0.5, 0.9, 0.1),
    )
    for (title, report), colour in zip(found.items(), COLOURS, strict=False):
        chart.key(title, colour)
        chart.line([(1 + place, each["roc_area"]) for place, each in enumerate(report["by_instant"])], colour)
    return chart.svg()
