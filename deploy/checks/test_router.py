"""The Hive Router in place of the Node gateway: router.yaml gives it that one's defaults, by the same settings."""

import json
import re
import subprocess
from typing import Any

import yaml
from deploy.checks.processes import GATEWAY, SERVICES, known_to, settings_of

from kith.http.auth import ALGORITHMS
from kith_local.node import node


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
    assert settings_in(router()).keys() <= known_to("gateway")


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
