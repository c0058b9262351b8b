"""Renders the chart, as helm would install it."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy/helm/kith"
TOOLS = ROOT / ".kith/tools"
HELM = TOOLS / "bin/helm"
KUBERNETES = "1.36.3"
"""helm asks no cluster here, so it is told which version to render for."""
OUTSIDE = ROOT / "deploy/checks/values/outside.yaml"

Manifest = dict[str, Any]


def values_files() -> list[Path]:
    """Each is checked with the least that must be said besides; that itself alone."""
    ours, further = CHART / "values", ROOT / "deploy/checks/values"
    return [*sorted(further.glob("*.yaml")), *sorted(ours.glob("*.yaml"))]


def template(*values: Path, settings: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    given = [part for file in values for part in ("-f", str(file))]
    for each in settings:
        # Environment is text, and helm takes 20 for a number.
        given += ["--set-string" if ".KITH_" in each else "--set", each]
    return helm("template", "kith", str(CHART), "--namespace", "crm", *given)


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    version = () if arguments[0] == "version" else ("--kube-version", KUBERNETES)
    return subprocess.run([HELM, *arguments, *version], check=False, capture_output=True, text=True, timeout=60)


def render(*values: Path, settings: Sequence[str] = ()) -> list[Manifest]:
    done = template(*values, settings=settings)
    assert done.returncode == 0, done.stderr
    return [manifest for manifest in yaml.load_all(done.stdout, Loader=yaml.CSafeLoader) if manifest]


def of_kind(manifests: Sequence[Manifest], *kinds: str) -> list[Manifest]:
    return [each for each in manifests if each["kind"] in kinds]


def pods(manifests: Sequence[Manifest]) -> dict[str, Manifest]:
    """By the name of what makes it: the specification of a pod."""
    made = {
        each["metadata"]["name"]: each["spec"]["template"]["spec"] for each in of_kind(manifests, "Deployment", "Job")
    }
    made |= {
        each["metadata"]["name"]: each["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        for each in of_kind(manifests, "CronJob")
    }
    return made | {each["metadata"]["name"]: each["spec"] for each in of_kind(manifests, "Pod")}


def containers(pod: Manifest) -> list[Manifest]:
    return [*pod.get("initContainers", []), *pod["containers"]]


def conforms(manifests: Sequence[Manifest]) -> None:
    """Raises an AssertionError unless each is as its schema says, and has one."""
    locations = (
        "kubernetes/{{.ResourceKind}}{{.KindSuffix}}.json",
        "{{.Group}}/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json",
    )
    named = [part for each in locations for part in ("-schema-location", f"{TOOLS}/schemas/{each}")]
    done = subprocess.run(
        # One after the other: several at once would each read the schema of a kind that none has read yet.
        [TOOLS / "bin/kubeconform", "-strict", "-summary", "-n", "1", *named],
        input=yaml.safe_dump_all(manifests),
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout
    assert f"Valid: {len(manifests)}, Invalid: 0, Errors: 0, Skipped: 0" in done.stdout
