"""What holds for every object of the chart, whichever values it is rendered with."""

import re
from pathlib import Path

import pytest
from deploy.checks.chart import (
    CHART,
    OUTSIDE,
    Manifest,
    conforms,
    containers,
    helm,
    of_kind,
    pods,
    render,
    template,
    values_files,
)

from analytics.ledger.sources import GROUP
from kith.outbox.relay import topic_of


@pytest.mark.parametrize("values", values_files(), ids=lambda path: path.stem)
def test_helm_finds_nothing_to_complain_of(values: Path) -> None:
    done = helm("lint", "--strict", str(CHART), "-f", str(OUTSIDE), "-f", str(values))
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_object_is_as_its_schema_says(manifests: list[Manifest]) -> None:
    conforms(manifests)


def test_pods_keep_to_what_a_restricted_namespace_asks(manifests: list[Manifest]) -> None:
    for pod in pods(manifests).values():
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["runAsUser"] == 10001
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        assert not any("hostPath" in volume for volume in pod.get("volumes", []))
        for container in containers(pod):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_every_container_says_what_it_needs_and_where_it_ends(manifests: list[Manifest]) -> None:
    for pod in pods(manifests).values():
        for container in containers(pod):
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
            assert "memory" in container["resources"]["limits"]


def _made(manifests: list[Manifest]) -> set[tuple[str, str]]:
    """Objects of the chart, and the Secrets that operators make of them."""
    there = {(each["kind"], each["metadata"]["name"]) for each in manifests}
    endings = {"Cluster": ("-app", "-ca"), "Kafka": ("-cluster-ca-cert",), "KafkaUser": ("",), "ExternalSecret": ("",)}
    return there | {("Secret", f"{name}{end}") for kind, name in there for end in endings.get(kind, ())}


def test_what_a_pod_names_is_there_or_was_named_by_the_user(manifests: list[Manifest]) -> None:
    """Secrets, ConfigMaps, service accounts, volumes and ports."""
    given = {("Secret", name) for name in ("desk-database", "kafka-login", "database-ca", "reconciler", "converter")}
    for name, pod in pods(manifests).items():
        named = {("ServiceAccount", pod["serviceAccountName"])} - {("ServiceAccount", "default")}
        volumes = {each["name"]: each.get("secret") for each in pod.get("volumes", [])}
        named |= {("Secret", secret["secretName"]) for secret in volumes.values() if secret}
        for container in containers(pod):
            ports = {port["name"] for port in container.get("ports", [])}
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                assert container.get(probe, {}).get("httpGet", {}).get("port") in {None, *ports}
            assert {each["name"] for each in container.get("volumeMounts", [])} <= volumes.keys()
            named |= {("ConfigMap", each["configMapRef"]["name"]) for each in container.get("envFrom", [])}
            sources = [each.get("valueFrom", {}).get("secretKeyRef") for each in container.get("env", [])]
            named |= {("Secret", source["name"]) for source in sources if source}
        assert named - _made(manifests) <= given, name


def test_only_workers_and_what_runs_as_one_have_what_kafka_asks_for(manifests: list[Manifest]) -> None:
    for name, pod in pods(manifests).items():
        assert ("kith-kafka" in str(pod)) == name.endswith(("-worker", "-restored")), name


def test_every_service_reaches_the_pods_of_one_deployment(manifests: list[Manifest]) -> None:
    labels = [each["spec"]["template"]["metadata"]["labels"] for each in of_kind(manifests, "Deployment")]
    for service in of_kind(manifests, "Service"):
        selector = service["spec"]["selector"].items()
        assert sum(selector <= each.items() for each in labels) == 1, service["metadata"]["name"]


def test_what_takes_requests_leaves_the_endpoints_before_it_stops(manifests: list[Manifest]) -> None:
    for deployment in of_kind(manifests, "Deployment"):
        pod = deployment["spec"]["template"]["spec"]
        [container] = pod["containers"]
        drain = 6 if container["name"] == "gateway" else 10
        before = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        assert (before > 0) == (container["name"] in ("api", "gateway"))
        assert pod["terminationGracePeriodSeconds"] >= before + drain + 1


