"""Starts everything in order, keeps it running, stops it in order."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

from kith_local.child import Child
from kith_local.errors import LocalError, PartFailed
from kith_local.layout import Layout
from kith_local.plan import Part, Plan
from kith_local.ports import require_free
from kith_local.prefork import Prefork
from kith_local.server import Server
from kith_local.state import Failure, PartState, Phase, ProcessId, State, StateFile, clear_leftovers

GRACE = 15.0
"""Seconds a process has to finish what it is doing before it is killed."""
PATIENCE = 90.0
"""Seconds a process has to become ready. A fresh machine compiles all Python code first."""
SAME_WISH = 1.0
"""Seconds in which a second signal is the same wish: make hands on what the terminal sends us anyway."""


class Supervisor:
    def __init__(
        self,
        plan: Plan,
        layout: Layout,
        *,
        notify: Callable[[State], None] = lambda _: None,
        grace: float = GRACE,
        patience: float = PATIENCE,
    ) -> None:
        self.plan = plan
        self.layout = layout
        self.state = State(bus=layout.bus, supervisor=ProcessId.of(os.getpid()))
        self._file = StateFile(layout.run)
        self._notify = notify
        self._grace = grace
        self._patience = patience
        self._environment = {**os.environ, **plan.environment}
        self._prefork = Prefork(layout.log_of("prefork")) if Prefork.works_here() else None
        self._children: list[Child] = []
        self._servers: list[Server] = []
        self._stop_requested = asyncio.Event()
        self._signalled_at = 0.0

    def request_stop(self) -> None:
        if not self._stop_requested.is_set():
            self._signalled_at = time.monotonic()
            self._stop_requested.set()
        elif time.monotonic() - self._signalled_at > SAME_WISH:
            # Signalled twice: at once, then. The kernel ends the children, the next command what else is left.
            sys.stderr.write("stopping at once\n")
            os._exit(130)

    async def run(self) -> int:
        """Runs until it is to stop. Returns the exit code: 0, or 1 if something did not come up. Raises LocalError if
        Kith runs already."""
        with self._file.held():
            try:
                self._clear_up()
                await self._until_stop_or(self._start())
                if not self._stop_requested.is_set():
                    self._enter(Phase.READY)
                    await self._stop_requested.wait()
            except LocalError as error:
                self.state.failure = Failure(str(error), self._log_of(error))
            self._enter(Phase.STOPPING)
            await self._stop()
            self._enter(Phase.FAILED if self.state.failure else Phase.STOPPED)
        return 1 if self.state.failure else 0

    def _clear_up(self) -> None:
        previous = self._file.read()
        if previous is not None and (left := clear_leftovers(previous)):
            self.state.notes.append(f"stopped what an earlier run had left behind: {', '.join(left)}")
        self._changed()
        require_free(self.plan.ports)
        if self.layout.logs.exists():
            for log in self.layout.logs.glob("*.log"):
                if log.name != "supervisor.log":  # this process writes there
                    log.replace(log.with_suffix(".log.1"))

    async def _until_stop_or(self, work: Awaitable[None]) -> None:
        working = asyncio.ensure_future(work)
        stopping = asyncio.ensure_future(self._stop_requested.wait())
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not working.done():
            working.cancel()
        with suppress(asyncio.CancelledError):
            await working

    async def _start(self) -> None:
        plan = self.plan
        self._servers = [
            Server(server, self._row(server.name, server.url), changed=self._changed) for server in plan.infrastructure
        ]
        early = [self._child(part) for part in plan.early]
        before = [self._child(part) for part in plan.before]
        parts = [self._child(part) for part in plan.parts]
        after = [self._child(part) for part in plan.after]
        self._keep_running(early)
        for environment in await asyncio.gather(*(server.start() for server in self._servers)):
            self._environment.update(environment)
        await self._all(child.run_once() for child in before)
        self._keep_running(parts)
        await self._all(child.came_up(within=self._patience) for child in [*early, *parts])
        for child in after:
            try:
                await child.run_once()
            except PartFailed as error:
                self.state.notes.append(f"{error} (see {self.layout.shown(self.layout.log_of(error.part))})")

    async def _all(self, work: Iterable[Awaitable[None]]) -> None:
        """The first failure ends the others, and is the one that is raised."""
        tasks = [asyncio.ensure_future(one) for one in work]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _keep_running(self, children: list[Child]) -> None:
        self._children += children
        for child in children:
            child.keep_running()

    def _child(self, part: Part) -> Child:
        return Child(
            part,
            self._row(part.name, part.url, part.ready),
            environment=self._environment,
            log=self.layout.log_of(part.name),
            changed=self._changed,
            prefork=self._prefork,
        )

    def _row(self, name: str, url: str, ready: str = "") -> PartState:
        row = PartState(name=name, url=url, ready=ready, log=str(self.layout.log_of(name)))
        self.state.parts.append(row)
        return row

    def _log_of(self, error: LocalError) -> str:
        failed = error.part if isinstance(error, PartFailed) else None
        return next((row.log for row in self.state.parts if row.name == failed), "")

    async def _stop(self) -> None:
        left = list(self._children)
        for ending in (*self.plan.stop_order, ""):
            now = [child for child in left if child.part.name.endswith(ending)]
            left = [child for child in left if child not in now]
            await asyncio.gather(*(child.stop(grace=self._grace) for child in now))
        if self._prefork is not None:
            await self._prefork.stop()
        for server in reversed(self._servers):
            await server.stop()

    def _enter(self, phase: Phase) -> None:
        self.state.phase = phase
        self._changed()

    def _changed(self) -> None:
        self._file.write(self.state)
        self._notify(self.state)


async def supervise(supervisor: Supervisor) -> int:
    """Run it with the signals that ask a process to end wired to stopping in order."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, supervisor.request_stop)
    return await supervisor.run()
