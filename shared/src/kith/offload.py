"""Computation beside the event loop: what takes more than some milliseconds runs in a process of its own.

A thread would not do. Arithmetic on many small arrays holds Python's lock most of the time, and the loop gets it back
five milliseconds late at each turn: a fold beside it took three times as long, and takes as long as alone beside a
process (measured, ADR 36). What goes there and back is pickled, so it is arrays and plain values; and it is handed over
in pieces of about a second, as there is one helper per lane and each does one piece after the other.

No transaction stays open meanwhile: PostgreSQL ends one that is silent for long, and it holds up the cleaning of all
tables. So it is read, computed and written, each by itself.
"""

import asyncio
import os
import pickle
import signal
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from time import perf_counter
from typing import Any, TypeVar, TypeVarTuple, Unpack
from weakref import WeakKeyDictionary

from prometheus_client import Counter, Histogram

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

SECONDS = 300.0
"""A piece that takes longer is given up."""
TOOK = Histogram("kith_offload_seconds", "Time that a piece of computation took beside the event loop", ["lane"])
LOST = Counter("kith_offload_lost_total", "Processes for computation that died or were ended over a piece", ["lane"])
_SPAWN = get_context("spawn")  # a fork would share the parent's connections


class Lost(RuntimeError):
    """The helper's process died over a piece, or took too long: it may be the piece's fault, so it is not repeated."""


@dataclass
class Lane:
    """One helper process, begun with the first piece. It ends with its parent."""

    name: str
    niceness: int = 0
    _helper: "_Helper | None" = None
    _locks: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = field(default_factory=WeakKeyDictionary)

    async def run(self, function: Callable[[Unpack[Ts]], T], arguments: tuple[*Ts], seconds: float) -> T:
        async with self._locks.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
            if self._helper is None:
                self._helper = await asyncio.to_thread(_Helper, self.name, self.niceness)
            helper, started = self._helper, perf_counter()
            try:
                async with asyncio.timeout(seconds):
                    answer = await asyncio.to_thread(helper.ask, function, arguments)
            except BaseException as error:
                # Also where whoever waited was cancelled: nobody wants the rest, and others wait behind it.
                helper.end()
                self._helper = None
                LOST.labels(self.name).inc()
                if isinstance(error, TimeoutError):
                    raise Lost(f"It took over {seconds:.0f} seconds.") from error
                raise
            TOOK.labels(self.name).observe(perf_counter() - started)
        if isinstance(answer, BaseException):
            raise answer
        return answer  # type: ignore[no-any-return]  # what the function answers


LIVE = Lane("live")
"""What somebody waits for: scores of what just happened, requests."""
BACKGROUND = Lane("background", niceness=10)
"""What takes minutes in all."""


async def offload(
    function: Callable[[Unpack[Ts]], T], *arguments: *Ts, lane: Lane = LIVE, seconds: float = SECONDS
) -> T:
    """Compute it in the lane's process, after what was handed over before. The function is one of a module's; what it
    raises is raised here. Raises Lost if the process dies or takes longer than `seconds`."""
    return await lane.run(function, arguments, seconds)


class _Helper:
    def __init__(self, name: str, niceness: int) -> None:
        self._ours, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=_serve, args=(theirs, niceness), name=f"kith {name}", daemon=True)
        self._process.start()
        theirs.close()

    def ask(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        """Blocks. Answers what the function raised instead of raising it. Raises Lost."""
        asked = pickle.dumps((function, arguments))
        try:
            self._ours.send_bytes(asked)
            return pickle.loads(self._ours.recv_bytes())  # noqa: S301 - of our own process
        except (EOFError, OSError) as error:
            self._ours.close()  # here, where nobody else reads from it
            raise Lost("The process that computed it has died.") from error

    def end(self) -> None:
        """Whoever asks is answered that it was lost."""
        self._process.kill()
        self._process.join()


def _serve(asked: Connection, niceness: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this
    os.nice(niceness)
    while True:
        try:
            message = asked.recv_bytes()
        except (EOFError, OSError):
            return  # the parent has ended
        try:
            function, arguments = pickle.loads(message)  # noqa: S301 - of our own process
            answer = pickle.dumps(function(*arguments))
        except Exception as error:  # noqa: BLE001 - whatever it was, it is the caller's
            error.add_note(traceback.format_exc())
            answer = pickle.dumps(_as_sent(error))
        asked.send_bytes(answer)


def _as_sent(error: Exception) -> Exception:
    """One that cannot be pickled as what can be."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - made here
    except Exception:  # noqa: BLE001 - its class may do anything
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
