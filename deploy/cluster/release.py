"""One release of the chart in a namespace of its own, and what is required of it at each step of its life."""

import contextlib
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from deploy.checks.chart import CHART, HELM, OUTSIDE, Manifest
from deploy.cluster.control_plane import Cluster
from deploy.cluster.former import Former

NAME = "kith"
WAIT = "120s"
SECRETS, CLAIM = ("desk-database",), "erasures"
"""What the values call by name, as a platform engineer has made it."""


class Release(NamedTuple):
    cluster: Cluster
    namespace: str
    values: Path

    def helm(self, *arguments: str) -> str:
        done = subprocess.run(
            [HELM, *arguments, "--namespace", self.namespace, "--kubeconfig", self.cluster.kubeconfig],
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, f"helm {' '.join(arguments)}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def deploy(self, *further: str, before: Former | None = None) -> None:
        """Installs it, or upgrades it, by the chart of today or of before, and waits until all is ready."""
        chart, *values = before or (CHART, OUTSIDE, self.values)
        files = [part for each in values for part in ("-f", str(each))]
        self.helm("upgrade", "--install", NAME, str(chart), *files, "--wait", "--timeout", WAIT, *further)

    def manifest(self) -> list[Manifest]:
        """Of what is deployed, hooks not included."""
        return [each for each in yaml.safe_load_all(self.helm("get", "manifest", NAME)) if each]

    def has(self, kind: str) -> bool:
        return any(each["kind"] == kind for each in self.manifest())

    def hooks(self) -> dict[str, str]:
        """How the last run of each hook ended, by kind and name."""
        status = json.loads(self.helm("status", NAME, "--output", "json"))
        return {f"{each['kind']} {each['name']}": each["last_run"]["phase"] for each in status["hooks"]}

    def items(self, path: str) -> list[Any]:
        """`path` is the API group and its resource: apps/v1/deployments."""
        group, resource = path.rsplit("/", 1)
        root = "/api/v1" if group == "v1" else f"/apis/{group}"
        answer = self.cluster.api.get(f"{root}/namespaces/{self.namespace}/{resource}")
        found: list[Any] = answer.raise_for_status().json()["items"]
        return found

    def ours(self, path: str) -> list[Any]:
        labelled = [(each, each["metadata"].get("labels", {})) for each in self.items(path)]
        return [each for each, labels in labelled if labels.get("app.kubernetes.io/instance") == NAME]


@contextlib.contextmanager
def namespace_of(cluster: Cluster, name: str) -> Iterator[None]:
    """A namespace that refuses every pod that is not `restricted`."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/warn": "restricted"}
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    cluster.api.post("/api/v1/namespaces", json=body).raise_for_status()
    until(lambda: cluster.api.get(f"/api/v1/namespaces/{name}/serviceaccounts/default").is_success, "a service account")
    for secret in SECRETS:
        made = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": secret},
            "stringData": {"uri": "postgresql://"},
        }
        cluster.api.post(f"/api/v1/namespaces/{name}/secrets", json=made).raise_for_status()
    _claim_volume(cluster, name)
    yield
    cluster.api.delete(f"/api/v1/namespaces/{name}").raise_for_status()


def _claim_volume(cluster: Cluster, namespace: str) -> None:
    """A volume that is bound: pods that name its claim are scheduled only then."""
    shared = {"accessModes": ["ReadWriteMany"], "storageClassName": ""}
    of = {"namespace": namespace, "name": CLAIM}
    volume = {"capacity": {"storage": "1Gi"}, "hostPath": {"path": "/nowhere"}, "claimRef": of, **shared}
    claim = {"resources": {"requests": {"storage": "1Gi"}}, "volumeName": namespace, **shared}
    for path, kind, name, spec in (
        ("/api/v1/persistentvolumes", "PersistentVolume", namespace, volume),
        (f"/api/v1/namespaces/{namespace}/persistentvolumeclaims", "PersistentVolumeClaim", CLAIM, claim),
    ):
        made = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
        cluster.api.post(path, json=made).raise_for_status()


def until(holds: Callable[[], object], what: str, *, seconds: float = 30) -> None:
    """Controllers act some time after what they act on."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(0.1)
