"""Runs an image as a container would: its entrypoint, user and environment, on a root that nobody can write to."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import httpx
import psutil
from tests.images.build import Image

PATIENCE = 60.0
"""Seconds until a check gives up waiting; never a measure of how long something takes."""
SOCKETS = "/tmp/postgres"  # noqa: S108 - in a root of its own
ENTER = r"""
set -e
root=$1 user=$2 sockets=$3; shift 3
/usr/bin/mount --bind "$root" "$root"
/usr/bin/mount -o remount,ro,bind "$root"
/usr/bin/mount -t proc proc "$root/proc"
/usr/bin/mount --rbind /dev "$root/dev"
/usr/bin/mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
/usr/bin/mkdir "$root/tmp/postgres"
/usr/bin/touch "$root/tmp/postgres/.s.PGSQL.5432"
/usr/bin/mount --bind "$sockets/.s.PGSQL.5432" "$root/tmp/postgres/.s.PGSQL.5432"
exec /usr/sbin/chroot --userspec="$user" "$root" "$@"
"""
USUAL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Of an image that names none. Programs of this machine are named by their paths: the search path is the image's."""


@dataclass(frozen=True)
class Process:
    outer: "subprocess.Popen[bytes]"
    log: Path

    @property
    def inner(self) -> psutil.Process:
        """Its first process: the entrypoint."""
        (child,) = psutil.Process(self.outer.pid).children()
        return child

    def stop(self) -> int:
        """Returns the exit code, after the signal that a container is stopped by."""
        self.inner.send_signal(signal.SIGTERM)
        return self.outer.wait(PATIENCE)

    def await_answer(self, url: str) -> str:
        """The body of the first answer of 200."""

        def answer() -> str | None:
            assert self.outer.poll() is None, self.log.read_text()
            try:
                response = httpx.get(url, trust_env=False)
            except httpx.TransportError:
                return None
            return response.text if response.status_code == 200 else None

        return until(answer, lambda: f"{url} does not answer\n{self.log.read_text()}")


T = TypeVar("T")


def until(found: Callable[[], T | None], otherwise: Callable[[], str]) -> T:
    deadline = time.monotonic() + PATIENCE
    while (result := found()) is None:
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.1)
    return result


def run(image: Image, *arguments: str, log: Path, sockets: Path, **settings: str) -> "subprocess.Popen[bytes]":
    """`sockets` is the folder of PostgreSQL's; the image sees its socket, and nothing else of it, in SOCKETS."""
    config = image.config
    enter = ("/bin/bash", "-c", ENTER, "enter", str(image.root), config["User"], str(sockets))
    given = dict(each.split("=", 1) for each in config["Env"])
    program = (*config["Entrypoint"], *(arguments or config.get("Cmd", ())))
    with log.open("wb") as output:
        return subprocess.Popen(
            ("/usr/bin/unshare", "--mount", "--pid", "--fork", "--kill-child", *enter, *program),
            env={"PATH": USUAL_PATH} | given | settings,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


@contextmanager
def running(image: Image, *arguments: str, log: Path, sockets: Path, **settings: str) -> Iterator[Process]:
    process = run(image, *arguments, log=log, sockets=sockets, **settings)
    try:
        yield Process(process, log)
    finally:
        # --kill-child does not reach a process that has become another user.
        if process.poll() is None:
            for child in psutil.Process(process.pid).children():
                child.kill()
        process.kill()
        process.wait()
