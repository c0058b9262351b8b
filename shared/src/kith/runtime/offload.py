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
import resource
import signal
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.connection import Connection
from time import perf_counter, process_time
from typing import Any, TypeVar, TypeVarTuple, Unpack
from weakref import WeakKeyDictionary

from prometheus_client import Counter, Histogram

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

SECONDS = 120
"""Of the processor's time: a piece that takes more is given up. On a busy machine it may take as long as it likes."""
TOOK = Histogram(
    "kith_offload_seconds", "Time of a piece of computation outside the event loop: `live` or `background`", ["lane"]
)
LOST = Counter(
    "kith_offload_lost_total",
    "Processes for computation that died, or were ended over a piece that took too long or was cancelled",
    ["lane"],
)
_SPAWN = get_context("spawn")  # a fork would share the parent's connections


class Lost(RuntimeError):
    """The helper's process died over a piece, or took too long: it may be the piece's fault, so it is not repeated."""


@dataclass
class Lane:
    """One helper process, begun with its service, or with the first piece. It ends with its parent."""

    name: str
    niceness: int = 0
    _helper: "_Helper | None" = None
    _locks: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = field(default_factory=WeakKeyDictionary)

    async def start(self, module: str) -> None:
        """Begins the process and loads a module there, which takes longest: the first caller waits for neither. Raises
        NotStarted and Lost."""
        await self.run(_load, (module,), SECONDS)

    async def run(self, function: Callable[[Unpack[Ts]], T], arguments: tuple[*Ts], seconds: int) -> T:
        LOST.labels(self.name)  # from the start: else the first loss would not be an increase
        async with self._lock:
            helper = await self._started()
            started = perf_counter()
            try:
                answer = await asyncio.to_thread(helper.ask, function, arguments, seconds)
            except BaseException:
                # Also where the caller was cancelled: nobody wants the rest, and others wait behind it.
                helper.end()
                self._helper = None
                LOST.labels(self.name).inc()
                raise
            TOOK.labels(self.name).observe(perf_counter() - started)
        if isinstance(answer, BaseException):
            raise answer
        return answer  # type: ignore[no-any-return]  # what the function returns

    @property
    def _lock(self) -> asyncio.Lock:
        return self._locks.setdefault(asyncio.get_running_loop(), asyncio.Lock())

    async def _started(self) -> "_Helper":
        """Another one if it died while it had nothing to do: that was no piece's fault."""
        if self._helper is None or not self._helper.is_alive:
            self._helper = await asyncio.to_thread(_Helper, self.name, self.niceness)
        return self._helper


LIVE = Lane("live")
"""What somebody waits for: scores of what just happened, requests."""
BACKGROUND = Lane("background", niceness=5)
"""What takes minutes in all."""


async def offload(function: Callable[[Unpack[Ts]], T], *arguments: *Ts, lane: Lane = LIVE, seconds: int = SECONDS) -> T:
    """Compute it in the lane's process, after what was handed over before. The function is one of a module's; what it
    raises is raised here. Raises Lost if the process dies or takes more than so many seconds of the processor's time,
    NotStarted if there is none."""
    return await lane.run(function, arguments, seconds)


class NotStarted(ConnectionError):
    """There is no process to compute in: no piece's fault, and to be waited for."""


class _Helper:
    def __init__(self, name: str, niceness: int) -> None:
        """Raises NotStarted."""
        self._ours, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=_serve, args=(theirs, niceness), name=f"kith {name}", daemon=True)
        try:
            self._process.start()
            theirs.close()
            self._ours.recv_bytes()  # it is there, and has loaded what it needs to read a request
        except (EOFError, OSError, RuntimeError) as error:
            raise NotStarted("No process to compute in could be started.") from error

    @property
    def is_alive(self) -> bool:
        return self._process.is_alive()

    def ask(self, function: Callable[..., Any], arguments: tuple[Any, ...], seconds: int) -> Any:
        """Blocks. Returns what the function raised instead of raising it. Raises Lost."""
        request = pickle.dumps((function, arguments, seconds))
        try:
            self._ours.send_bytes(request)
            return pickle.loads(self._ours.recv_bytes())  # noqa: S301 - of our own process
        except (EOFError, OSError) as error:
            self._ours.close()  # here, where nobody else reads from it
            self._process.join()
            took_too_long = self._process.exitcode == -signal.SIGXCPU
            reason = f"It took over {seconds} seconds." if took_too_long else "The process that computed it has died."
            raise Lost(reason) from error

    def end(self) -> None:
        """Ends the process; a caller that waits gets Lost."""
        self._process.kill()
        self._process.join()


def _load(module: str) -> None:
    import_module(module)


def _serve(requests: Connection, niceness: int) -> None:
    os.setpgid(0, 0)  # what a terminal or a supervisor signals to all of a group is for the parent, which ends this
    os.nice(niceness)
    requests.send_bytes(b"ready")
    while True:
        try:
            message = requests.recv_bytes()
        except (EOFError, OSError):
            return  # the parent has ended
        try:
            function, arguments, seconds = pickle.loads(message)  # noqa: S301 - of our own process
            _, most = resource.getrlimit(resource.RLIMIT_CPU)
            resource.setrlimit(resource.RLIMIT_CPU, (int(process_time()) + 1 + seconds, most))
            answer = pickle.dumps(function(*arguments))
        except Exception as error:  # noqa: BLE001 - whatever it was, it is the caller's
            error.add_note(traceback.format_exc())
            answer = pickle.dumps(_as_sent(error))
        requests.send_bytes(answer)


def _as_sent(error: Exception) -> Exception:
    """One that cannot be pickled as what can be."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - made here
    except Exception:  # noqa: BLE001 - its class may do anything
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