def test_the_grace_period_follows_from_how_long_a_stop_may_drain() -> None:
    manifests = render(OUTSIDE, settings=["pods.shutdownSeconds=300"])
    pod = pods(manifests)["kith-sales-worker"]
    assert pod["terminationGracePeriodSeconds"] > 300
    settings = {each["metadata"]["name"]: each["data"] for each in of_kind(manifests, "ConfigMap")}
    assert settings["kith-sales"]["KITH_SHUTDOWN_SECONDS"] == "300"


def test_other_settings_are_other_pods() -> None:
    def checksums(*settings: str) -> dict[str, str]:
        found = of_kind(render(OUTSIDE, settings=settings), "Deployment")
        return {each["metadata"]["name"]: str(each["spec"]["template"]["metadata"]["annotations"]) for each in found}

    before, after = checksums(), checksums("services.sales.settings.KITH_POOL_SIZE=20")
    assert {name for name in before if before[name] != after[name]} == {"kith-sales-api", "kith-sales-worker"}
    url = "services.sales.database.url=postgresql://kith:other@db.example/kith_sales"
    after = checksums(url)
    assert {name for name in before if before[name] != after[name]} == {"kith-sales-api", "kith-sales-worker"}


def test_migrations_run_one_after_the_other_before_the_new_code(manifests: list[Manifest]) -> None:
    jobs = of_kind(manifests, "Job")
    if of_kind(manifests, "Cluster"):  # there is no database yet: a pod of a service migrates before it starts
        first = [
            pod["initContainers"][0]["args"] for name, pod in pods(manifests).items() if name[-3:] in ("api", "ker")
        ]
        assert (jobs, first) == ([], 8 * [["migrate"]])
        return
    annotations = [job["metadata"]["annotations"] for job in jobs]
    assert {each["helm.sh/hook"] for each in annotations} == {"pre-install,pre-upgrade"}
    weights = [int(each["helm.sh/hook-weight"]) for each in annotations]
    assert len(set(weights)) == len(weights) == 4
    secrets = [each for each in of_kind(manifests, "Secret") if "annotations" in each["metadata"]]
    assert all(int(each["metadata"]["annotations"]["helm.sh/hook-weight"]) < min(weights) for each in secrets)


def test_only_a_migration_has_the_login_that_owns_the_tables() -> None:
    manifests = render(
        OUTSIDE, settings=["services.sales.database.ownerUrl=postgresql://owner:secret@db.example/sales"]
    )
    having = {name for name, pod in pods(manifests).items() if "KITH_DATABASE_OWNER_URL_SALES" in str(pod)}
    assert having == {"kith-sales-migrate"}
    secrets = of_kind(manifests, "Secret")
    assert [each["metadata"]["name"] for each in secrets if "owner" in str(each["stringData"])] == [
        "kith-sales-migrate"
    ]


def test_what_follows_a_restore_is_run_by_hand_as_a_worker_would(manifests: list[Manifest]) -> None:
    jobs = {each["metadata"]["name"]: each["spec"] for each in of_kind(manifests, "CronJob")}
    assert jobs.keys() == {f"kith-{each}-restored" for each in ("contacts", "sales", "service-desk", "analytics")}
    assert all(job["suspend"] is True for job in jobs.values())
    deployed = pods(manifests)
    for name, pod in deployed.items():
        if not name.endswith("-restored"):
            continue
        (restored,), (worker,) = pod["containers"], deployed[name.replace("-restored", "-worker")]["containers"]
        assert restored["args"] == ["restored"]
        for given in ("image", "env", "envFrom", "volumeMounts", "securityContext"):
            assert restored.get(given) == worker.get(given), (name, given)


def test_only_the_worker_of_contacts_has_the_ledger_of_erasures() -> None:
    deployed = pods(render(OUTSIDE, settings=["erasures.claim=erasures"]))
    having = {name for name, pod in deployed.items() if "KITH_ERASURES_FILE" in str(pod["containers"][0].get("env"))}
    assert having == {"kith-contacts-worker", "kith-contacts-restored"}
    for name in having:
        claims = [each.get("persistentVolumeClaim") for each in deployed[name]["volumes"]]
        assert {"claimName": "erasures"} in claims


