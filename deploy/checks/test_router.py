"""The Hive Router in place of the Node gateway: router.yaml gives it that one's defaults, by the same settings, and the
chart runs it where it is asked to."""

import json
import re
import subprocess
from typing import Any

import pytest
import yaml
from deploy.checks.chart import OUTSIDE, conforms, of_kind, pods, render, template
from deploy.checks.processes import GATEWAY, SERVICES, known_to, settings_of

from kith.http.auth import ALGORITHMS
from kith_local.node import node

KEYS = "https://id.example/keys"
ROUTED = ("gateway.kind=hive-router", f"settings.gateway.KITH_JWKS_URL={KEYS}", "gateway.documents=queries")


def router() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((GATEWAY / "router.yaml").read_text())
    return found


def usual(name: str) -> int:
    listed = subprocess.run([node(), GATEWAY / "settings.mjs"], check=True, capture_output=True, text=True)
    return int(next(each["default"] for each in json.loads(listed.stdout) if each["name"] == name))


def settings_in(part: object) -> dict[str, object]:
    """Those that are read from the environment, with their defaults."""
    if isinstance(part, dict):
        if "from_env" in part:
            return {part["from_env"]: part["default"]}
        if "expression" in part:
            name, default = re.findall(r'"([^"]+)"', part["expression"])[:2]
            return {name: default}
        part = list(part.values())
    found: dict[str, object] = {}
    for each in part if isinstance(part, list) else ():
        found |= settings_in(each)
    return found


def test_the_limits_are_the_gateway_s() -> None:
    found = settings_in(router())
    for name in ("DEPTH", "DIRECTIVES", "TOKENS", "ALIASES", "COST"):
        assert found[f"KITH_GRAPHQL_{name}"] == usual(f"KITH_GRAPHQL_{name}")
    assert found["KITH_LIVE_CONNECTIONS"] == usual("KITH_LIVE_CONNECTIONS")
    limits, shaping = router()["limits"], router()["traffic_shaping"]
    assert limits["max_request_body_size"] == f"{usual('KITH_GRAPHQL_BODY_BYTES') // 1024}KiB"
    assert limits["max_request_header_size"] == f"{usual('KITH_GATEWAY_HEADER_BYTES') // 1024}KiB"
    assert shaping["all"]["request_timeout"] == f"{usual('KITH_GATEWAY_UPSTREAM_SECONDS')}s"
    assert shaping["router"]["request_timeout"] == f"{usual('KITH_GATEWAY_REQUEST_SECONDS')}s"
    assert router()["demand_control"]["operation_cost"]["mode"] == "enforce"


def test_every_setting_is_one_of_the_gateway_s() -> None:
    # It alone is told of documents.
    assert settings_in(router()).keys() - {"ROUTER_DOCUMENTS_ONLY", "ROUTER_DOCUMENTS"} <= known_to("gateway")


def test_it_reads_no_document_that_it_does_not_know_unless_it_is_told_to() -> None:
    documents = router()["persisted_documents"]
    assert documents["enabled"] == {"from_env": "ROUTER_DOCUMENTS_ONLY", "default": True}
    assert documents["require_id"] is True
    assert json.loads((GATEWAY / documents["storage"]["path"]["default"]).read_text()) == {}


def test_every_service_of_the_supergraph_has_its_address() -> None:
    addresses = router()["override_subgraph_urls"]["subgraphs"]
    supergraph = (GATEWAY / "supergraph.graphql").read_text()
    assert addresses.keys() == set(re.findall(r'@join__graph\(name: "([\w-]+)"', supergraph)) == set(SERVICES)
    for service in SERVICES:
        port = settings_of(service).model_fields["port"].default
        name = f"KITH_URL_{service.upper().replace('-', '_')}"
        assert settings_in(addresses[service]) == {name: f"http://127.0.0.1:{port}"}


def test_tokens_are_those_that_the_services_take() -> None:
    settings = settings_of("sales").model_fields
    jwt = router()["jwt"]
    assert jwt["enabled"]
    assert jwt["require_authentication"]
    assert jwt["allowed_algorithms"] == ALGORITHMS
    assert jwt["issuers"][0]["default"] == settings["issuer_url"].default
    assert jwt["audiences"][0]["default"] == settings["audience"].default
    assert {"propagate": {"named": ["authorization", "traceparent"]}} in router()["headers"]["all"]["request"]


def test_the_chart_runs_it_by_its_image_its_probes_and_the_same_settings() -> None:
    manifests = render(OUTSIDE, settings=ROUTED)
    conforms(manifests)
    [container] = pods(manifests)["kith-gateway"]["containers"]
    assert re.search(r"/router:", container["image"])
    # Whatever else it is asked for, it answers with a page, and 200.
    assert {container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe")} == {"/health"}
    assert container["readinessProbe"]["httpGet"]["path"] == "/readiness"
    assert any(
        each.endswith("-gateway:8000/readiness") for each in pods(manifests)["kith-answers"]["containers"][0]["args"]
    )
    [given] = [each["data"] for each in of_kind(manifests, "ConfigMap") if each["metadata"]["name"] == "kith-gateway"]
    assert given["KITH_JWKS_URL"] == KEYS
    assert {f"KITH_URL_{each.upper().replace('-', '_')}" for each in SERVICES} <= given.keys()
    [volume] = [each for each in pods(manifests)["kith-gateway"]["volumes"] if "configMap" in each]
    assert volume["configMap"]["name"] == "queries"
    [mount] = [each for each in container["volumeMounts"] if each["name"] == volume["name"]]
    assert given["ROUTER_DOCUMENTS"] == f"{mount['mountPath']}/documents.json"
    metrics = {port["name"]: port["containerPort"] for port in container["ports"]}["metrics"]
    assert router()["telemetry"]["metrics"]["exporters"] == [{"kind": "prometheus", "port": metrics}]


@pytest.mark.parametrize(("missing", "named"), [(1, "KITH_JWKS_URL"), (2, "gateway.documents")])
def test_the_chart_asks_for_what_the_router_needs(missing: int, named: str) -> None:
    done = template(OUTSIDE, settings=[each for each in ROUTED if each != ROUTED[missing]])
    assert done.returncode != 0
    assert named in done.stderr
