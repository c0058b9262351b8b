"""python -m deploy.cluster [VALUES …]: the life of a release, for each values file, on a real control plane.

See control_plane.py for what is real. What each line says was required; the first that does not hold ends it.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from deploy.checks.chart import TOOLS, values_files
from deploy.cluster.control_plane import Cluster, control_plane, definitions
from deploy.cluster.release import Release, namespace_of, until
from deploy.cluster.steps import STEPS

NODES = 3


def check(cluster: Cluster, values: Sequence[Path]) -> None:
    for file in values:
        print(f"{file.stem}:", flush=True)
        namespace = f"kith-{file.stem}"
        with namespace_of(cluster, namespace):
            release = Release(cluster, namespace, file)
            for step in STEPS:
                began = time.monotonic()
                found = step(release)
                name = step.__name__.replace("_", " ")
                print(f"  {time.monotonic() - began:5.1f} s  {name}: {found}", flush=True)


def add_definitions(cluster: Cluster) -> None:
    """So that objects for operators are accepted, and held to what these say of them."""
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    added = definitions(TOOLS)
    for each in added:
        # Only Kubernetes' own developers may define kinds below k8s.io, and say so by this.
        each["metadata"].setdefault("annotations", {}).setdefault("api-approved.kubernetes.io", "https://example")
        cluster.api.post(path, json=each).raise_for_status()
    for each in added:
        spec = each["spec"]
        served = [version["name"] for version in spec["versions"] if version["served"]]
        for version in served:
            kind = f"/apis/{spec['group']}/{version}/{spec['names']['plural']}"
            # Until it is stored, it is answered with 404, and then for a moment with 429.
            until(lambda kind=kind: cluster.api.get(kind).is_success, kind)  # type: ignore[misc]
    print(f"{len(added)} kinds of operators defined", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.cluster", description=__doc__)
    parser.add_argument("values", nargs="*", type=Path, help="values files; all of the chart's if none is named")
    values = parser.parse_args().values or values_files()
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="kith-cluster-") as home,
        control_plane(TOOLS, Path(home), nodes=NODES) as cluster,
    ):
        print(f"a control plane of Kubernetes runs after {time.monotonic() - began:.1f} s", flush=True)
        add_definitions(cluster)
        try:
            check(cluster, values)
        except AssertionError as wrong:
            sys.exit(f"This does not hold: {wrong}")
    print(f"All of it holds, for {len(values)} values files, after {time.monotonic() - began:.0f} s.")


if __name__ == "__main__":
    main()
