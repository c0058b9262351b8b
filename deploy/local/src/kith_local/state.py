"""What runs, written to `.kith/run/state.json` at every change, so that the next command finds it."""

import fcntl
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import IO

import msgspec
import psutil

from kith_local.errors import LocalError


class Phase(StrEnum):
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


class PartPhase(StrEnum):
    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    DONE = "done"
    RESTARTING = "restarting"
    FAILING = "failing"
    STOPPING = "stopping"
    STOPPED = "stopped"


class ProcessId(msgspec.Struct, frozen=True):
    """A process, distinguished from a later one with the same number by the time it was made."""

    pid: int
    created: float

    @classmethod
    def of(cls, pid: int) -> "ProcessId | None":
        try:
            return cls(pid, psutil.Process(pid).create_time())
        except psutil.NoSuchProcess:
            return None

    def find(self) -> psutil.Process | None:
        """The process, if it still lives."""
        try:
            process = psutil.Process(self.pid)
            # The clock's granularity: two reads of one process's start may differ by a tick.
            if abs(process.create_time() - self.created) > 0.1 or process.status() == psutil.STATUS_ZOMBIE:
                return None
        except psutil.NoSuchProcess:
            return None
        return process


class PartState(msgspec.Struct):
    name: str
    url: str = ""
    log: str = ""
    ready: str = ""
    """Where it says whether it is ready, and what somebody should look at."""
    phase: PartPhase = PartPhase.WAITING
    process: ProcessId | None = None
    seconds: float = 0.0
    """From its start until it was ready."""
    restarts: int = 0
    note: str = ""
    stop_signal: int = signal.SIGTERM


class Failure(msgspec.Struct, frozen=True):
    message: str
    log: str = ""
    """The log whose end shows more."""


class State(msgspec.Struct):
    bus: str
    supervisor: ProcessId | None = None
    phase: Phase = Phase.STARTING
    parts: list[PartState] = []
    failure: Failure | None = None
    notes: list[str] = []


class StateFile:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "state.json"

    def write(self, state: State) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        new = self._path.with_suffix(".new")
        new.write_bytes(msgspec.json.format(msgspec.json.encode(state), indent=1))
        new.replace(self._path)

    def read(self) -> State | None:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=State)
        except (FileNotFoundError, msgspec.DecodeError):
            return None  # never run, or written by another version of this file

    @contextmanager
    def held(self) -> Iterator[None]:
        """Only one supervisor at a time. The lock goes with the process, however it ends."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "lock").open("w") as lock:
            _lock(lock)
            yield

    @property
    def is_held(self) -> bool:
        try:
            with (self._folder / "lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False


def _lock(file: IO[str]) -> None:
    deadline = time.monotonic() + 1.0
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # Someone who only asks whether it is held holds it for a moment.
            if time.monotonic() > deadline:
                raise LocalError("Kith runs already. `make status` shows what, `make stop` stops it.") from None
            time.sleep(0.05)


def clear_leftovers(state: State, *, patience: float = 10.0) -> list[str]:
    """Stops the processes of a supervisor that died, by number and time of birth. Returns the names of the parts."""
    left = {part.name: (process, part) for part in state.parts if part.process and (process := part.process.find())}
    for process, part in left.values():
        _send(process, part.stop_signal)
    _, alive = psutil.wait_procs([process for process, _ in left.values()], timeout=patience)
    for process in alive:
        _send(process, signal.SIGKILL)
    psutil.wait_procs(alive, timeout=patience)
    return sorted(left)


def _send(process: psutil.Process, number: int) -> None:
    with suppress(ProcessLookupError):  # it was faster
        os.kill(process.pid, number)
