"""Every setting that the chart hands to a process is one that the process knows, and has a value that it takes."""

import os
from pathlib import Path
from typing import Any

import pytest
from deploy.checks.chart import Manifest, containers, of_kind, pods
from deploy.checks.processes import SERVICES, known_to, settings_of

from kith.runtime.settings import from_environment


def environment_of(container: Manifest, manifests: list[Manifest]) -> dict[str, str]:
    maps = {each["metadata"]["name"]: each["data"] for each in of_kind(manifests, "ConfigMap")}
    made: dict[str, Any] = {}
    for source in container.get("envFrom", []):
        made |= maps[source["configMapRef"]["name"]]
    made |= {each["name"]: each.get("value", "postgresql://secret") for each in container.get("env", [])}
    return made


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_starts_with_the_settings_of_the_chart(
    service: str, manifests: list[Manifest], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each process of it: API, worker, migration, whether it is a Job or goes before the others, and what follows a
    restore."""
    for name in [name for name in os.environ if name.startswith("KITH_")]:
        monkeypatch.delenv(name)
    ran = set()
    for name, pod in pods(manifests).items():
        if not name.startswith(f"kith-{service}-"):
            continue
        for container in containers(pod):
            given = environment_of(container, manifests)
            assert given.keys() <= known_to(service), name
            with monkeypatch.context() as patch:
                for variable, value in given.items():
                    patch.setenv(variable, _here(value, container, tmp_path))
                settings = from_environment(settings_of(service))
            assert (settings.host, settings.port, settings.metrics_port) == ("0.0.0.0", 8000, 9090)  # noqa: S104 - a pod
            assert (settings.kafka_bootstrap is not None) == (container["name"] in {"worker", "restored"})
            ran.add(container["name"])
    assert ran == {"api", "worker", "migrate", "restored"}


def _here(value: str, container: Manifest, folder: Path) -> str:
    """A file of a volume of the pod, or its folder, as one that is there: settings say whether it can be used."""
    if any(value == mount["mountPath"] for mount in container["volumeMounts"]):
        return str(folder)
    if not value.startswith(("/etc/kith/", "/var/lib/kith/")):
        return value
    assert str(Path(value).parent) in {mount["mountPath"] for mount in container["volumeMounts"]}, value
    file = folder / Path(value).name
    file.write_text("{}")
    return str(file)


def test_the_gateway_knows_its_settings(manifests: list[Manifest]) -> None:
    given = environment_of(pods(manifests)["kith-gateway"]["containers"][0], manifests)
    assert given.keys() <= known_to("gateway")
    assert {"KITH_URL_SALES", "KITH_ISSUER_URL", "KITH_PORT_GATEWAY"} <= given.keys()


def test_the_gateway_asks_the_services_of_the_chart(manifests: list[Manifest]) -> None:
    given = environment_of(pods(manifests)["kith-gateway"]["containers"][0], manifests)
    services = {each["metadata"]["name"]: each["spec"]["ports"] for each in of_kind(manifests, "Service")}
    for service in SERVICES:
        url = given[f"KITH_URL_{service.upper().replace('-', '_')}"]
        assert [f"http://kith-{service}:{port['port']}" for port in services[f"kith-{service}"]] == [url]
