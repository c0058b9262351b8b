"""The settings that the processes know."""

import importlib
import json
import subprocess

from deploy.checks.chart import ROOT

from kith.runtime.settings import Settings, variable_of
from kith_local.node import node

SERVICES = ("contacts", "sales", "service-desk", "analytics")
GATEWAY = ROOT / "deploy/gateway"


def settings_of(service: str) -> type[Settings]:
    package = service.replace("-", "_")
    name = "".join(part.capitalize() for part in service.split("-"))
    found: type[Settings] = getattr(importlib.import_module(f"{package}.settings"), f"{name}Settings")
    return found


def known_to(service: str) -> set[str]:
    """The names of the variables, of a service or of the gateway."""
    if service == "gateway":
        listed = subprocess.run([node(), GATEWAY / "settings.mjs"], check=True, capture_output=True, text=True)
        return {each["name"] for each in json.loads(listed.stdout)}
    kind = settings_of(service)
    return {variable_of(kind, name) for name in kind.model_fields}
