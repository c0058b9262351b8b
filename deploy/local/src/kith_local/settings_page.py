"""docs/settings.md: the settings of all services and of the gateway, from their declarations."""

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path

from kith.runtime.service import Service
from kith.runtime.setting_list import Entry, entries
from kith_local.errors import LocalError
from kith_local.layout import GATEWAY
from kith_local.node import node
from kith_local.topology import SERVICES

HEAD = """\
# Settings

<!-- Written by `make contracts` from the declarations: shared/src/kith/runtime/settings.py and what it names, each
service's settings.py, deploy/gateway/settings.mjs. Change those, not this. -->

All settings come from the environment. A process checks all of them before it does anything else, and does not start if
one is invalid: it names each by its variable, with the rule. How numbers are spelt: [scalars](scalars.md). What they
are for: [operations](operations.md).

`python -m sales settings` (and the same of each service) lists the settings of that service with their rules, the
values in force, and whether a value is a default or from the environment; passwords are hidden. `--json` is for
programs. It ends with code 1 if a setting is invalid.
"""


def page() -> str:
    services: dict[str, Service] = {name: import_module(f"{name}.service").SERVICE for name in SERVICES}
    declared = {service.name: entries(service.settings) for service in services.values()}
    common = _common(declared.values())
    parts = [HEAD, "## Of every service\n", *_table(each for each in declared["sales"] if each.name in common)]
    for name, mine in declared.items():
        parts += [f"\n## Of {name}\n", *_table(each for each in mine if each.name not in common)]
    return "\n".join([*parts, "\n## Of the gateway\n", *_table(of_gateway())]) + "\n"


def _common(declared: Iterable[list[Entry]]) -> set[str]:
    return set.intersection(*({each.name for each in mine} for mine in declared))


def _table(entries: Iterable[Entry]) -> Iterator[str]:
    yield "| name | rule | default | |"
    yield "|---|---|---|---|"
    for each in entries:
        default = f"`{each.default}`" if each.default else "required" if each.required else ""
        yield f"| `{each.name}` | {each.rule} | {default} | {each.description} |"


def of_gateway() -> list[Entry]:
    done = subprocess.run([node(), str(GATEWAY / "settings.mjs")], capture_output=True, text=True, check=False)  # noqa: S603 - our own
    if done.returncode:
        raise LocalError(done.stderr)
    return [Entry(**each) for each in json.loads(done.stdout)]


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
