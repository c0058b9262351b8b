"""When to start again what has died, and when to say that this leads nowhere."""

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

LIMIT = 5
WINDOW = 30.0
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 30.0


class Verdict(NamedTuple):
    pause: float
    """Seconds to wait before the next try."""
    hopeless: bool
    """It has died LIMIT times within WINDOW seconds."""


@dataclass(slots=True)
class Restarts:
    """The deaths of one process. The pauses double while it keeps dying, and start over once it has lived a while."""

    count: int = 0
    _pause: float = FIRST_PAUSE
    _deaths: deque[float] = field(default_factory=lambda: deque(maxlen=LIMIT))

    def died(self, *, now: float, lived: float) -> Verdict:
        self.count += 1
        self._deaths.append(now)
        self._pause = FIRST_PAUSE if lived > WINDOW else min(self._pause, LONGEST_PAUSE)
        verdict = Verdict(self._pause, len(self._deaths) == LIMIT and now - self._deaths[0] <= WINDOW)
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
        return verdict
