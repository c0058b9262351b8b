import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import psutil
import pytest

from kith_local.postgres import EmbeddedPostgres


@pytest.fixture
def server() -> Iterator[EmbeddedPostgres]:
    """A server of the test's own: it will be killed. Not below tmp_path, which no other login may enter."""
    with tempfile.TemporaryDirectory(prefix="kith-test-", ignore_cleanup_errors=True) as folder:
        server = EmbeddedPostgres(Path(folder) / "pg").start()
        try:
            yield server
        finally:
            server.stop()


def test_a_killed_server_starts_again_with_what_was_committed(server: EmbeddedPostgres) -> None:
    server.create_databases("kept")
    before = server.pid
    assert before is not None
    os.kill(before, signal.SIGKILL)
    until_dead(before)
    server.start()
    assert server.pid != before
    server.create_databases("kept", "another")  # answers, and finds the first one


def until_dead(pid: int) -> None:
    """A signal takes its time to arrive. The parent that should reap the process may not do so."""
    deadline = time.monotonic() + 30
    with suppress(psutil.NoSuchProcess):
        while psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline
            time.sleep(0.01)


async def test_creating_a_database_twice_is_no_error(postgres: EmbeddedPostgres) -> None:
    await postgres._create_databases(("twice",))
    await postgres._create_databases(("twice",))
    connection = await asyncpg.connect(postgres.url("twice"))
    await connection.close()
