"""Objects for operators: what Prometheus scrapes and evaluates, what Grafana shows, how KEDA asks the brokers; and
which URLs of a database each process has."""

import json
import re
from collections.abc import Sequence

import pytest
import yaml
from deploy.checks.chart import OUTSIDE, ROOT, Manifest, of_kind, pods, render, template
from deploy.checks.processes import SERVICES

OPERATORS, SECURED = [ROOT / f"deploy/checks/values/{name}.yaml" for name in ("operators", "secured")]
RULES = ROOT / "deploy/prometheus/kith.rules.yml"
JOBS = {"kith-gateway", *(f"kith-{service}-{process}" for service in SERVICES for process in ("api", "worker"))}


def alerted_jobs() -> re.Pattern[str]:
    """What the alert of a process that is down takes for a process of Kith."""
    (job,) = re.findall(r'up\{job=~"([^"]+)"\} == 0', RULES.read_text())
    return re.compile(job)


def one(manifests: Sequence[Manifest], kind: str) -> Manifest:
    (found,) = of_kind(manifests, kind)
    return found


def test_each_process_is_scraped_by_the_job_that_alerts_and_dashboards_know_it_by() -> None:
    manifests = render(OUTSIDE, OPERATORS)
    monitor = one(manifests, "PodMonitor")["spec"]
    (endpoint,) = monitor["podMetricsEndpoints"]
    (relabeling,) = endpoint["relabelings"]
    label = "app.kubernetes.io/component"
    assert relabeling["sourceLabels"] == [f"__meta_kubernetes_pod_label_{re.sub(r'[./]', '_', label)}"]
    assert (relabeling["targetLabel"], endpoint["honorLabels"]) == ("job", True)
    (roles,) = monitor["selector"]["matchExpressions"]
    scraped = set[str]()
    for deployment in of_kind(manifests, "Deployment"):
        pod = deployment["spec"]["template"]
        labels = pod["metadata"]["labels"]
        assert monitor["selector"]["matchLabels"].items() <= labels.items()
        assert labels[roles["key"]] in roles["values"]
        assert endpoint["port"] in {port["name"] for port in pod["spec"]["containers"][0]["ports"]}
        scraped.add(relabeling["replacement"].replace("$1", labels[label]))
    assert scraped == JOBS
    assert all(alerted_jobs().fullmatch(job) for job in scraped)


@pytest.mark.parametrize("path", ["deploy/compose/prometheus.yml", "deploy/prometheus/prometheus.yml"])
def test_what_scrapes_without_an_operator_names_the_same_jobs(path: str) -> None:
    jobs = yaml.safe_load((ROOT / path).read_text())["scrape_configs"]
    assert {each["job_name"] for each in jobs} == JOBS
    assert all(each["honor_labels"] for each in jobs)


def test_the_rules_and_dashboards_are_the_committed_ones() -> None:
    manifests = render(OUTSIDE, OPERATORS)
    rule = one(manifests, "PrometheusRule")
    assert rule["spec"] == yaml.safe_load(RULES.read_text())
    assert rule["metadata"]["labels"]["release"] == "prometheus"
    shown = dict[str, object]()
    for each in of_kind(manifests, "ConfigMap"):
        if each["metadata"]["labels"].get("grafana_dashboard") == "1":
            shown |= {name: json.loads(text) for name, text in each["data"].items()}
            assert each["metadata"]["annotations"] == {"grafana_folder": "Kith"}
    dashboards = sorted((ROOT / "deploy/grafana").glob("*.json"))
    assert shown == {path.name: json.loads(path.read_text()) for path in dashboards}
    assert len(shown) == 2


def test_without_an_operator_there_is_nothing_for_one() -> None:
    kinds = {each["kind"] for each in render(OUTSIDE)}
    assert not kinds & {"PodMonitor", "PrometheusRule", "TriggerAuthentication", "ScaledObject", "ExternalSecret"}


