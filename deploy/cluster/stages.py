"""What kwok says of nodes and pods: its own stages, and one of ours for the pods of `helm test`."""

from pathlib import Path
from typing import Any

import yaml

STAGES = (
    "node/fast/node-initialize.yaml",
    "node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
    "pod/fast/pod-ready.yaml",
    "pod/fast/pod-complete.yaml",
    "pod/fast/pod-delete.yaml",
)


def write_stages(tools: Path, home: Path) -> Path:
    [folder] = tools.glob("go/modules/sigs.k8s.io/kwok@*/kustomize/stage")
    stages: list[dict[str, Any]] = [yaml.safe_load((folder / each).read_text()) for each in STAGES]
    [complete] = [each for each in stages if each["metadata"]["name"] == "pod-complete"]
    stages.append(_of_a_test(complete))
    path = home / "kwok.yaml"
    path.write_text(yaml.safe_dump_all(stages))
    return path


def _of_a_test(complete: dict[str, Any]) -> dict[str, Any]:
    """kwok completes the pods of Jobs. Those of `helm test` have no owner."""
    stage: dict[str, Any] = yaml.safe_load(yaml.safe_dump(complete))
    stage["metadata"]["name"] = "test-complete"
    *others, _ = stage["spec"]["selector"]["matchExpressions"]
    is_test = {"key": '.metadata.annotations["helm.sh/hook"]', "operator": "In", "values": ["test"]}
    stage["spec"]["selector"]["matchExpressions"] = [*others, is_test]
    return stage
