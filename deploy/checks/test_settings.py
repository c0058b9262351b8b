"""Every setting that the chart hands to a process is one that the process knows, and has a value that it takes."""

import importlib
import json
import os
import subprocess
from typing import Any

import pytest
from deploy.checks.chart import ROOT, Manifest, containers, of_kind, pods

from kith.runtime.settings import Settings, variable_of
from kith_local.node import node

SERVICES = ("contacts", "sales", "service-desk", "analytics")
GATEWAY = ROOT / "deploy/gateway"


def _settings_of(service: str) -> type[Settings]:
    package = service.replace("-", "_")
    name = "".join(part.capitalize() for part in service.split("-"))
    found: type[Settings] = getattr(importlib.import_module(f"{package}.settings"), f"{name}Settings")
    return found


def _known_to(service: str) -> set[str]:
    kind = _settings_of(service)
    return {variable_of(kind, name) for name in kind.model_fields}


def _known_to_gateway() -> set[str]:
    listed = subprocess.run([node(), GATEWAY / "settings.mjs"], check=True, capture_output=True, text=True)
    return {each["name"] for each in json.loads(listed.stdout)}


def environment_of(pod: Manifest, manifests: list[Manifest]) -> dict[str, str]:
    maps = {each["metadata"]["name"]: each["data"] for each in of_kind(manifests, "ConfigMap")}
    made: dict[str, Any] = {}
    for container in containers(pod):
        for source in container.get("envFrom", []):
            made |= maps[source["configMapRef"]["name"]]
        made |= {each["name"]: each.get("value", "postgresql://secret") for each in container.get("env", [])}
    return made


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("what", ["api", "worker", "migrate"])
def test_a_service_starts_with_the_settings_of_the_chart(
    service: str, what: str, manifests: list[Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = environment_of(pods(manifests)[f"kith-{service}-{what}"], manifests)
    assert given.keys() <= _known_to(service)
    for name in [name for name in os.environ if name.startswith("KITH_")]:
        monkeypatch.delenv(name)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = _settings_of(service)()
    assert (settings.host, settings.port, settings.metrics_port) == ("0.0.0.0", 8000, 9090)  # noqa: S104 - of a pod
    assert settings.kafka_bootstrap is not None


def test_the_gateway_knows_its_settings(manifests: list[Manifest]) -> None:
    given = environment_of(pods(manifests)["kith-gateway"], manifests)
    assert given.keys() <= _known_to_gateway()
    assert {"KITH_URL_SALES", "KITH_ISSUER_URL", "KITH_PORT_GATEWAY"} <= given.keys()


def test_the_gateway_asks_the_services_of_the_chart(manifests: list[Manifest]) -> None:
    given = environment_of(pods(manifests)["kith-gateway"], manifests)
    services = {each["metadata"]["name"]: each["spec"]["ports"] for each in of_kind(manifests, "Service")}
    for service in SERVICES:
        url = given[f"KITH_URL_{service.upper().replace('-', '_')}"]
        assert [f"http://kith-{service}:{port['port']}" for port in services[f"kith-{service}"]] == [url]