def authentication(manifests: Sequence[Manifest]) -> tuple[dict[str, str], dict[str, tuple[str, str]]]:
    """Returns what is said to KEDA, and which keys of others' Secrets."""
    trigger = one(manifests, "ScaledObject")["spec"]["triggers"][0]
    made = one(manifests, "TriggerAuthentication")
    assert trigger["authenticationRef"] == {"name": made["metadata"]["name"]}
    secrets = {each["metadata"]["name"]: each["stringData"] for each in of_kind(manifests, "Secret")}
    said, named = dict[str, str](), dict[str, tuple[str, str]]()
    for each in made["spec"]["secretTargetRef"]:
        if each["name"] in secrets:
            said[each["parameter"]] = secrets[each["name"]][each["key"]]
        else:
            named[each["parameter"]] = each["name"], each["key"]
    return said, named


def test_keda_asks_the_brokers_as_the_workers_do() -> None:
    said, named = authentication(render(OUTSIDE, SECURED))
    assert said == {"tls": "enable", "sasl": "scram_sha512", "username": "kith"}
    assert named == {"password": ("kafka-login", "password"), "ca": ("kafka-login", "ca.crt")}


def test_keda_asks_the_brokers_of_strimzi_as_the_user_of_the_release() -> None:
    said, named = authentication(render(OUTSIDE, OPERATORS))
    assert said == {"tls": "enable", "sasl": "scram_sha512", "username": "kith"}
    assert named == {"password": ("kith", "password"), "ca": ("kith-cluster-ca-cert", "ca.crt")}


def test_keda_may_ask_by_a_client_certificate_and_by_a_token() -> None:
    own = [f"kafka.settings.KITH_KAFKA_SSL_{name}_FILE=/etc/kith/tls/{name}" for name in ("CA", "CERTIFICATE", "KEY")]
    given = ["keda.enabled=true", "kafka.settings.KITH_KAFKA_SECURITY_PROTOCOL=SSL", "kafka.files.tls=client", *own]
    said, named = authentication(render(OUTSIDE, settings=given))
    assert said == {"tls": "enable"}
    assert named == {"ca": ("client", "CA"), "cert": ("client", "CERTIFICATE"), "key": ("client", "KEY")}
    token = {
        "SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "SASL_MECHANISM": "OAUTHBEARER",
        "SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL": "https://id.example/token",
        "SASL_OAUTHBEARER_CLIENT_ID": "kith",
        "SASL_OAUTHBEARER_CLIENT_SECRET_FILE": "/etc/kith/oauth/secret",
        "SASL_OAUTHBEARER_SCOPE": "bus",
    }
    given = [f"kafka.settings.KITH_KAFKA_{name}={value}" for name, value in token.items()]
    said, named = authentication(render(OUTSIDE, settings=["keda.enabled=true", "kafka.files.oauth=client", *given]))
    assert said == {
        "tls": "disable",
        "sasl": "oauthbearer",
        "username": "kith",
        "oauthTokenEndpointUri": "https://id.example/token",
        "scopes": "bus",
    }
    assert named == {"password": ("client", "secret")}


def test_keda_takes_an_authentication_that_is_there_and_none_where_none_is_asked_for() -> None:
    manifests = render(OUTSIDE, SECURED, settings=["keda.authenticationRef=ours"])
    assert of_kind(manifests, "TriggerAuthentication") == []
    assert one(manifests, "ScaledObject")["spec"]["triggers"][0]["authenticationRef"] == {"name": "ours"}
    plain = render(OUTSIDE, settings=["keda.enabled=true"])
    assert of_kind(plain, "TriggerAuthentication") == []
    assert "authenticationRef" not in one(plain, "ScaledObject")["spec"]["triggers"][0]


