"""What Prometheus would say of two scrapes of real processes: promtool evaluates the committed rules on them."""

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import httpx
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from kith_local.layout import ROOT
from kith_local.observability.alert import Alert, Record
from kith_local.observability.rule_files import GROUPS, alerts

PROMTOOL = ROOT / ".kith" / "tools" / "bin" / "promtool"
RULES = ROOT / "deploy" / "prometheus" / "kith.rules.yml"
Scrape = Mapping[str, float]
_CUMULATIVE = re.compile(r"\w+_(total|bucket|sum|count)\{")


def require_promtool() -> None:
    if not PROMTOOL.exists():
        assert os.environ.get("CI", "").lower() != "true", "make check-rules builds promtool"
        pytest.skip("no promtool: make check-rules builds it")


async def scrape(client: httpx.AsyncClient, job: str, port: int) -> Scrape:
    """The series of a process, and `up`, as Prometheus would have them."""
    target = {"job": job, "instance": f"127.0.0.1:{port}"}
    try:
        answer = await client.get(f"http://127.0.0.1:{port}/metrics")
    except httpx.TransportError:
        return {_series("up", target): 0}
    samples = (sample for family in text_string_to_metric_families(answer.text) for sample in family.samples)
    return {_series("up", target): 1, **{_series(each.name, {**each.labels, **target}): each.value for each in samples}}


def firing(name: str, before: Scrape, after: Scrape, folder: Path) -> bool:
    """Whether the alert fires if what happened between the scrapes, a minute, goes on. Before, it must not have."""
    severity, at = next((each.severity, each.at) for each in alerts() if each.name == name)
    named = re.compile(rf"({'|'.join(sorted(_metrics_of(name)))})\{{")
    minutes = 4320 if at == "3d" else 60
    still = {**dict.fromkeys(after, 0.0), **before}
    quiet = {each: f"{value}x{minutes}" for each, value in still.items() if named.match(each)}
    going_on = {each: _values(each, before.get(each), after[each], minutes) for each in after if named.match(each)}
    alert = f'ALERTS{{alertname="{name}",alertstate="firing",severity="{severity}"}}'
    document = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "1h" if at == "3d" else "1m",
        "tests": [_test(alert, at, quiet, fires=False), _test(alert, at, going_on, fires=True)],
    }
    file = folder / f"{name}.yml"
    file.write_bytes(msgspec.json.encode(document))  # which is YAML, too
    done = subprocess.run([PROMTOOL, "test", "rules", file], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stdout + done.stderr
    return True


def _test(alert: str, at: str, series: Mapping[str, str], *, fires: bool) -> Mapping[str, object]:
    return {
        "interval": "1m",
        "input_series": [{"series": each, "values": values} for each, values in series.items()],
        "promql_expr_test": [
            {
                "expr": f"vector(1) and on() count({alert}) or vector(0)",
                "eval_time": at,
                "exp_samples": [{"labels": "{}", "value": int(fires)}],
            }
        ],
    }


def _values(series: str, before: float | None, after: float, minutes: int) -> str:
    if _CUMULATIVE.match(series):
        return f"{before or 0}+{max(0.0, after - (before or 0))}x{minutes}"
    return f"{after}x{minutes}"


def _metrics_of(name: str) -> set[str]:
    """The metrics that the alert reads, by what is recorded of them too."""
    rules = [rule for group in GROUPS for rule in group.rules]
    expressions = [each.expr for each in rules if isinstance(each, Alert) and each.name == name]
    recorded = [each for each in rules if isinstance(each, Record)]
    for expr in list(expressions):
        of = {each.partition(":error_ratio")[0] for each in re.findall(r"kith:[\w:]+", expr)}
        expressions += [each.expr for each in recorded if each.record.partition(":error_ratio")[0] in of]
    expressions += [each.expr for each in recorded if any(each.record in expr for expr in expressions)]
    return {found for expr in expressions for found in re.findall(r"\bkith_\w+|\bup\b", expr)}


def _series(name: str, labels: Mapping[str, str]) -> str:
    return f"{name}{{{','.join(f'{label}={msgspec.json.encode(value).decode()}' for label, value in labels.items())}}}"
