"""The rule files for Prometheus, their unit tests for promtool, and the table of objectives in docs/slo.md."""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from kith_local.observability.alert import Alert, Record, Series
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
    tests = []
    for alert in (each for each in alerts() if ("window" in each.labels) is of_objectives):
        tests.append(_test(f"{_named(alert)} fires", alert, alert.fires, fires=True))
        tests.append(_test(f"{_named(alert)} is quiet", alert, alert.quiet, fires=False))
    return _yaml({"rule_files": [RULES], "evaluation_interval": "1h" if of_objectives else "1m", "tests": tests})


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


def _test(name: str, alert: Alert, series: Series, *, fires: bool) -> Mapping[str, Any]:
    wanted = {"alertname": alert.name, "alertstate": "firing", "severity": str(alert.severity)}
    if window := alert.labels.get("window"):
        wanted["window"] = window
    found = wanted | dict(alert.labels)
    return {
        "name": name,
        "interval": "1m",
        "input_series": [{"series": each, "values": values} for each, values in series.items()],
        "promql_expr_test": [
            {
                "expr": f"ALERTS{_selector(wanted)}",
                "eval_time": alert.at,
                "exp_samples": [{"labels": f"ALERTS{_selector(found)}", "value": 1}] if fires else [],
            }
        ],
    }


def _selector(labels: Mapping[str, str]) -> str:
    return "{" + ", ".join(f'{name}="{value}"' for name, value in labels.items()) + "}"


def _yaml(document: Mapping[str, Any]) -> str:
    return _MADE + yaml.safe_dump(document, sort_keys=False, width=120, allow_unicode=True)