def urls_of(manifests: Sequence[Manifest], service: str) -> dict[str, set[tuple[str, str, str]]]:
    """By pod: variable, Secret and key of each URL of its database."""
    return {
        name: {
            (each["name"], each["valueFrom"]["secretKeyRef"]["name"], each["valueFrom"]["secretKeyRef"]["key"])
            for each in pod["containers"][0]["env"]
            if "valueFrom" in each
        }
        for name, pod in pods(manifests).items()
        if name in {f"kith-{service}-{process}" for process in ("api", "worker", "migrate")}
    }


def test_only_apis_have_the_urls_of_a_pooler_and_of_a_replica() -> None:
    url = "services.sales.database"
    manifests = render(
        OUTSIDE, settings=[f"{url}.poolerUrl=postgresql://pool/s", f"{url}.replicaUrl=postgresql://two/s"]
    )
    own = ("KITH_DATABASE_URL_SALES", "kith-sales-database", "url")
    assert urls_of(manifests, "sales") == {
        "kith-sales-api": {
            own,
            ("KITH_DATABASE_POOLER_URL_SALES", "kith-sales-database", "poolerUrl"),
            ("KITH_DATABASE_REPLICA_URL_SALES", "kith-sales-database", "replicaUrl"),
        },
        "kith-sales-worker": {own},
        "kith-sales-migrate": {("KITH_DATABASE_URL_SALES", "kith-sales-migrate", "url")},
    }
    secrets = {each["metadata"]["name"]: each["stringData"] for each in of_kind(manifests, "Secret")}
    assert secrets["kith-sales-database"]["poolerUrl"] == "postgresql://pool/s"
    assert secrets["kith-sales-migrate"].keys() == {"url"}
    given = render(OUTSIDE, settings=["services.service-desk.database.poolerKey=pool"])
    assert ("KITH_DATABASE_POOLER_URL_SERVICE_DESK", "desk-database", "pool") in urls_of(given, "service-desk")[
        "kith-service-desk-api"
    ]


def test_a_store_is_asked_for_each_url_and_the_owner_s_is_only_there_to_migrate() -> None:
    manifests = render(OUTSIDE, SECURED)
    fetched = {
        each["metadata"]["name"]: [
            (data["secretKey"], data["remoteRef"]["key"], data["remoteRef"]["property"])
            for data in each["spec"]["data"]
        ]
        for each in of_kind(manifests, "ExternalSecret")
    }
    of_contacts = [(name, "kith/contacts", name) for name in ("url", "poolerUrl", "replicaUrl", "ownerUrl")]
    assert fetched["kith-contacts-database"] == of_contacts[:3]
    assert fetched["kith-contacts-migrate"] == [of_contacts[0], of_contacts[3]]
    assert fetched["kith-sales-migrate"] == [("url", "kith/sales", "url")]
    assert urls_of(manifests, "contacts")["kith-contacts-migrate"] == {
        ("KITH_DATABASE_URL_CONTACTS", "kith-contacts-migrate", "url"),
        ("KITH_DATABASE_OWNER_URL_CONTACTS", "kith-contacts-migrate", "ownerUrl"),
    }


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["services.service-desk.database.poolerUrl=postgresql://x/y"], "poolerUrl and replicaUrl go with url"),
        (
            ["cloudnativepg.enabled=true", "services.sales.database.url=", "services.sales.database.replicaKey=r"],
            "with cloudnativepg there is neither a pooler nor a replica",
        ),
        (
            [
                "keda.enabled=true",
                "kafka.settings.KITH_KAFKA_SECURITY_PROTOCOL=SSL",
                "kafka.settings.KITH_KAFKA_SSL_CA_FILE=/etc/kith/unknown/ca.crt",
            ],
            "KITH_KAFKA_SSL_CA_FILE is /etc/kith/unknown/ca.crt, so name the Secret of that folder",
        ),
        (["services.sales.database.poolerUrl=mysql://x"], "does not match pattern"),
    ],
)
def test_what_does_not_go_together_is_refused_in_words(settings: list[str], words: str) -> None:
    done = template(OUTSIDE, settings=settings)
    assert done.returncode != 0
    assert words in done.stderr
