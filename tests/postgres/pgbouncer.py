"""A real pgbouncer in transaction mode, with as few connections to PostgreSQL as it can do with."""

import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

from tests.postgres.binaries import Unavailable
from tests.postgres.server import Server, as_nobody, give

ROOT = Path(__file__).parents[2]
TOOL = ROOT / ".kith" / "tools" / "pgbouncer"
START_SECONDS = 10.0

_CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = transaction
default_pool_size = {connections}
max_prepared_statements = 200
client_tls_sslmode = require
client_tls_cert_file = {certificate}
client_tls_key_file = {key}
server_tls_sslmode = verify-full
server_tls_ca_file = {authority}
logfile = {folder}/pgbouncer.log
"""


class PgBouncer:
    def __init__(self, server: Server, port: int, users: dict[str, str], *, connections: int = 1) -> None:
        self._server, self.port, self._users, self._connections = server, port, users, connections
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Returns once it accepts connections. Raises Unavailable."""
        folder = self._server.folder / "pgbouncer"
        program = self._copied(folder)
        users, configuration = folder / "users", folder / "pgbouncer.ini"
        users.write_text("".join(f'"{name}" "{password}"\n' for name, password in self._users.items()))
        certificate, key = self._server.authority.issue("pgbouncer")
        configuration.write_text(
            _CONFIGURATION.format(
                server=self._server.port,
                port=self.port,
                users=users,
                connections=self._connections,
                certificate=certificate,
                key=key,
                authority=self._server.authority.file,
                folder=folder,
            )
        )
        give(folder, users, configuration, certificate, key)
        self._process = subprocess.Popen([*program, str(configuration)], stderr=subprocess.DEVNULL, **as_nobody())
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return self
            time.sleep(0.02)
        self.stop()
        raise AssertionError((folder / "pgbouncer.log").read_text())

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)  # at once: by SIGTERM it waits for clients
            self._process.wait()

    def url(self, database: str, login: str) -> str:
        return f"postgresql://{login}@127.0.0.1:{self.port}/{database}"

    @staticmethod
    def _copied(folder: Path) -> list[str]:
        """Copies the program to where another user may run it, and returns its command."""
        done = subprocess.run(["make", "-s", "pgbouncer"], cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Unavailable(f"no pgbouncer: {done.stderr.strip().splitlines()[-1]}")
        shutil.copytree(TOOL / "root", folder / "root", symlinks=True)
        libraries = next((folder / "root").glob("usr/lib/*-linux-gnu"))
        loader = next(libraries.glob("ld-linux*.so.*"))
        return [str(loader), "--library-path", str(libraries), str(folder / "root" / "usr" / "sbin" / "pgbouncer")]
