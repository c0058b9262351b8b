"""One process: started, watched, started again when it dies, stopped."""

import asyncio
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from kith_local.errors import PartFailed
from kith_local.plan import Part
from kith_local.prefork import Prefork, Process
from kith_local.probe import answers_ok
from kith_local.restarts import LIMIT, WINDOW, Restarts
from kith_local.state import PartPhase, PartState, ProcessId

PROBE_PAUSE = 0.15


def _dies_with_parent() -> Callable[[], None] | None:
    """Linux ends the child when the supervisor dies, whatever kills it. Elsewhere the next start cleans up."""
    if sys.platform != "linux":
        return None
    libc, parent, set_pdeathsig = ctypes.CDLL(None), os.getpid(), 1

    def hook() -> None:
        libc.prctl(set_pdeathsig, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)  # the parent died in between

    return hook


class Child:
    def __init__(
        self,
        part: Part,
        state: PartState,
        *,
        environment: Mapping[str, str],
        log: Path,
        changed: Callable[[], None],
        prefork: Prefork | None = None,
    ) -> None:
        self.part = part
        self.state = state
        self._environment = environment
        self._log = log
        self._changed = changed
        self._prefork = prefork
        self._process: Process | None = None
        self._restarts = Restarts()
        self._stopping = asyncio.Event()
        self._came_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # Nobody may be waiting any more when it fails: asyncio would complain at the end.
        self._came_up.add_done_callback(lambda future: future.cancelled() or future.exception())
        self._life: asyncio.Task[None] | None = None

    async def run_once(self) -> None:
        """Run a task to its end. Raises PartFailed if it ends with another code than 0."""
        began = time.monotonic()
        process = await self._spawn()
        try:
            code = await process.wait()
        except asyncio.CancelledError:
            await self._end(process, grace=2.0)
            raise
        if code != 0:
            self._report(PartPhase.FAILING, note=_exit(code))
            raise PartFailed(self.part.name, _exit(code))
        self.state.process = None
        self._report(PartPhase.DONE, seconds=time.monotonic() - began)

    def keep_running(self) -> None:
        # Spawned from the main thread, always: the kernel's "parent" is the thread, and a worker thread may end.
        self._life = asyncio.create_task(self._live(), name=self.part.name)

    async def came_up(self, *, within: float) -> None:
        """Raises PartFailed if it dies too often before it is ready, or takes too long."""
        try:
            async with asyncio.timeout(within):
                await asyncio.shield(self._came_up)
        except TimeoutError:
            reason = f"{self.part.ready} did not answer 200 within {within:.0f} s"
            raise PartFailed(self.part.name, reason) from None

    async def stop(self, *, grace: float) -> None:
        """SIGTERM, and SIGKILL after `grace` seconds."""
        self._stopping.set()
        if self._life is None:
            return
        self._report(PartPhase.STOPPING)
        if self._process is not None:
            await self._end(self._process, grace=grace)
        await self._life
        self.state.process = None
        self._report(PartPhase.STOPPED)

    async def _live(self) -> None:
        while not self._stopping.is_set():
            born = time.monotonic()
            process = self._process = await self._spawn()
            if self._stopping.is_set():
                await self._end(process, grace=2.0)
            readiness = asyncio.create_task(self._watch_readiness(born))
            code = await process.wait()
            readiness.cancel()
            self._process = None
            if not self._stopping.is_set():
                await self._pause_after_death(code, born)

    async def _watch_readiness(self, born: float) -> None:
        while not await answers_ok(self.part.ready):  # noqa: ASYNC110 - another process has no event to wait for
            await asyncio.sleep(PROBE_PAUSE)
        self._report(PartPhase.READY, seconds=time.monotonic() - born)
        if not self._came_up.done():
            self._came_up.set_result(None)

    async def _pause_after_death(self, code: int, born: float) -> None:
        now = time.monotonic()
        verdict = self._restarts.died(now=now, lived=now - born)
        self.state.process = None
        self.state.restarts = self._restarts.count
        if verdict.hopeless:
            reason = f"it ended {LIMIT} times within {WINDOW:.0f} s, the last time with {_exit(code)}"
            self._report(PartPhase.FAILING, note=reason)
            if not self._came_up.done():
                self._came_up.set_exception(PartFailed(self.part.name, reason))
        else:
            self._report(PartPhase.RESTARTING, note=f"ended with {_exit(code)}")
        with suppress(TimeoutError):
            async with asyncio.timeout(verdict.pause):
                await self._stopping.wait()

    async def _spawn(self) -> Process:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        # Read now: it has grown since, by where the databases are.
        environment = {**self._environment, **self.part.environment}
        process: Process | None = None
        if self._prefork is not None and self.part.module:
            with suppress(ChildProcessError):  # then as any other
                process = await self._prefork.bear(
                    self.part.module, environment=environment, folder=self.part.folder, log=self._log
                )
        if process is None:
            process = await self._execute(environment)
        self.state.process = ProcessId.of(process.pid)
        self._report(PartPhase.STARTING)
        return process

    async def _execute(self, environment: Mapping[str, str]) -> Process:
        with self._log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *self.part.command,
                cwd=self.part.folder,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A group of its own: Ctrl-C reaches the supervisor only, which stops the parts in order.
                process_group=0,
                preexec_fn=_dies_with_parent(),
            )

    async def _end(self, process: Process, *, grace: float) -> None:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(grace):
                await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _report(self, phase: PartPhase, *, note: str = "", seconds: float | None = None) -> None:
        self.state.phase = phase
        self.state.note = note
        if seconds is not None:
            self.state.seconds = round(seconds, 1)
        self._changed()


def _exit(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
