"""The list of metrics is made from the source; here it is held to what Python and Node really register."""

import importlib

import pytest
from prometheus_client import REGISTRY

from kith_local.layout import GATEWAY
from kith_local.observability.exposed import Undeclared, _of_gateway, exposed, metrics_of
from kith_local.topology import SERVICES


def test_the_list_names_what_the_services_register() -> None:
    importlib.import_module("kith.runtime.process")
    for package in SERVICES:
        importlib.import_module(f"{package}.service")
        importlib.import_module(f"{package}.app")
    registered = {
        f"{each.name}_total" if each.type == "counter" else each.name: each.type
        for each in REGISTRY.collect()
        if each.name.startswith("kith_")
    }
    listed = {each.name: each.kind for each in exposed() if each.by != "gateway"}
    # What no service has loaded yet is loaded when it is needed: see analytics.reconciliation.wiring.
    assert registered.items() <= listed.items()
    assert {name for name in listed if name not in registered} <= {
        "kith_reconciliation_age_seconds",
        "kith_reconciliation_mismatch",
    }


def test_the_labels_and_the_meaning_are_those_of_the_source() -> None:
    source = (
        "import prometheus_client\nfrom prometheus_client import Counter as Metric\n"
        "A = Metric('kith_a_total', 'Of ' 'a', ['x', 'y'])\nB = prometheus_client.Gauge('kith_b', 'Of b')\n"
        "C = Counter('not one of ours')\n"
    )
    a, b = metrics_of("kith.outbox.a", source)
    assert (a.name, a.kind, a.labels, a.meaning, a.by) == ("kith_a_total", "counter", ("x", "y"), "Of a", "workers")
    assert (b.name, b.kind, b.labels, b.unit) == ("kith_b", "gauge", (), "number")


@pytest.mark.parametrize(
    ("module", "name", "what"),
    [("kith.outbox.a", "NAME", "written out"), ("kith.elsewhere", "'kith_a'", "does not say which processes")],
)
def test_a_metric_that_cannot_be_described_is_refused(module: str, name: str, what: str) -> None:
    with pytest.raises(Undeclared, match=what):
        list(metrics_of(module, f"from prometheus_client import Gauge\nA = Gauge({name}, 'Of a')\n"))


def test_the_gateway_lists_all_that_it_declares() -> None:
    declared = (GATEWAY / "metrics.mjs").read_text().count("name: 'kith_")
    assert declared == len(list(_of_gateway())) > 5


def test_names_follow_the_conventions_of_prometheus() -> None:
    for each in exposed():
        assert each.name.startswith("kith_")
        assert each.name.endswith("_total") == (each.kind == "counter"), each.name
        assert each.meaning, each.name
        assert not each.meaning.endswith("."), each.name


def test_a_histogram_is_three_series() -> None:
    (latency,) = [each for each in exposed() if each.name == "kith_http_request_seconds"]
    series = latency.series()
    assert set(series) == {f"kith_http_request_seconds_{part}" for part in ("bucket", "sum", "count")}
    assert series["kith_http_request_seconds_bucket"] == {"service", "method", "route", "status", "le"}
