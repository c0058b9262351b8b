"""Runs the `doctor` of each service on what runs here."""

import os
import subprocess
import sys
from collections.abc import Mapping
from urllib.parse import quote

from rich.console import Console

from kith_local.layout import Layout
from kith_local.ports import ports_of
from kith_local.topology import DATABASES, SERVICES, plan_for


def examine(layout: Layout, console: Console) -> int:
    """Prints what each service's doctor finds. Returns 1 if there is a fault."""
    environment = environment_of(layout)
    codes = []
    for service in SERVICES:
        console.print(service.replace("_", "-"), style="bold", highlight=False)
        command = (sys.executable, "-m", service, "doctor")
        codes.append(subprocess.run(command, env=environment, check=False).returncode)  # noqa: S603 - named here
        console.print()
    return max(codes)


def environment_of(layout: Layout, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What the supervisor gives a service: the embedded servers, where no others are named."""
    given = dict(plan_for(layout, environment).environment)
    if layout.bus == "kafka":
        given["KITH_KAFKA_BOOTSTRAP"] = f"127.0.0.1:{ports_of(environment)['kafka'].number}"
    lock = layout.data / "postgres" / "postmaster.pid"
    socket = lock.read_text().splitlines()[4] if lock.exists() else str(lock.parent)
    given |= {
        variable: f"postgresql://postgres@/{name}?host={quote(socket, safe='/')}"
        for variable, name in DATABASES.items()
        if not (name == "kith_bus" and layout.bus == "kafka")
    }
    return {**given, **environment}
