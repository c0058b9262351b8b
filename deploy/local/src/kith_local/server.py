"""PostgreSQL or Kafka: a server that starts its own way, watched, and started again when it dies."""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from kith_local.errors import LocalError, PartFailed
from kith_local.plan import Infrastructure
from kith_local.restarts import Restarts
from kith_local.state import PartPhase, PartState, ProcessId

LOOK_EVERY = 0.5


class Server:
    def __init__(self, server: Infrastructure, state: PartState, *, changed: Callable[[], None]) -> None:
        self.server = server
        self.state = state
        state.log = str(server.log)
        state.stop_signal = server.stop_signal
        self._changed = changed
        self._starting: asyncio.Future[Mapping[str, str]] | None = None
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> Mapping[str, str]:
        """Raises PartFailed."""
        environment = await self._start()
        self._watching = asyncio.create_task(self._watch(), name=self.server.name)
        return environment

    async def stop(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching
        if self._starting is None:
            return
        with suppress(Exception):
            # A thread cannot be interrupted: what it is starting must be there before it can be stopped.
            await self._starting
        self._report(PartPhase.STOPPING)
        await asyncio.to_thread(self.server.stop)
        self.state.process = None
        self._report(PartPhase.STOPPED)

    async def _start(self) -> Mapping[str, str]:
        began = time.monotonic()
        self._report(PartPhase.STARTING)
        self._starting = asyncio.ensure_future(asyncio.to_thread(self.server.start, self._reporter_for_thread()))
        try:
            environment = await asyncio.shield(self._starting)
        except LocalError:
            raise
        except Exception as error:
            # Whatever a launcher raises, the part did not come up.
            self._report(PartPhase.FAILING, note=str(error))
            raise PartFailed(self.server.name, f"{type(error).__name__}: {error}") from error
        pid = self.server.pid
        self.state.process = None if pid is None else ProcessId.of(pid)
        self.state.seconds = round(time.monotonic() - began, 1)
        self._report(PartPhase.READY)
        return environment

    async def _watch(self) -> None:
        restarts = Restarts()
        born = time.monotonic()
        while True:
            await asyncio.sleep(LOOK_EVERY)
            if self.state.process is None or self.state.process.find() is not None:
                continue
            verdict = restarts.died(now=time.monotonic(), lived=time.monotonic() - born)
            self.state.restarts = restarts.count
            self._report(PartPhase.FAILING if verdict.hopeless else PartPhase.RESTARTING, note="it ended")
            await asyncio.sleep(verdict.pause)
            with suppress(LocalError):  # reported in its state; the next look tries again
                await self._start()
                born = time.monotonic()

    def _reporter_for_thread(self) -> Callable[[str], None]:
        loop = asyncio.get_running_loop()

        def report(words: str) -> None:
            loop.call_soon_threadsafe(lambda: self._report(PartPhase.STARTING, note=words))

        return report

    def _report(self, phase: PartPhase, *, note: str = "") -> None:
        self.state.phase = phase
        self.state.note = note
        self._changed()
