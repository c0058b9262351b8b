"""deploy/compose.yaml, as far as it can be checked without an engine: it is read as `docker compose config` does,
and held to what the processes, the images and the issuer are."""

import json
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from deploy.checks.chart import ROOT, TOOLS
from deploy.checks.processes import SERVICES, known_to, settings_of

from kith.http.auth import ALGORITHMS
from kith.http.scopes import SCOPES
from kith_local.issuer import AUDIENCE

DEPLOY = ROOT / "deploy"
PROCESSES = [f"{service}-{what}" for service in SERVICES for what in ("migrate", "api", "worker")]
METRICS_PORT = 9090
"""As the images set it (deploy/docker)."""

Part = dict[str, Any]


@cache
def composed() -> Part:
    """What Compose makes of the file, with merges and variables resolved, and paths absolute."""
    command = (TOOLS / "bin/compose", "-format", "json", "compose.yaml")
    environment = {"PATH": os.defpath}
    done = subprocess.run(command, cwd=DEPLOY, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: Part = json.loads(done.stdout)
    return found


def part(name: str) -> Part:
    found: Part = composed()["services"][name]
    return found


def service_of(process: str) -> str:
    return process.rpartition("-")[0]


def mounts(name: str) -> list[Part]:
    return [each for each in part(name).get("volumes", []) if each["type"] == "bind"]


def realm() -> Part:
    found: Part = json.loads((DEPLOY / "compose/realm.json").read_text())
    return found


@pytest.mark.parametrize("name", [*PROCESSES, "gateway"])
def test_a_process_knows_all_its_settings(name: str) -> None:
    given = {each for each in part(name)["environment"] if each.startswith("KITH_")}
    assert given <= known_to("gateway" if name == "gateway" else service_of(name))


@pytest.mark.parametrize("name", PROCESSES)
def test_a_service_takes_its_settings(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    for each in [each for each in os.environ if each.startswith("KITH_")]:
        monkeypatch.delenv(each)
    for variable, value in part(name)["environment"].items():
        # A file of the container's is not there.
        monkeypatch.setenv(variable, str(tmp_path / "secret") if value.startswith("/run/secrets/") else value)
    settings = settings_of(service_of(name))()
    assert settings.audience == AUDIENCE
    published = {each["target"] for each in part(name).get("ports", [])}
    assert published == ({settings.port} if name.endswith("-api") else set())


@pytest.mark.parametrize("name", PROCESSES)
def test_a_database_is_made_with_the_login_that_uses_it(name: str) -> None:
    script = (DEPLOY / "compose/databases.sh").read_text()
    for variable, url in part(name)["environment"].items():
        if "DATABASE" in variable and "URL" in variable:
            address = urlsplit(url)
            assert address.hostname == "postgres"
            assert re.search(rf"CREATE ROLE {address.username} LOGIN\b", script)
            assert f"CREATE DATABASE {address.path[1:]} OWNER kith_owner;" in script


def test_only_who_migrates_has_the_owner_s_password() -> None:
    holders = {
        name
        for name in composed()["services"]
        if "database_owner_password" in {each["source"] for each in part(name).get("secrets", [])}
    }
    assert holders == {"postgres", *(f"{service}-migrate" for service in SERVICES)}


@pytest.mark.parametrize("service", SERVICES)
def test_the_gateway_asks_each_service_where_it_listens(service: str) -> None:
    variable = f"KITH_URL_{service.upper().replace('-', '_')}"
    assert part("gateway")["environment"][variable] == f"http://{service}-api:{_port_of(service)}"


def _port_of(service: str) -> int:
    default: int = settings_of(service).model_fields["port"].default
    return default


@pytest.mark.parametrize("name", [each for each in (*PROCESSES, "gateway") if not each.endswith("-migrate")])
def test_a_process_is_asked_on_its_metrics_port_whether_it_is_ready(name: str) -> None:
    asked = urlsplit(re.search(r"http://[^']+", " ".join(part(name)["healthcheck"]["test"]))[0])  # type: ignore[index]
    assert (asked.hostname, asked.port, asked.path) == ("127.0.0.1", METRICS_PORT, "/readyz")


def test_prometheus_scrapes_every_process_that_stays() -> None:
    config = yaml.safe_load((DEPLOY / "compose/prometheus.yml").read_text())
    scraped = {
        each["job_name"]: each["static_configs"][0]["targets"]
        for each in config["scrape_configs"]
        if each["honor_labels"]
    }
    assert scraped == {
        f"kith-{name}": [f"{name}:{METRICS_PORT}"] for name in (*PROCESSES, "gateway") if not name.endswith("-migrate")
    }


def test_prometheus_takes_its_configuration_and_finds_the_rules(tmp_path: Path) -> None:
    shutil.copy(DEPLOY / "compose/prometheus.yml", tmp_path)
    shutil.copytree(DEPLOY / "prometheus", tmp_path / "kith")
    command = (TOOLS / "bin/promtool", "check", "config", tmp_path / "prometheus.yml")
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "SUCCESS: 1 rule files found" in done.stdout
    assert {"./compose/prometheus.yml", "./prometheus"} <= {
        f"./{Path(each['source']).relative_to(DEPLOY)}" for each in mounts("prometheus")
    }


def test_traces_go_to_the_collector() -> None:
    config = yaml.safe_load((DEPLOY / "compose/collector.yaml").read_text())
    port = config["receivers"]["otlp"]["protocols"]["http"]["endpoint"].rpartition(":")[2]
    for name in PROCESSES:
        if not name.endswith("-migrate"):
            assert part(name)["environment"]["KITH_OTLP_ENDPOINT"] == f"http://collector:{port}"


def test_grafana_asks_prometheus() -> None:
    (source,) = yaml.safe_load((DEPLOY / "compose/grafana/datasources/prometheus.yaml").read_text())["datasources"]
    assert source["url"] == f"http://prometheus:{part('prometheus')['ports'][0]['target']}"


@pytest.mark.parametrize("name", [*PROCESSES, "gateway"])
def test_tokens_are_taken_from_the_realm(name: str) -> None:
    if name.endswith("-migrate"):
        return
    environment = part(name)["environment"]
    path = f"/realms/{realm()['realm']}"
    assert environment["KITH_ISSUER_URL"] == f"{part('keycloak')['environment']['KC_HOSTNAME']}{path}"
    assert environment["KITH_JWKS_URL"] == f"http://keycloak:8080{path}/protocol/openid-connect/certs"


def test_the_realm_issues_what_the_services_take() -> None:
    (client,) = realm()["clients"]
    assert {each["name"] for each in realm()["clientScopes"]} == set(client["optionalClientScopes"]) == set(SCOPES)
    assert all(each["attributes"]["include.in.token.scope"] == "true" for each in realm()["clientScopes"])
    assert client["attributes"]["access.token.header.type.rfc9068"] == "true"
    mappers = {each["name"]: each["config"] for each in client["protocolMappers"]}
    assert mappers["audience"]["included.custom.audience"] == AUDIENCE
    assert mappers["tenant"]["claim.name"] == settings_of("sales").model_fields["tenant_claim"].default
    assert client["secret"] == "${KITH_CLIENT_SECRET}"  # noqa: S105 - a variable
    assert realm().get("defaultSignatureAlgorithm", "RS256") in ALGORITHMS


def test_what_is_waited_for_can_come() -> None:
    for name, each in composed()["services"].items():
        for other, how in each.get("depends_on", {}).items():
            if how["condition"] == "service_completed_successfully":
                assert part(other)["restart"] == "no", name
                assert part(other)["healthcheck"]["disable"], name
            else:
                assert how["condition"] == "service_healthy", name
                assert part(other)["healthcheck"]["test"], name


def test_no_part_can_gain_rights() -> None:
    for name, each in composed()["services"].items():
        assert each["cap_drop"] == ["ALL"], name
        assert each["security_opt"] == ["no-new-privileges:true"], name
        assert not {"privileged", "pid", "ipc", "devices", "network_mode"} & each.keys(), name
        assert all(port["host_ip"] == "127.0.0.1" for port in each.get("ports", [])), name
        if name in PROCESSES or name == "gateway":
            assert each["read_only"], name
            assert "cap_add" not in each, name


def test_a_secret_is_a_file_that_its_part_is_given() -> None:
    for name, each in composed()["services"].items():
        given = {secret["target"] for secret in each.get("secrets", [])}
        words = json.dumps([each.get("environment"), each.get("command")])
        assert set(re.findall(r"/run/secrets/\w+", words)) <= given, name
        assert not re.search(r"PASSWORD\"|SECRET\"|password=", words), name


def test_what_compose_up_makes_is_what_is_needed() -> None:
    made = re.search(r"COMPOSE_SECRETS := (.*)", (DEPLOY / "docker/images.mk").read_text())
    assert made is not None
    assert set(made[1].split()) == composed()["secrets"].keys()
    assert {Path(each["file"]) for each in composed()["secrets"].values()} == {
        ROOT / ".kith/compose" / name for name in composed()["secrets"]
    }


def test_images_of_others_are_pinned_and_ours_are_built() -> None:
    for name, each in composed()["services"].items():
        if name in PROCESSES or name == "gateway":
            assert each["image"] == f"kith/{'gateway' if name == 'gateway' else service_of(name)}:latest"
        else:
            assert re.search(r":v?\d+\.\d+", each["image"]), name
    built = {each["image"]: each["build"] for each in composed()["services"].values() if "build" in each}
    assert built.keys() == {f"kith/{each}:latest" for each in (*SERVICES, "gateway")}
    for build in built.values():
        assert (Path(build["context"]) / build["dockerfile"]).is_file()


def test_what_is_mounted_is_there() -> None:
    for name in composed()["services"]:
        for each in mounts(name):
            assert each["read_only"], name
            assert Path(each["source"]).exists() or each["source"] == str(DEPLOY / "grafana"), each
