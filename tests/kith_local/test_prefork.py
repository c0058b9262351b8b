import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from kith_local.prefork import Prefork, Process

pytestmark = pytest.mark.skipif(not Prefork.works_here(), reason="services are started one by one here")

CHILD = """
import os, sys, time
print(__name__, sys.argv[1:], os.environ["WHO"], os.getcwd(), flush=True)
if sys.argv[1] == "fail":
    sys.exit(3)
time.sleep(60)
"""


class Cradle:
    def __init__(self, prefork: Prefork, folder: Path) -> None:
        self.prefork = prefork
        self.folder = folder
        self.log = folder / "child.log"
        (folder / "a_child.py").write_text(CHILD)

    async def bear(self, *arguments: str) -> Process:
        environment = {**os.environ, "WHO": "me"}
        return await self.prefork.bear(
            ("a_child", *arguments), environment=environment, folder=self.folder, log=self.log
        )

    async def said(self) -> str:
        async with asyncio.timeout(10):
            while not (said := self.log.read_text() if self.log.exists() else ""):  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.02)
        return said


@pytest.fixture
async def cradle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cradle]:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    prefork = Prefork(tmp_path / "prefork.log")
    try:
        yield Cradle(prefork, tmp_path)
    finally:
        await prefork.stop()


async def ended(process: Process) -> int:
    async with asyncio.timeout(10):
        return await process.wait()


async def test_a_child_runs_as_a_process_of_its_own_would(cradle: Cradle) -> None:
    child = await cradle.bear("stay", "put")
    assert await cradle.said() == f"__main__ ['stay', 'put'] me {cradle.folder}\n"
    assert psutil.Process(child.pid).cmdline()[:5] == [sys.executable, "-m", "a_child", "stay", "put"]
    assert os.getpgid(child.pid) == child.pid
    child.terminate()
    assert await ended(child) == -signal.SIGTERM


async def test_its_exit_code_is_reported(cradle: Cradle) -> None:
    assert await ended(await cradle.bear("fail")) == 3


async def test_many_are_born_at_once(cradle: Cradle) -> None:
    children = await asyncio.gather(*(cradle.bear("stay") for _ in range(4)))
    assert len({child.pid for child in children}) == 4
    for child in children:
        child.kill()
    assert [await ended(child) for child in children] == [-signal.SIGKILL] * 4


async def test_who_has_ended_is_not_signalled_again(cradle: Cradle) -> None:
    child = await cradle.bear("fail")
    await ended(child)
    with pytest.raises(ProcessLookupError):
        child.terminate()  # its number may be another's by now


async def test_children_end_with_a_killed_prefork_and_the_next_is_born_by_a_new_one(cradle: Cradle) -> None:
    child = await cradle.bear("stay")
    killed = psutil.Process(child.pid).ppid()
    os.kill(killed, signal.SIGKILL)
    assert await ended(child) == -signal.SIGTERM
    another = await cradle.bear("stay")
    assert psutil.Process(another.pid).ppid() != killed
    another.kill()
    await ended(another)


async def test_a_prefork_that_cannot_start_is_an_error_and_no_hang(
    cradle: Cradle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    with pytest.raises(ChildProcessError, match=r"prefork\.log"):
        async with asyncio.timeout(10):
            await cradle.bear("stay")
