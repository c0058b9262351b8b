"""Requests children from the prefork process, which reports when one ends. One JSON object a line:

-> {"module": ["sales", "api"], "environment": {..}, "folder": "..", "log": ".."}
<- {"born": 4711}
<- {"ended": 4711, "code": -9}
"""

import asyncio
import json
import os
import signal
import sys
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol

ROOM = "-" * 200
"""Where a child's command line is written over this one's. See prefork_process.call_yourself."""


class Process(Protocol):
    """What is used of asyncio's processes, and what a child of the prefork has as well."""

    @property
    def pid(self) -> int: ...
    async def wait(self) -> int: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


class Forked:
    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def wait(self) -> int:
        return await asyncio.shield(self.ended)

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self.ended.done():
            raise ProcessLookupError(self.pid)
        os.kill(self.pid, number)


class Prefork:
    """Starts with the first child, and again after it has died."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._listening: asyncio.Task[None] | None = None
        self._expected: deque[asyncio.Future[Forked]] = deque()
        self._children: dict[int, Forked] = {}
        self._starting = asyncio.Lock()

    @staticmethod
    def works_here() -> bool:
        """Elsewhere a fork without an exec is not safe, or there is none."""
        return sys.platform == "linux"

    async def bear(
        self, module: tuple[str, ...], *, environment: Mapping[str, str], folder: Path, log: Path
    ) -> Process:
        """A process that runs the module as `python -m` would. Raises ChildProcessError if the prefork cannot."""
        async with self._starting:
            process = await self._running()
        assert process.stdin is not None
        request = {"module": module, "environment": dict(environment), "folder": str(folder), "log": str(log)}
        born: asyncio.Future[Forked] = asyncio.get_running_loop().create_future()
        self._expected.append(born)
        with suppress(ConnectionError):  # then `born` fails, too
            process.stdin.write(json.dumps(request).encode() + b"\n")
        return await asyncio.shield(born)

    async def stop(self) -> None:
        """Call it when its children have ended: any that are left end with it."""
        if self._process is None or self._listening is None:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._listening

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            self._log.parent.mkdir(parents=True, exist_ok=True)
            with self._log.open("ab") as log:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "kith_local.prefork_process",
                    ROOM,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=log,
                    process_group=0,
                )
            self._listening = asyncio.create_task(self._listen(self._process), name="prefork")
        return self._process

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            match json.loads(line):
                case {"born": pid}:
                    self._children[pid] = child = Forked(pid)
                    self._expected.popleft().set_result(child)
                case {"ended": pid, "code": code}:
                    self._children.pop(pid).ended.set_result(code)
        await process.wait()
        for expected in self._expected:
            expected.set_exception(ChildProcessError(f"the prefork ended, see {self._log}"))
        self._expected.clear()
        # The kernel ends them with it; with what code nobody will report.
        for child in self._children.values():
            child.ended.set_result(-signal.SIGTERM)
        self._children.clear()
