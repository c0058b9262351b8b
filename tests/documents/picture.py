"""The picture in README.md: a demo customer's health over a year, drawn from what Kith answers.

`python -m tests.documents.picture` draws it again from the Kith that is running. The days of the demo count
backwards from the day it was loaded, and so does the axis: the picture is the same on every day.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from html import escape
from itertools import pairwise
from typing import Any

import httpx

from kith_local.demo.load import TENANT
from kith_local.demo.marker import Marker
from kith_local.layout import ROOT, Layout
from kith_local.ports import ports_of
from kith_local.tokens import fetch_token

FILE = ROOT / "docs" / "pictures" / "health.svg"
CUSTOMER = "nordlys-office"
DAYS = 334
"""The demo's health model was published a day before."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Story:
    """What Kith says of the customer, `at` the day from which the demo counts."""

    at: datetime
    name: str
    history: Json
    health: Json
    path: Json
    events: list[Json]


def story(environment: Mapping[str, str] = os.environ) -> Story:
    layout, ports = Layout.of(environment), ports_of(environment)
    at = datetime.combine(Marker.of(layout).today, time(9, tzinfo=UTC))
    headers = {"Authorization": f"Bearer {fetch_token(layout, tenant=TENANT)}"}
    with httpx.Client(headers=headers, trust_env=False, timeout=30) as http:

        def get(service: str, path: str, **query: object) -> Json:
            answer = http.get(f"http://127.0.0.1:{ports[service].number}/v1/{path}", params=dict(query))  # type: ignore[arg-type]
            answer.raise_for_status()
            return dict(answer.json())

        customers = get("contacts", "customers", first=500)["items"]
        customer = next(each for each in customers if each["external_id"] == CUSTOMER)
        interval = {"from": (at - timedelta(days=DAYS)).isoformat(), "to": at.isoformat()}
        of = f"customers/{customer['id']}"
        return Story(
            at=at,
            name=customer["name"],
            history=get("analytics", f"{of}/health/history", **interval),
            health=get("analytics", f"{of}/health", at=at.isoformat()),
            path=get("analytics", f"{of}/health/path", at=at.isoformat()),
            events=get("analytics", f"{of}/timeline", **interval, first=500)["items"],
        )


LEFT, RIGHT, TOP, BOTTOM = 60, 590, 64, 264
BANDS = (
    ("at risk", 0, "#fbe3d6", "#a63c06"),
    ("steady", 40, "#fdf4cf", "#7a6000"),
    ("healthy", 70, "#dff0e4", "#1d6b3a"),
)
LANES = ("orders", "open cases", "cups counted", "judged by owner")
STYLE = (
    "text{font:12px 'DejaVu Sans',Verdana,sans-serif;fill:#333}.h{font-size:16px;font-weight:bold}"
    ".b{font-weight:bold}.s{font-size:11px;fill:#666}.r{text-anchor:end}.m{text-anchor:middle}"
)


def drawn(story: Story) -> str:
    parts = [*_bands(), *_axis(), *_course(story), *_lanes(story), *_reasons(story), *_help(story)]
    title = f"Health of {story.name}: {story.health['score']:.1f} of 100, at risk"
    return "\n".join(
        [
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 880 500" role="img">',
            f"<style>{STYLE}</style>",
            '<rect width="880" height="500" rx="8" fill="#fff" stroke="#ddd"/>',
            _text(24, 36, title, "h"),
            *parts,
            "</svg>\n",
        ]
    )


def _bands() -> Iterator[str]:
    for (name, low, fill, ink), high in zip(BANDS, (40, 70, 100), strict=True):
        yield f'<rect x="{LEFT}" y="{_y(high)}" width="{RIGHT - LEFT}" height="{_y(low) - _y(high)}" fill="{fill}"/>'
        yield f'<text x="{LEFT + 8}" y="{_y(low) - 7}" style="fill:{ink}">{name}</text>'
        yield _text(LEFT - 8, _y(low) + 4, f"{low}", "s r")
    yield _text(LEFT - 8, _y(100) + 4, "100", "s r")


def _axis() -> Iterator[str]:
    for months in (9, 6, 3, 0):
        x = _x(months * 30.4)
        yield f'<path d="M{x} {TOP}V404" stroke="#0002"/>'
        yield _text(x, 420, f"{months} months ago" if months else "today", "s m")


