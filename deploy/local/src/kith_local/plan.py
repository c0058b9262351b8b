"""What a run consists of, as data: the supervisor knows no part by name."""

import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from kith_local.layout import ROOT
from kith_local.ports import Port


@dataclass(frozen=True, slots=True)
class Part:
    """A process that is kept running, or, as a task, run once."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path = ROOT
    ready: str = ""
    """The URL that answers 200 once the part can work. A task has none."""
    url: str = ""
    """What a person opens."""
    ports: tuple[Port, ...] = ()

    @property
    def module(self) -> tuple[str, ...]:
        """Of a `python -m MODULE ARGUMENTS` what stands after -m; else nothing."""
        return self.command[2:] if self.command[:2] == (sys.executable, "-m") else ()


class Infrastructure(Protocol):
    """A server that the processes need, and that starts and stops its own way. Blocking: called from a thread."""

    name: str
    url: str
    log: Path
    ports: tuple[Port, ...]
    stop_signal: signal.Signals

    def start(self, report: Callable[[str], None]) -> Mapping[str, str]:
        """Returns once it can be used, with the environment by which the processes find it. What may take long is
        reported."""

    def stop(self) -> None: ...

    @property
    def pid(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Plan:
    infrastructure: Sequence[Infrastructure]
    """Started first, all at once; stopped last."""
    early: Sequence[Part]
    """Need no infrastructure: started at once."""
    before: Sequence[Part]
    """Tasks, run side by side; all must succeed."""
    parts: Sequence[Part]
    after: Sequence[Part]
    """Tasks once all is ready. One that fails is reported, and ends nothing."""
    stop_order: Sequence[str] = ()
    """Endings of part names: the parts with the first one are stopped first, then the second, then all others."""
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def ports(self) -> list[Port]:
        return [
            port for group in (self.early, self.parts, self.infrastructure) for part in group for port in part.ports
        ]
