"""The life of a release, step by step. Each raises an AssertionError that says what is not as it should be."""

import contextlib
import itertools
import math
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from deploy.checks.chart import Manifest
from deploy.cluster.former import former
from deploy.cluster.release import CLAIM, NAME, SECRETS, Release, until

Step = Callable[[Release], str]
"""Answers with what it found, for the line of progress."""

OPERATORS = {
    "external-secrets.io",
    "gateway.networking.k8s.io",
    "kafka.strimzi.io",
    "keda.sh",
    "monitoring.coreos.com",
    "postgresql.cnpg.io",
}
GIVEN = {"kube-root-ca.crt", "default", CLAIM, *SECRETS}
"""What is in a namespace before anything is installed."""


def upgrade_from_the_chart_of_before(release: Release) -> str:
    """Installed by the one of before, upgraded to the one of today, rolled back to the one of before."""
    with tempfile.TemporaryDirectory(prefix="kith-former-") as folder:
        before = former(release.values.stem, Path(folder))
        if before is None:
            return "there were no such values"
        release.deploy(before=before)
        manifest = release.manifest()
        release.deploy()
        hooks_ran(release)
        now = release.manifest()
        release.helm("rollback", NAME, "1", "--wait", "--timeout", "120s")
        assert release.manifest() == manifest
    return f"from {len(manifest)} objects to {len(now)}, and back"


def install(release: Release) -> str:
    release.deploy()
    deployments = release.ours("apps/v1/deployments")
    for each in deployments:  # helm looks at the ReplicaSets, of which a Deployment hears a moment later
        name, wanted = each["metadata"]["name"], each["spec"]["replicas"]
        until(lambda name=name, wanted=wanted: _ready(release, name) == wanted, f"{wanted} of {name}")  # type: ignore[misc]
    return f"{len(deployments)} Deployments, {len(release.ours('v1/pods'))} pods ready"


def hooks_ran(release: Release) -> str:
    ran = {hook: phase for hook, phase in release.hooks().items() if hook.startswith("Job ")}
    assert len(ran) in ((0,) if release.has("Cluster") else (4,)), ran
    assert set(ran.values()) <= {"Succeeded"}, ran
    assert not release.ours("batch/v1/jobs"), "a migration that succeeded is removed"
    left = [each["metadata"]["name"] for each in release.ours("v1/secrets")]
    assert not [name for name in left if name.endswith("-migrate")], left
    return f"{len(ran)} migrations"


def migrations_ran_one_by_one(release: Release) -> str:
    """By the events of the Jobs, which outlive them."""
    found = [each for each in release.items("v1/events") if each["involvedObject"]["kind"] == "Job"]
    at = {(each["reason"], each["involvedObject"]["name"]): each["firstTimestamp"] for each in found}
    jobs = sorted({name for _, name in at}, key=lambda name: at["SuccessfulCreate", name])
    assert len(jobs) == (0 if release.has("Cluster") else 4), at
    for before, after in itertools.pairwise(jobs):
        assert at["Completed", before] <= at["SuccessfulCreate", after], (before, after)
    return ", ".join(jobs) or "none: pods migrate before they start"


def test_pods_succeed(release: Release) -> str:
    said = release.helm("test", NAME, "--timeout", "60s")
    assert "Phase:          Succeeded" in said, said
    return "Succeeded"


def policies_are_accepted(release: Release) -> str:
    wanted = {each["metadata"]["name"] for each in release.manifest() if each["kind"] == "NetworkPolicy"}
    there = {each["metadata"]["name"] for each in release.ours("networking.k8s.io/v1/networkpolicies")}
    assert wanted == there
    return f"{len(there)} NetworkPolicies"


def budgets_allow_one(release: Release) -> str:
    """The arithmetic of every PodDisruptionBudget, and an eviction that it lets through and one that it does not."""

    def counted() -> list[Any]:
        budgets = release.ours("policy/v1/poddisruptionbudgets")
        return budgets if all(each["status"].get("observedGeneration") for each in budgets) else []

    until(counted, "budgets are counted")
    deployments = {each["metadata"]["name"]: each["spec"]["replicas"] for each in release.ours("apps/v1/deployments")}
    assert deployments.keys() == {each["metadata"]["name"] for each in counted()}
    for each in counted():
        status, replicas = each["status"], deployments[each["metadata"]["name"]]
        assert (status["expectedPods"], status["desiredHealthy"]) == (replicas, replicas - 1), each
        assert status["disruptionsAllowed"] == 1, each
    most = max(deployments, key=lambda name: deployments[name])
    component = most.removeprefix(f"{NAME}-")
    pods = [
        each
        for each in release.ours("v1/pods")
        if each["metadata"]["labels"]["app.kubernetes.io/component"] == component
    ]
    with _cordoned(release):  # what is evicted is replaced only afterwards
        answers = [_evict(release, pod["metadata"]["name"]) for pod in pods[:2]]
    assert answers == [201, 429][: len(pods)], f"evictions of {most}: {answers}"
    until(lambda: _ready(release, most) == deployments[most], "the evicted pod is replaced")
    return f"{len(deployments)} PodDisruptionBudgets; evicting {most}: {answers}"


@contextlib.contextmanager
def _cordoned(release: Release) -> Iterator[None]:
    def mark(*, unschedulable: bool) -> None:
        api = release.cluster.api
        for node in api.get("/api/v1/nodes").json()["items"]:
            api.patch(
                f"/api/v1/nodes/{node['metadata']['name']}",
                json={"spec": {"unschedulable": unschedulable}},
                headers={"content-type": "application/merge-patch+json"},
            ).raise_for_status()

    mark(unschedulable=True)
    yield
    mark(unschedulable=False)


