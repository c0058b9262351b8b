"""Builds the images by buildah, where no registry of base images is reached: `python -m tests.images.build [NAME …]`.

Stand-ins of the base images are made from Debian's packages, once: the Debian release that the real ones are of, with
its Python; the same with Node and npm from a wheel; and the same with a `cargo` that installs what `make hive-router`
has built, for that takes ten minutes. The Dockerfiles are the real ones. Needs root, buildah and debootstrap. All of it
stays in .kith/images.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.hive_router import ROUTER

from kith_local.layout import ROOT
from kith_local.node import _wheel

HOME = ROOT / ".kith" / "images"
RELEASE = "trixie"
PYTHON_BASE = "localhost/python:3.13-slim-trixie"
NODE_BASE = "localhost/node:24-trixie-slim"
RUST_BASE = "localhost/rust:1.95-slim-trixie"
BASES = {"gateway": NODE_BASE, "router": RUST_BASE}
"""Of an image that is not a service's."""
NAMES = ("contacts", "sales", "service-desk", "analytics", "gateway")
"""All but the router, which has to be named."""
CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"


@dataclass(frozen=True)
class Image:
    name: str
    root: Path
    """Its file system, mounted."""
    config: dict[str, Any]
    """What the image says of how it is run."""


def buildah(*arguments: str) -> str:
    """Containers would need rights that a container itself has not: a changed root does for a build."""
    command = (
        "buildah",
        "--root",
        f"{HOME}/storage",
        "--runroot",
        f"{HOME}/run",
        "--storage-driver",
        "vfs",
        *arguments,
    )
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT).stdout.strip()


def build(name: str) -> None:
    _require_tools()
    base = BASES.get(name, PYTHON_BASE)
    _make_base(base)
    file = f"{name}.Dockerfile" if name in BASES else "Dockerfile"
    buildah(
        *("build", "--isolation", "chroot", "--ulimit", "nofile=1024:1024", "--pull-never", "--no-cache"),
        *("--build-arg", f"BASE={base}", "--build-arg", f"SERVICE={name}"),
        *("--quiet", "-f", f"deploy/docker/{file}", "-t", f"kith/{name}", "."),
    )


def mounted(name: str) -> Image:
    """The image as it was built last."""
    container = f"kith-{name}"
    if container in buildah("containers", "--format", "{{.ContainerName}}").split():
        buildah("rm", container)
    buildah("from", "--pull-never", "--name", container, f"localhost/kith/{name}")
    inspected = json.loads(buildah("inspect", "--type", "image", f"localhost/kith/{name}"))
    return Image(name, Path(buildah("mount", container)), inspected["OCIv1"]["config"])


def _require_tools() -> None:
    if missing := [each for each in ("buildah", "debootstrap") if shutil.which(each) is None]:
        sys.exit(f"Missing: {' '.join(missing)}. On Debian and Ubuntu: apt-get install buildah debootstrap")
    if os.geteuid() != 0:
        sys.exit("Images are built and started in a changed root, which takes root.")


def _make_base(base: str) -> None:
    if base in buildah("images", "--format", "{{.Name}}:{{.Tag}}").split():
        return
    print(f"Making a stand-in of {base} (once)", flush=True)  # noqa: T201 - it takes a minute
    root = HOME / "base"
    if base in BASES.values():
        _make_base(PYTHON_BASE)
        _add_node(root) if base == NODE_BASE else _add_cargo(root)
    else:
        shutil.rmtree(root, ignore_errors=True)
        packages = "--include=python3,python3-venv,ca-certificates"
        subprocess.run(("debootstrap", "--variant=minbase", packages, RELEASE, root), check=True, stdout=sys.stderr)
        # What this machine trusts, the build does: there may be a proxy between it and the packages.
        shutil.copyfile(f"/{CERTIFICATES}", root / CERTIFICATES)
    container = buildah("from", "scratch")
    buildah("add", "--quiet", container, str(root), "/")
    buildah("commit", "--quiet", "--rm", container, base)


def _add_node(root: Path) -> None:
    """Where the real image has them."""
    local = root / "usr" / "local"
    shutil.copy2(_wheel() / "bin" / "node", local / "bin" / "node")
    shutil.copytree(_wheel() / "lib" / "node_modules", local / "lib" / "node_modules", dirs_exist_ok=True)
    (local / "bin" / "npm").unlink(missing_ok=True)
    (local / "bin" / "npm").symlink_to("../lib/node_modules/npm/bin/npm-cli.js")
    (local / "etc" / "npmrc").write_text(f"cafile=/{CERTIFICATES}\n")


def _add_cargo(root: Path) -> None:
    """One that installs what has been built, whatever it is asked for: into the folder that is named last."""
    local = root / "usr" / "local"
    shutil.copy2(ROUTER, local / "share" / ROUTER.name)
    cargo = local / "bin" / "cargo"
    cargo.write_text(f'#!/bin/sh\nfor folder; do :; done\nexec cp /usr/local/share/{ROUTER.name} "$folder/bin/"\n')
    cargo.chmod(0o755)


if __name__ == "__main__":
    for each in sys.argv[1:] or NAMES:
        print(f"Building kith/{each}", flush=True)  # noqa: T201 - the same
        build(each)