def _course(story: Story) -> Iterator[str]:
    points = [(_x(_ago(story, each["at"])), _y(each["score"])) for each in story.history["points"]]
    (x, y), *rest = points
    # Scores jump at an event: the second point of such a pair is at the same position on the axis.
    line = "".join(f"V{b[1]}" if a[0] == b[0] else f"L{b[0]} {b[1]}" for a, b in pairwise([(x, y), *rest]) if a != b)
    yield f'<path d="M{x} {y}{line}" fill="none" stroke="#0b4f8a" stroke-width="2" stroke-linejoin="round"/>'
    for change in story.history["changes"]:
        if change["silent"]:
            ago = _ago(story, change["at"])
            yield _silence(_x(ago), _y(_score(story, ago)))
    yield _silence(LEFT + 150, TOP - 11)
    yield _text(LEFT + 160, TOP - 7, "came into a lower band by silence alone, without any event", "s")


def _score(story: Story, days_ago: float) -> float:
    points = [(_ago(story, each["at"]), each["score"]) for each in story.history["points"]]
    (a, before), (b, after) = next(pair for pair in pairwise(points) if pair[0][0] >= days_ago >= pair[1][0])
    return float(before + (after - before) * (a - days_ago) / (a - b))


def _silence(x: float, y: float) -> str:
    return f'<circle cx="{x}" cy="{y}" r="5" fill="#fff" stroke="#a63c06" stroke-width="2"/>'


def _lanes(story: Story) -> Iterator[str]:
    for number, name in enumerate(LANES):
        yield _text(RIGHT + 8, _lane(number) + 4, name, "s")
        yield f'<path d="M{LEFT} {_lane(number)}H{RIGHT}" stroke="#eee"/>'
    opened: dict[str, float] = {}
    for event in reversed(story.events):
        x = _x(_ago(story, event["time"]))
        match event["type"]:
            case "sales.order.placed.v1":
                radius = (float(event["data"]["value"]) / 60) ** 0.5 + 2
                yield f'<circle cx="{x}" cy="{_lane(0)}" r="{radius:.1f}" fill="#0b4f8a"/>'
            case "service-desk.case.opened.v1":
                opened[event["subject"]] = x
            case "service-desk.case.resolved.v1":
                yield _open(opened.pop(event["subject"]), x)
            case "analytics.reading.recorded.v1":
                height = event["data"]["value"] / 40
                yield f'<path d="M{x} {_lane(2) + 6}v-{height:.1f}" stroke="#7a6000" stroke-width="2"/>'
            case "analytics.pulse.set.v1":
                yield f'<circle cx="{x}" cy="{_lane(3)}" r="4" fill="#1d6b3a"/>'
                yield _text(x, _lane(3) - 7, f"{event['data']['score']}", "s m")
    yield from (_open(start, RIGHT) for start in opened.values())


def _open(start: float, end: float) -> str:
    width = max(end - start, 2)
    return f'<rect x="{start}" y="{_lane(1) - 4}" width="{width:.1f}" height="8" fill="#a63c06" opacity=".7"/>'


def _reasons(story: Story) -> Iterator[str]:
    yield _text(640, TOP + 8, f"Why: it adds up to {story.health['score']:.1f}", "b")
    for number, each in enumerate(story.health["contributions"]):
        y = TOP + 30 + 30 * number
        yield _text(640, y, each["title"], "s")
        full = each["weight"] * 100
        for points, fill in ((full, "#e4e4e4"), (each["contribution"], "#0b4f8a")):
            yield f'<rect x="640" y="{y + 5}" width="{points * 4:.1f}" height="8" fill="{fill}"/>'
        yield _text(860, y + 13, f"{each['contribution']:.1f} of {full:.0f}", "s r")


def _help(story: Story) -> Iterator[str]:
    yield _text(24, 446, "What would help:", "b")
    steps = {step["measure"]: step["words"] for step in story.path["up"]["steps"]}
    for number, measure in enumerate(("recency", "open_cases")):
        yield _text(150, 446 + 20 * number, steps[measure])


def _text(x: float, y: float, words: str, style: str = "") -> str:
    named = f' class="{style}"' if style else ""
    return f'<text x="{x}" y="{y}"{named}>{escape(words, quote=False)}</text>'


def _ago(story: Story, at: str) -> float:
    return (story.at - datetime.fromisoformat(at)) / timedelta(days=1)


def _x(days_ago: float) -> float:
    return round(RIGHT - (RIGHT - LEFT) * days_ago / DAYS, 1)


def _y(score: float) -> float:
    return round(BOTTOM - (BOTTOM - TOP) * score / 100, 1)


def _lane(number: int) -> int:
    return 290 + 32 * number


if __name__ == "__main__":
    FILE.write_text(drawn(story()))
