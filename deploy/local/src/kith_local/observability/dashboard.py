"""A dashboard of Grafana: rows of panels, each with queries in PromQL; and its JSON."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Literal

WIDTH = 24
HEIGHT = 8
SCHEMA = 39
"""Of the JSON; a newer Grafana brings it up to date when it reads it."""
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}

Unit = Literal["s", "reqps", "ops", "percentunit", "short", "bytes"]


@dataclass(frozen=True)
class Query:
    expr: str
    legend: str = ""
    """`{{label}}` stands for the value of a label."""
    exemplars: bool = False
    """Points that lead to the trace of one request."""


@dataclass(frozen=True)
class Panel:
    title: str
    queries: tuple[Query, ...]
    unit: Unit
    description: str = ""
    alarm: float | None = None
    """From here on it is red: the threshold of the alert."""
    kind: Literal["timeseries", "stat"] = "timeseries"
    stacked: bool = False


@dataclass(frozen=True)
class Row:
    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Dashboard:
    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]

    def queries(self) -> Iterator[str]:
        for row in self.rows:
            for panel in row.panels:
                yield from (query.expr for query in panel.queries)

    def text(self) -> str:
        """The JSON that Grafana imports, or is provisioned with."""
        document = {
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": ["kith"],
            "editable": False,
            "schemaVersion": SCHEMA,
            "refresh": "30s",
            "time": {"from": "now-3h", "to": "now"},
            "timezone": "browser",
            "templating": {"list": [_DATASOURCE]},
            "panels": list(_laid_out(self.rows)),
        }
        return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


_DATASOURCE = {
    "name": "datasource",
    "label": "Prometheus",
    "type": "datasource",
    "query": "prometheus",
    "hide": 0,
    "refresh": 1,
}


def _laid_out(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """The panels of a row share its width."""
    ids, top = count(1), 0
    for row in rows:
        yield {
            "id": next(ids),
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "panels": [],
            "gridPos": {"x": 0, "y": top, "w": WIDTH, "h": 1},
        }
        width = WIDTH // len(row.panels)
        for number, panel in enumerate(row.panels):
            place = {"x": number * width, "y": top + 1, "w": width, "h": HEIGHT}
            yield {"id": next(ids), **_panel(panel), "gridPos": place}
        top += 1 + HEIGHT


def _panel(panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.alarm is not None:
        steps.append({"color": "red", "value": panel.alarm})
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0, "thresholds": {"mode": "absolute", "steps": steps}}
    if panel.kind == "timeseries":
        defaults["custom"] = {
            "fillOpacity": 10,
            "showPoints": "never",
            "stacking": {"mode": "normal" if panel.stacked else "none"},
            "thresholdsStyle": {"mode": "line" if panel.alarm is not None else "off"},
        }
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}}
        if panel.kind == "timeseries"
        else {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value"},
        "targets": [
            {
                "refId": chr(ord("A") + number),
                "expr": query.expr,
                "legendFormat": query.legend,
                "exemplar": query.exemplars,
                "datasource": _SOURCE,
            }
            for number, query in enumerate(panel.queries)
        ],
    }
