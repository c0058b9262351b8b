"""The Prometheus metrics that Kith's processes expose, read from the source that declares them."""

import ast
import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from kith_local.layout import GATEWAY, ROOT
from kith_local.node import node

PREFIX = "kith_"
KINDS = {"Counter": "counter", "Gauge": "gauge", "Histogram": "histogram"}
SOURCES = ("shared/src", "services/contacts/src", "services/sales/src", "services/service-desk/src",
           "services/analytics/src")  # fmt: skip

EXPOSED_BY = {
    "kith.attachments": "contacts: API, worker",
    "kith.audit": "APIs",
    "kith.db": "APIs, workers",
    "kith.graphql": "APIs",
    "kith.http": "APIs",
    "kith.runtime.telemetry": "APIs",
    "kith.consumer": "workers",
    "kith.exports": "contacts: worker, sales: worker, service-desk: worker",
    "kith.imports": "contacts: worker",
    "kith.jobs": "workers",
    "kith.outbox": "workers",
    "kith.nouns": "sales: worker, service-desk: worker",
    "kith.processes": "sales: worker",
    "kith.runtime.offload": "analytics: API, worker",
    "kith.runtime.tasks": "workers",
    "kith.reactions": "sales: worker",
    "kith.timers": "sales: worker",
    "contacts": "contacts: API, worker",
    "analytics": "analytics: worker",
    "sales": "sales: worker",
    "sales.lead_forms": "sales: API",
    "service_desk": "service-desk: worker",
}
"""The processes whose series have values, by the package that declares the metric: the longest name counts."""
GATEWAY_PROCESS = "gateway"


class Undeclared(Exception):
    """A metric that the list cannot describe: its name, labels or meaning are computed, or nobody exposes it."""


@dataclass(frozen=True)
class Exposed:
    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str
    by: str

    @property
    def unit(self) -> str:
        return "seconds" if self.name.removesuffix("_total").endswith("_seconds") else "number"

    def series(self) -> Mapping[str, frozenset[str]]:
        """The time series that Prometheus makes of it, each with its labels."""
        labels = frozenset(self.labels)
        if self.kind != "histogram":
            return {self.name: labels}
        return {f"{self.name}_bucket": labels | {"le"}, f"{self.name}_sum": labels, f"{self.name}_count": labels}


@cache
def exposed() -> tuple[Exposed, ...]:
    """Returns all metrics, by name. Raises Undeclared."""
    found = [*_of_services(), *_of_gateway()]
    return tuple(sorted(found, key=lambda each: each.name))


def _of_services() -> Iterator[Exposed]:
    for source in SOURCES:
        for path in sorted((ROOT / source).rglob("*.py")):
            module = ".".join(path.relative_to(ROOT / source).with_suffix("").parts)
            yield from metrics_of(module, path.read_text())


def metrics_of(module: str, source: str) -> Iterator[Exposed]:
    """The metrics that a Python module declares. Raises Undeclared."""
    if "prometheus_client" not in source:
        return
    tree = ast.parse(source)
    kinds = dict(_imported(tree))
    for call in (each for each in ast.walk(tree) if isinstance(each, ast.Call)):
        kind = kinds.get(ast.unparse(call.func))
        if kind is None:
            continue
        try:
            name, meaning, *labels = [ast.literal_eval(argument) for argument in call.args]
        except ValueError:
            raise Undeclared(f"{module}, line {call.lineno}: what describes a metric is written out") from None
        yield Exposed(name, kind, tuple(labels[0]) if labels else (), meaning, _exposed_by(module))


def _imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """What the module calls the kinds of metrics."""
    for each in ast.walk(tree):
        if isinstance(each, ast.ImportFrom) and each.module == "prometheus_client":
            yield from ((name.asname or name.name, KINDS[name.name]) for name in each.names if name.name in KINDS)
        elif isinstance(each, ast.Import) and any(name.name == "prometheus_client" for name in each.names):
            yield from ((f"prometheus_client.{name}", kind) for name, kind in KINDS.items())


def _exposed_by(module: str) -> str:
    found = [package for package in EXPOSED_BY if f"{module}.".startswith(f"{package}.")]
    if not found:
        raise Undeclared(f"{module}: EXPOSED_BY does not say which processes expose its metrics")
    return EXPOSED_BY[max(found, key=len)]


def _of_gateway(metrics: Path = GATEWAY / "metrics.mjs") -> Iterator[Exposed]:
    # A metric of prom-client has no public way to its labels but what it was made with.
    listed = (
        f"const of = await import({json.dumps(metrics.as_uri())});"
        "const found = Object.values(of).filter((each) => each?.labelNames !== undefined);"
        "console.log(JSON.stringify(found.map((each) =>"
        " [each.name, each.constructor.name, each.labelNames.filter((label) => label !== 'le'), each.help])));"
    )
    command = [node(), "--input-type=module", "--eval", listed]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 - our own program
    for name, kind, labels, meaning in json.loads(said):
        yield Exposed(name, KINDS[kind], tuple(labels), meaning, GATEWAY_PROCESS)
