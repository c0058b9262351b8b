"""Apache Kafka's jars: fetched once by jgo, and used only as they are pinned."""

import fcntl
import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

KAFKA_VERSION = "4.3.1"
# kafka-clients and the logging binding are named because with what Kafka itself asks for, jgo chooses older clients.
COORDINATES = (
    f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}",
    f"org.apache.kafka:kafka-clients:{KAFKA_VERSION}",
    "org.slf4j:slf4j-reload4j:1.7.36",
)

Progress = Callable[[str, int, int], None]
"""Called for each jar: its name, how many are there, how many there are to be."""


class KafkaUnavailable(RuntimeError):
    """This machine has no Kafka and cannot get it."""


class JarMismatch(RuntimeError):
    """What was fetched is not what was pinned."""


def fetch(folder: Path, progress: Progress | None = None) -> Path:
    """The folder with Kafka's jars, in `folder`; fetched if they are not there (44 MB, once).

    Raises KafkaUnavailable if they cannot be fetched, JarMismatch if they are not the pinned ones.
    """
    pins = _pins()
    jars = folder.resolve() / f"jars-{KAFKA_VERSION}"
    jars.mkdir(parents=True, exist_ok=True)
    with _alone(folder.resolve()):
        if {path.name for path in jars.glob("*.jar")} != pins.keys():
            found = _download(folder.resolve() / "maven", progress or _silent)
            _compare(found, pins)
            for name, path in found.items():
                # First beside, then in place: if this is killed, what is there is whole.
                beside = jars / f"{name}.part"
                shutil.copyfile(path, beside)
                beside.replace(jars / name)
    _compare({path.name: path for path in jars.glob("*.jar")}, pins)
    return jars


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two who fetch at the same time would write into each other's files: the second waits, and finds them there."""
    with (folder / "fetching.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _download(cache: Path, progress: Progress) -> Mapping[str, Path]:
    import jgo.maven  # noqa: PLC0415 - slow to load, and needed once
    from jgo.parse import Coordinate  # noqa: PLC0415

    context = jgo.maven.MavenContext(repo_cache=cache, timeout=30)
    try:
        wanted = [context.create_dependency(replace(Coordinate.parse(each), scope="compile")) for each in COORDINATES]
        named, implied = context.resolver.resolve(wanted)
        needed = [each for each in implied if each.scope in {"compile", "runtime"}]
        artifacts = [each.artifact for each in (*named, *needed)]
        found: dict[str, Path] = {}
        for artifact in artifacts:
            path = Path(artifact.resolve())
            found[path.name] = path
            progress(path.name, len(found), len(artifacts))
    except (OSError, RuntimeError, ValueError) as error:
        raise KafkaUnavailable(f"Kafka {KAFKA_VERSION} cannot be fetched: {error}") from error
    return found


def _compare(found: Mapping[str, Path], pins: Mapping[str, str]) -> None:
    """Raises JarMismatch."""
    wrong = sorted(found.keys() ^ pins.keys())
    wrong += sorted(name for name in found.keys() & pins.keys() if _sha256(found[name]) != pins[name])
    if wrong:
        raise JarMismatch(f"not as pinned in kafka_jars.sha256: {', '.join(wrong)}; delete them to fetch them again")


def _pins() -> Mapping[str, str]:
    lines = files("kith_local").joinpath("kafka_jars.sha256").read_text().splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _silent(_name: str, _there: int, _all: int) -> None:
    return None
