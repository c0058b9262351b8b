"""An upgrade from the chart of the release before changes nothing that Kubernetes refuses to change, or that would
interrupt. `make cluster-check` does it on a real control plane."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from deploy.checks.chart import OUTSIDE, Manifest, helm, render, values_files
from deploy.cluster.former import former


def frozen(manifest: Manifest) -> dict[str, Any]:
    """What must not change while it is in use: what cannot, and the addresses by which others know it."""
    spec = manifest.get("spec") or {}
    match manifest["kind"]:
        case "Deployment" | "PodDisruptionBudget":
            return {"selector": spec["selector"]}
        case "Service":
            return {"selector": spec["selector"], "ports": [(each["name"], each["port"]) for each in spec["ports"]]}
        case "Secret":
            return {"type": manifest["type"]}
        case "KafkaTopic":
            return {"partitions": spec["partitions"]}
        case _:
            return {}


def by_name(manifests: list[Manifest]) -> dict[tuple[str, str], Manifest]:
    return {(each["kind"], each["metadata"]["name"]): each for each in manifests if each["kind"] != "Pod"}


@pytest.mark.parametrize("values", values_files(), ids=lambda path: path.stem)
def test_an_upgrade_keeps_what_cannot_be_changed(values: Path, tmp_path: Path) -> None:
    before = former(values.stem, tmp_path)
    if before is None:
        pytest.skip("there were no such values")
    done = helm("template", "kith", str(before.chart), "-n", "crm", "-f", str(before.outside), "-f", str(before.values))
    assert done.returncode == 0, done.stderr
    old = by_name([each for each in yaml.safe_load_all(done.stdout) if each])
    new = by_name(render(OUTSIDE, values))
    assert {kind for kind, _ in old} >= {"Deployment", "Service"}
    assert old.keys() - new.keys() == set(), "an object with another name is another object: the former is deleted"
    assert {key: frozen(each) for key, each in old.items()} == {key: frozen(new[key]) for key in old}
