"""The values of each size carry the load that its file names, by the measured unit costs."""

import re
from pathlib import Path
from typing import NamedTuple

import pytest
from deploy.checks.chart import CHART, OUTSIDE, Manifest, containers, of_kind, render

from kith_local.capacity.demand import Demand
from kith_local.capacity.load import PEAK, Load
from kith_local.capacity.sizes import load_of, table
from kith_local.capacity.unit_costs import read
from kith_local.capacity.walls import EXPORTS, NOTIFIED, POOL
from kith_local.layout import ROOT

SIZES = ("small", "medium", "large")
COSTS = read()
SPARE = 1.25
"""Memory that a limit leaves above the most that was measured."""
CONNECTIONS = 200


class Workload(NamedTuple):
    least: int
    most: int
    cores: float
    """Of one."""
    requested: float
    """Megabytes."""
    limit: float


class Size(NamedTuple):
    load: Load
    demand: Demand
    workloads: dict[str, Workload]
    partitions: int


@pytest.fixture(scope="session", params=SIZES)
def size(request: pytest.FixtureRequest) -> Size:
    path = CHART / "values" / f"{request.param}.yaml"
    manifests, load = render(OUTSIDE, path), load_of(path)
    (kafka,) = (each["data"] for each in of_kind(manifests, "ConfigMap") if "KITH_TOPIC_PARTITIONS" in each["data"])
    return Size(load, Demand(load, COSTS), workloads(manifests), int(kafka["KITH_TOPIC_PARTITIONS"]))


def workloads(manifests: list[Manifest]) -> dict[str, Workload]:
    """By the name of the process."""
    scaled = {
        each["spec"]["scaleTargetRef"]["name"]: (each["spec"]["minReplicas"], each["spec"]["maxReplicas"])
        for each in of_kind(manifests, "HorizontalPodAutoscaler")
    }
    found = {}
    for each in of_kind(manifests, "Deployment"):
        name, spec = each["metadata"]["name"], each["spec"]
        least, most = scaled.get(name) or (spec["replicas"], spec["replicas"])
        (container,) = containers(spec["template"]["spec"])
        given = container["resources"]
        memory = megabytes(given["requests"]["memory"]), megabytes(given["limits"]["memory"])
        found[name.removeprefix("kith-")] = Workload(least, most, cores(given["requests"]["cpu"]), *memory)
    return found


def cores(text: str | int) -> float:
    return int(text.removesuffix("m")) / 1000 if str(text).endswith("m") else float(text)  # type: ignore[union-attr]


def megabytes(text: str) -> float:
    number, unit = re.fullmatch(r"(\d+)(Mi|Gi)", text).groups()  # type: ignore[union-attr]
    return int(number) * (1024 if unit == "Gi" else 1)


def test_at_the_peak_what_is_requested_is_what_it_takes(size: Size) -> None:
    taken = size.demand.cores()
    lacking = {
        name: f"{each.most} of {each.cores} cores; it takes {taken[name]:.2f}"
        for name, each in size.workloads.items()
        if each.most * each.cores < taken[name]
    }
    assert lacking == {}


def test_nothing_is_several_times_as_large_as_it_need_be(size: Size) -> None:
    """A quarter of a core of each at least, and two of what must not be away; a burst is not six times the peak."""
    taken = size.demand.cores()
    spare = {
        name: f"{each.most} of {each.cores} cores; it takes {taken[name]:.2f}"
        for name, each in size.workloads.items()
        if each.most * each.cores > max(6 * taken[name], 2 * 0.25)
    }
    assert spare == {}


def test_an_average_hour_needs_no_more_than_the_least(size: Size) -> None:
    load = size.load
    average = Load(load.tenants, load.customers, load.events_a_day // PEAK, load.reads_a_second // PEAK)
    taken = Demand(average, COSTS).cores()
    assert {name for name, each in size.workloads.items() if each.least * each.cores < taken[name]} == set()


def test_memory_is_what_was_measured(size: Size) -> None:
    for name, each in size.workloads.items():
        memory = COSTS.memory(name)
        assert each.requested >= memory.rest, name
        assert each.limit >= SPARE * memory.load, name


def test_there_are_as_many_partitions_as_workers_and_connections_for_all(size: Size) -> None:
    assert size.workloads["analytics-worker"].most <= size.partitions
    for service in ("contacts", "sales", "service-desk", "analytics"):
        api, worker = (size.workloads[f"{service}-{kind}"].most for kind in ("api", "worker"))
        assert api * (POOL + EXPORTS) + worker * (POOL + NOTIFIED) < 0.9 * CONNECTIONS, service


def test_the_page_has_the_table_of_the_sizes() -> None:
    page = (ROOT / "deploy/README.md").read_text()
    paths = [CHART / "values" / f"{name}.yaml" for name in SIZES]
    assert table(paths, COSTS) in page


def test_a_file_without_a_load_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "huge.yaml"
    file.write_text("# Huge.\nworkloads: {}\n")
    with pytest.raises(ValueError, match=r"huge\.yaml"):
        load_of(file)
