"""deploy/gateway/router.yaml says of the Hive Router what the Node gateway's defaults are."""

import json
import re
import subprocess
from typing import Any

import yaml
from deploy.checks.processes import GATEWAY, SERVICES, settings_of

from kith.http.auth import ALGORITHMS
from kith_local.node import node


def router() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((GATEWAY / "router.yaml").read_text())
    return found


def limit(name: str) -> int:
    listed = subprocess.run([node(), GATEWAY / "settings.mjs"], check=True, capture_output=True, text=True)
    return int(next(each["default"] for each in json.loads(listed.stdout) if each["name"] == name))


def test_the_limits_are_the_gateway_s() -> None:
    limits = router()["limits"]
    assert limits["max_depth"]["n"] == limit("KITH_GRAPHQL_DEPTH")
    assert limits["max_directives"]["n"] == limit("KITH_GRAPHQL_DIRECTIVES")
    assert limits["max_tokens"]["n"] == limit("KITH_GRAPHQL_TOKENS")
    assert limits["max_aliases"]["n"] == limit("KITH_GRAPHQL_ALIASES")
    assert limits["max_request_body_size"] == f"{limit('KITH_GRAPHQL_BODY_BYTES') // 1024}KiB"
    assert limits["max_request_header_size"] == f"{limit('KITH_GATEWAY_HEADER_BYTES') // 1024}KiB"
    assert router()["demand_control"]["operation_cost"] == {"max": limit("KITH_GRAPHQL_COST"), "mode": "enforce"}


def test_every_service_of_the_supergraph_has_its_address() -> None:
    addresses = router()["override_subgraph_urls"]["subgraphs"]
    supergraph = (GATEWAY / "supergraph.graphql").read_text()
    assert addresses.keys() == set(re.findall(r'@join__graph\(name: "([\w-]+)"', supergraph)) == set(SERVICES)
    for service in SERVICES:
        port = settings_of(service).model_fields["port"].default
        assert addresses[service]["url"]["default"] == f"http://127.0.0.1:{port}/graphql"


def test_tokens_are_those_that_the_services_take() -> None:
    settings = settings_of("sales").model_fields
    jwt = router()["jwt"]
    assert jwt["enabled"]
    assert jwt["require_authentication"]
    assert jwt["allowed_algorithms"] == ALGORITHMS
    assert jwt["issuers"][0]["default"] == settings["issuer_url"].default
    assert jwt["audiences"][0]["default"] == settings["audience"].default
    assert {"propagate": {"named": "authorization"}} in router()["headers"]["all"]["request"]
