"""The rule files for Prometheus, their unit tests for promtool, and the table of objectives in docs/slo.md."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from kith_local.observability.alert import Alert, Record
from kith_local.observability.pipeline_alerts import EVENTS, FIGURES
from kith_local.observability.process_alerts import GATEWAY, PROCESSES
from kith_local.observability.slo import OBJECTIVES, SLOS

GROUPS = (EVENTS, FIGURES, PROCESSES, GATEWAY, SLOS)
RULES = "kith.rules.yml"
_MADE = "# Made by kith_local.observability (`make contracts`).\n"


def alerts() -> Iterator[Alert]:
    for group in GROUPS:
        yield from (rule for rule in group.rules if isinstance(rule, Alert))


def runbook(alert: Alert) -> str:
    return f"docs/runbooks/{alert.name}.md"


def rule_file() -> str:
    return _yaml({"groups": [{"name": each.name, "rules": [_rule(rule) for rule in each.rules]} for each in GROUPS]})


def test_file(*, of_objectives: bool) -> str:
    """Each alert fires in one example, with its labels, and in the other it does not. Those of objectives look back
    for days, so they are evaluated once an hour."""
    tests = list[_Test]()
    for alert in (each for each in alerts() if ("window" in each.labels) is of_objectives):
        for series, fires in ((alert.fires, True), (alert.quiet, False)):
            name = f"{_named(alert)} {'fires' if fires else 'is quiet'}"
            words = set(re.findall(r"[\w:]+", alert.expr))
            example = _Test([name], dict(series), words, [_expected(alert, fires=fires)])
            # All rules are evaluated for each test, which takes its time: there are as few as can be told apart.
            if (test := next((each for each in tests if each.can_hold(example)), None)) is None:
                tests.append(example)
            else:
                test.add(example)
    interval = "1h" if of_objectives else "1m"
    return _yaml({"rule_files": [RULES], "evaluation_interval": interval, "tests": [each.document() for each in tests]})


@dataclass
class _Test:
    names: list[str]
    series: dict[str, str]
    words: set[str]
    """Of the alerts' expressions."""
    looks_at: list[Mapping[str, Any]]

    def can_hold(self, other: "_Test") -> bool:
        """Whether of each metric that alerts of both see, both have the same series."""
        shared = (self.seen() & other.metrics()) | (self.metrics() & other.seen())
        return all(self.of(each) == other.of(each) for each in shared)

    def of(self, metric: str) -> dict[str, str]:
        return {series: values for series, values in self.series.items() if _metric(series) == metric}

    def metrics(self) -> set[str]:
        return {_metric(each) for each in self.series}

    def seen(self) -> set[str]:
        return self.metrics() | self.words

    def add(self, other: "_Test") -> None:
        self.names += other.names
        self.words |= other.words
        self.series |= other.series
        self.looks_at += other.looks_at

    def document(self) -> Mapping[str, Any]:
        return {
            "name": "; ".join(self.names),
            "interval": "1m",
            "input_series": [{"series": each, "values": values} for each, values in self.series.items()],
            "promql_expr_test": self.looks_at,
        }


def objectives() -> str:
    """Rows of a table: docs/slo.md has them between two marks."""
    rows = [
        f"| {_percent(each.target)} | {each.what} | [{each.alert}](runbooks/{each.alert}.md) |" for each in OBJECTIVES
    ]
    return "\n".join(["| objective | | alert |", "|---|---|---|", *rows])


def _percent(part: float) -> str:
    return f"{part * 100:.4g} %"


def _named(alert: Alert) -> str:
    window = alert.labels.get("window")
    return f"{alert.name}, {alert.severity}" + (f" over {window}" if window else "")


def _rule(rule: Alert | Record) -> Mapping[str, Any]:
    if isinstance(rule, Record):
        return {"record": rule.record, "expr": rule.expr}
    window = rule.labels.get("window")
    return {
        "alert": rule.name,
        "expr": rule.expr,
        **({} if rule.lasts == "0m" else {"for": rule.lasts}),
        "labels": {"severity": str(rule.severity), **({"window": window} if window else {})},
        "annotations": {"summary": rule.name_in_words, "description": rule.description, "runbook": runbook(rule)},
    }


def _metric(series: str) -> str:
    return series.partition("{")[0]


def _expected(alert: Alert, *, fires: bool) -> Mapping[str, Any]:
    wanted = {"alertname": alert.name, "alertstate": "firing", "severity": str(alert.severity)}
    if window := alert.labels.get("window"):
        wanted["window"] = window
    found = wanted | dict(alert.labels)
    return {
        "expr": f"ALERTS{_selector(wanted)}",
        "eval_time": alert.at,
        "exp_samples": [{"labels": f"ALERTS{_selector(found)}", "value": 1}] if fires else [],
    }


def _selector(labels: Mapping[str, str]) -> str:
    return "{" + ", ".join(f'{name}="{value}"' for name, value in labels.items()) + "}"


def _yaml(document: Mapping[str, Any]) -> str:
    return _MADE + yaml.safe_dump(document, sort_keys=False, width=120, allow_unicode=True)