def _evict(release: Release, pod: str) -> int:
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}}
    return release.cluster.api.post(
        f"/api/v1/namespaces/{release.namespace}/pods/{pod}/eviction", json=body
    ).status_code


def _ready(release: Release, deployment: str) -> int:
    [found] = [each for each in release.ours("apps/v1/deployments") if each["metadata"]["name"] == deployment]
    return int(found["status"].get("readyReplicas", 0))


def operators_objects_are_accepted(release: Release) -> str:
    """No operator runs here; the API server holds their objects to the operators' own definitions."""
    theirs = [each for each in release.manifest() if _group(each) in OPERATORS]
    for each in theirs:
        found = {one["metadata"]["name"] for one in release.items(f"{each['apiVersion']}/{each['kind'].lower()}s")}
        assert each["metadata"]["name"] in found, each["kind"]
    return ", ".join(sorted({each["kind"] for each in theirs})) or "none"


def _group(manifest: Manifest) -> str:
    return str(manifest["apiVersion"]).split("/")[0]


def autoscalers_keep_their_bounds(release: Release) -> str:
    """Nothing measures the load here, so what is seen of an autoscaler is that it brings up what is below its least."""
    scalers = release.ours("autoscaling/v2/horizontalpodautoscalers")
    for each in scalers:
        target, least = each["spec"]["scaleTargetRef"]["name"], each["spec"]["minReplicas"]
        assert least <= each["spec"]["maxReplicas"]
        until(lambda target=target, least=least: _ready(release, target) == least, f"{least} of {target}", seconds=60)  # type: ignore[misc]
    return f"{len(scalers)} HorizontalPodAutoscalers"


def pods_are_spread(release: Release) -> str:
    """Of a workload of several, no node has more than its share and one."""
    spread: dict[str, list[str]] = {}
    for pod in release.ours("v1/pods"):
        component = pod["metadata"]["labels"]["app.kubernetes.io/component"]
        spread.setdefault(component, []).append(pod["spec"]["nodeName"])
    for component, nodes in spread.items():
        most = max(nodes.count(node) for node in nodes)
        assert most <= math.ceil(len(nodes) / 3) + 1, (component, nodes)
        assert len(nodes) == 1 or len(set(nodes)) > 1, (component, nodes)
    return f"{len(spread)} workloads over 3 nodes"


def a_second_upgrade_changes_nothing(release: Release) -> str:
    manifest, before = release.manifest(), _generations(release)
    release.deploy()
    assert release.manifest() == manifest, "what is rendered differs"
    assert _generations(release) == before, "an object was changed"
    return f"{len(manifest)} objects rendered alike, none changed"


def _generations(release: Release) -> dict[str, int]:
    return {each["metadata"]["name"]: each["metadata"]["generation"] for each in release.ours("apps/v1/deployments")}


def upgrade(release: Release) -> str:
    release.deploy("--set", "images.tag=9.9.9")
    images = _images(release)
    assert {image.split(":")[-1] for image in images if "@" not in image} == {"9.9.9"}, images
    hooks_ran(release)
    return f"{len(images)} images at 9.9.9, migrations before them"


def roll_back(release: Release) -> str:
    release.helm("rollback", NAME, "--wait", "--timeout", "120s")
    images = _images(release)
    assert "9.9.9" not in "".join(images), images
    return f"{len(images)} images as before"


def _images(release: Release) -> set[str]:
    pods = [each["spec"]["template"]["spec"] for each in release.ours("apps/v1/deployments")]
    return {container["image"] for pod in pods for container in pod["containers"]}


def uninstall(release: Release) -> str:
    keeps = [
        each for each in release.manifest() if "helm.sh/resource-policy" in each["metadata"].get("annotations", {})
    ]
    kept = {each["metadata"]["name"] for each in keeps}
    release.helm("uninstall", NAME, "--wait", "--timeout", "120s")
    paths = [path for path in _all_kinds(release) if not path.endswith("/events")]
    for path in paths:  # what belongs to what was deleted is collected some time later
        until(lambda path=path: _left(release, path) <= kept, f"nothing is left of {path}")  # type: ignore[misc]
    left = [name for path in paths for name in _left(release, path)]
    assert len(left) == len(keeps), "data stays"
    return f"nothing left of {len(paths)} kinds" + (f", but {len(left)} objects with data" if left else "")


def _left(release: Release, path: str) -> set[str]:
    return {each["metadata"]["name"] for each in release.items(path)} - GIVEN


def _all_kinds(release: Release) -> list[str]:
    """Every kind of object of a namespace that can be listed, by its preferred version."""
    api = release.cluster.api
    groups = ["v1", *(each["preferredVersion"]["groupVersion"] for each in api.get("/apis").json()["groups"])]
    found = []
    for group in groups:
        listed = api.get("/api/v1" if group == "v1" else f"/apis/{group}").json()["resources"]
        listable = [each for each in listed if each["namespaced"] and "list" in each["verbs"]]
        found += [f"{group}/{each['name']}" for each in listable]
    return found


STEPS: tuple[Step, ...] = (
    upgrade_from_the_chart_of_before,
    install,
    hooks_ran,
    migrations_ran_one_by_one,
    test_pods_succeed,
    policies_are_accepted,
    operators_objects_are_accepted,
    autoscalers_keep_their_bounds,
    pods_are_spread,
    budgets_allow_one,
    a_second_upgrade_changes_nothing,
    upgrade,
    roll_back,
    uninstall,
)
