"""What `make sbom` writes names everything that is locked for an image. (`make check-deploy` runs it before.)"""

import json
import re
import tomllib
from typing import Any
from urllib.parse import unquote

import pytest
from deploy.checks.chart import ROOT
from deploy.checks.processes import SERVICES
from tests.hive_router import ROUTER

Component = dict[str, Any]


def components(image: str) -> list[Component]:
    document = json.loads((ROOT / f".kith/sbom/{image}.cdx.json").read_text())
    assert document["bomFormat"] == "CycloneDX"
    found: list[Component] = document["components"]
    return found


@pytest.mark.parametrize("service", SERVICES)
def test_every_package_of_a_service_is_named_with_its_hashes(service: str) -> None:
    locked = set(re.findall(r"^([\w.-]+==[\w.]+)", (ROOT / f"deploy/docker/{service}.lock").read_text(), re.MULTILINE))
    listed = components(service)
    assert {f"{each['name']}=={each['version']}" for each in listed} == locked
    assert all(each["purl"].startswith("pkg:pypi/") for each in listed)
    assert all(reference["hashes"] for each in listed for reference in each["externalReferences"])


def test_every_package_of_the_gateway_is_named_with_its_licence_and_hash() -> None:
    packages = json.loads((ROOT / "deploy/gateway/package-lock.json").read_text())["packages"]
    locked = {
        f"{path.rpartition('node_modules/')[2]}@{each['version']}": "optional" if each.get("dev") else "required"
        for path, each in packages.items()
        if path and not each.get("optional")
    }
    listed = {unquote(each["purl"]).removeprefix("pkg:npm/"): each for each in components("gateway")}
    assert locked == {name: each["scope"] for name, each in listed.items()}
    assert all(each["hashes"] and each["licenses"] for each in listed.values())


LOCK = ROUTER.parents[1] / "Cargo.lock"


@pytest.mark.skipif(
    not LOCK.exists(), reason="the Hive Router is not here: `make hive-router` builds it in ten minutes"
)
def test_every_crate_of_the_router_is_named_with_its_hash() -> None:
    crates = [each for each in tomllib.loads(LOCK.read_text())["package"] if each["name"] != "hive-router"]
    listed = {each["purl"]: each["hashes"] for each in components("router")}
    assert listed == {
        f"pkg:cargo/{each['name']}@{each['version']}": [{"alg": "SHA-256", "content": each["checksum"]}]
        for each in crates
    }
