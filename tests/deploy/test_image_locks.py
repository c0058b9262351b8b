"""What an image installs is what its service needs, as it is locked for all."""

from collections.abc import Iterator
from importlib.metadata import requires
from typing import NamedTuple

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from kith_local.layout import ROOT

SERVICES = ("contacts", "sales", "service-desk", "analytics")


class Locked(NamedTuple):
    name: str
    specifier: str
    marker: Marker | None
    """For which machines and versions of Python."""
    hashes: frozenset[str]

    @classmethod
    def read(cls, line: str) -> "Locked":
        text, *hashes = line.split(" --hash=")
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        return cls(name, str(requirement.specifier), requirement.marker, frozenset(each.strip() for each in hashes))


def locked_in(path: str) -> list[Locked]:
    lines = (ROOT / path).read_text().replace("\\\n", " ").splitlines()
    return [Locked.read(line) for line in lines if line and not line.lstrip().startswith("#")]


def needed(name: str, extras: frozenset[str] = frozenset()) -> Iterator[str]:
    """The names of what a distribution needs here, of its own and of what it needs."""
    for each in requires(name) or ():
        requirement = Requirement(each)
        if any(requirement.marker is None or requirement.marker.evaluate({"extra": extra}) for extra in extras | {""}):
            yield canonicalize_name(requirement.name)
            yield from needed(requirement.name, frozenset(requirement.extras))


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_installs_what_its_service_needs_and_nothing_else(service: str) -> None:
    locked = locked_in(f"deploy/docker/{service}.lock")
    here = {each.name for each in locked if each.marker is None or each.marker.evaluate()}
    assert here == set(needed(f"kith-{service}")) - {"kith"}


@pytest.mark.parametrize("name", [*SERVICES, "build"])
def test_an_image_installs_the_versions_that_are_tested_by_the_same_hashes(name: str) -> None:
    tested = {(each.name, each.specifier): each.hashes for each in locked_in("requirements.lock")}
    installed = {(each.name, each.specifier): each.hashes for each in locked_in(f"deploy/docker/{name}.lock")}
    assert all(installed.values())
    assert installed == {each: tested.get(each) for each in installed}
