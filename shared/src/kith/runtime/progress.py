"""Shows how far a command has come: a bar on a terminal, else a line now and then."""

import sys
import time
from typing import Protocol

SAY_EVERY = 5.0
_BAR = 30


class Progress(Protocol):
    def begin(self, what: str, total: int | None = None) -> None: ...

    def advance(self, done: int) -> None: ...


class Silent:
    def begin(self, what: str, total: int | None = None) -> None:
        pass

    def advance(self, done: int) -> None:
        pass


class Shown:
    """Shows the progress on stderr."""

    def __init__(self) -> None:
        self._bar = sys.stderr.isatty()
        self._what = ""

    def begin(self, what: str, total: int | None = None) -> None:
        self.end()
        self._what, self._total, self._done = what, total, 0
        self._started = self._said = time.monotonic()
        if total is None:
            print(f"{what} ..", file=sys.stderr)  # noqa: T201 - that is what it is for

    def advance(self, done: int) -> None:
        self._done += done
        now = time.monotonic()
        if now - self._said > (0.1 if self._bar else SAY_EVERY):
            self._said = now
            self._say(now)

    def end(self) -> None:
        if self._what and self._done:
            self._say(time.monotonic())
            if self._bar:
                print(file=sys.stderr)  # noqa: T201
        self._what = ""

    def _say(self, now: float) -> None:
        rate = self._done / max(now - self._started, 1e-9)
        line = f"{self._what}: {self._done:,}"
        if self._total:  # the planner's estimate, which the actual number may exceed
            line += f" of about {max(self._total, self._done):,}"
            part = round(_BAR * min(self._done / self._total, 1))
            line = f"{'█' * part}{'░' * (_BAR - part)} {line}" if self._bar else line
        line += f", {rate:,.0f} a second"
        print(f"\r{line}\x1b[K" if self._bar else line, end="" if self._bar else "\n", file=sys.stderr, flush=True)  # noqa: T201