def test_contacts_has_the_folder_of_what_is_attached_and_nobody_else() -> None:
    deployed = pods(render(OUTSIDE, settings=["attachments.claim=files"]))
    having = {name for name, pod in deployed.items() if "KITH_ATTACHMENTS_FOLDER" in str(pod["containers"][0])}
    assert having == {"kith-contacts-api", "kith-contacts-worker", "kith-contacts-restored"}
    for name in having:
        claims = [each.get("persistentVolumeClaim") for each in deployed[name]["volumes"]]
        assert {"claimName": "files"} in claims


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("settings.all.KITH_ISSUER_URL=", "settings.all.KITH_ISSUER_URL: name the OpenID Connect provider"),
        ("kafka.bootstrap=", r"kafka.bootstrap: name the brokers"),
        ("services.sales.database.url=", "services.sales.database: give a url or an existingSecret"),
        ("services.sales.database.url=mysql://x", "does not match pattern"),
        ("workloads.api.replica=3", "additional properties 'replica' not allowed"),
        ("settings.services.POOL_SIZE=3", "does not match pattern"),
        ("services.marketing.database.url=", "additional properties 'marketing' not allowed"),
    ],
)
def test_what_cannot_be_is_refused_by_name(setting: str, words: str) -> None:
    done = template(OUTSIDE, settings=[setting])
    assert done.returncode != 0
    assert re.search(words, done.stderr), done.stderr


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (("keda.enabled=true", "services.analytics.worker.autoscaling.enabled=true"), "together with keda"),
        (("route.kind=HTTPRoute",), "parentRefs"),
        (("externalSecrets.enabled=true",), "/externalSecrets/store/name"),
        (("cloudnativepg.method=plugin",), "/cloudnativepg/plugins"),
        (("cloudnativepg.enabled=true",), "services.service-desk.database: an existingSecret does not go with"),
    ],
)
def test_what_does_not_go_together_is_refused(settings: tuple[str, ...], words: str) -> None:
    done = template(OUTSIDE, settings=settings)
    assert done.returncode != 0
    assert words in done.stderr


def test_workers_of_analytics_are_scaled_on_the_lag_of_their_group_up_to_the_partitions() -> None:
    manifests = render(OUTSIDE, settings=["keda.enabled=true", "keda.max=100", "kafka.partitions=48"])
    [scaled] = of_kind(manifests, "ScaledObject")
    [trigger] = scaled["spec"]["triggers"]
    assert (trigger["metadata"]["consumerGroup"], scaled["spec"]["maxReplicaCount"]) == (GROUP, 48)
    [deployment] = [
        each
        for each in of_kind(manifests, "Deployment")
        if each["metadata"]["name"] == scaled["spec"]["scaleTargetRef"]["name"]
    ]
    assert "replicas" not in deployment["spec"], "an upgrade would undo what was scaled"


def test_what_scales_is_what_says_how_many_there_are(manifests: list[Manifest]) -> None:
    scalers = of_kind(manifests, "HorizontalPodAutoscaler", "ScaledObject")
    scaled = {each["spec"]["scaleTargetRef"]["name"] for each in scalers}
    fixed = {each["metadata"]["name"] for each in of_kind(manifests, "Deployment") if "replicas" in each["spec"]}
    assert not scaled & fixed
    assert len(scaled | fixed) == 9


def test_topics_of_another_generation_are_made_beside_the_former() -> None:
    manifests = render(
        OUTSIDE, settings=["strimzi.enabled=true", "kafka.bootstrap=", "kafka.generation=2", "kafka.partitions=48"]
    )
    topics = {each["metadata"]["name"]: each["spec"]["partitions"] for each in of_kind(manifests, "KafkaTopic")}
    assert topics == {f"kith.{service}.2": 48 for service in ("contacts", "sales", "service-desk", "analytics")}
    kept = [each["metadata"]["annotations"]["helm.sh/resource-policy"] for each in of_kind(manifests, "KafkaTopic")]
    assert set(kept) == {"keep"}, "an upgrade leaves the former ones, which have events to be read"


def test_the_topics_that_are_made_are_those_that_are_used(manifests: list[Manifest]) -> None:
    topics = {each["metadata"]["name"]: each["spec"]["partitions"] for each in of_kind(manifests, "KafkaTopic")}
    assert topics in ({}, {topic_of(service): 24 for service in ("contacts", "sales", "service-desk", "analytics")})
