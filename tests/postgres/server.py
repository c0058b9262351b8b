"""A real PostgreSQL 18 on the loopback that accepts TLS only: `hostssl`, by password or by client certificate."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import Any, Self

import pytest
from tests.certificates import Authority
from tests.conftest import take_port
from tests.postgres.binaries import Unavailable, unpack

SUPERUSER, SUPERUSER_PASSWORD = "postgres", "of-the-superuser"
BY_CERTIFICATE = "by_certificate"
"""The login that authenticates by a client certificate; all others do by password."""

_HBA = f"""\
hostssl all {BY_CERTIFICATE} 127.0.0.1/32 cert
hostssl all,replication all 127.0.0.1/32 scram-sha-256
"""
_SETTINGS = """
listen_addresses = '127.0.0.1,127.0.0.2'
unix_socket_directories = ''
fsync = off
shared_buffers = '32MB'
ssl = on
"""


def as_nobody() -> dict[str, Any]:
    """What makes a process another user's: PostgreSQL and pgbouncer refuse to run as root."""
    if os.getuid():
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def give(*paths: Path) -> None:
    """Lets `as_nobody` have the files."""
    if not os.getuid():
        nobody = pwd.getpwnam("nobody")
        for path in paths:
            os.chown(path, nobody.pw_uid, nobody.pw_gid)


class Server:
    """Data, certificates and programs are in `folder`, which other users may enter."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.data = folder / "primary"
        self.programs = unpack(folder / "programs") / "bin"
        self.authority = Authority(folder)

    def initialise(self) -> Self:
        password = self.folder / "superuser"
        password.write_text(SUPERUSER_PASSWORD)
        self.data.mkdir(mode=0o700)
        give(password, self.data)
        self.run("initdb", "-D", str(self.data), "-U", SUPERUSER, "-A", "scram-sha-256", f"--pwfile={password}", "-N")
        certificate, key = self.authority.issue("server")
        give(certificate, key)
        (self.data / "pg_hba.conf").write_text(_HBA)
        with (self.data / "postgresql.conf").open("a") as settings:
            settings.write(_SETTINGS)
            settings.write(f"ssl_cert_file = '{certificate}'\nssl_key_file = '{key}'\n")
            settings.write(f"ssl_ca_file = '{self.authority.file}'\n")
        return self

    def run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self.programs / program, *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "HOME": str(self.folder)},  # where libpq looks for certificates
            **as_nobody(),
        )
        assert done.returncode == 0, done.stderr

    def start(self, settings: Sequence[str] = ()) -> Self:
        """Returns once it accepts connections."""
        options = " ".join(["-p", str(self.port), *(f"-c {each}" for each in settings)])
        log = self.data / "log"
        self.run("pg_ctl", "-D", str(self.data), "-w", "-l", str(log), "-o", options, "start")
        return self

    def stop(self) -> None:
        file = self.data / "postmaster.pid"
        if file.exists():
            self.run("pg_ctl", "-D", str(self.data), "-w", "-m", "fast", "stop")

    def replica(self, port: int) -> "Server":
        """Returns a streaming replica, which runs. This one is stopped, copied, and started again."""
        other = copy(self)
        other.port, other.data = port, self.folder / "replica"
        self.stop()
        subprocess.run(["cp", "-a", self.data, other.data], check=True)
        (other.data / "standby.signal").touch()
        with (other.data / "postgresql.conf").open("a") as settings:
            conninfo = {
                "host": "127.0.0.1",
                "port": self.port,
                "user": SUPERUSER,
                "password": SUPERUSER_PASSWORD,
                "sslmode": "verify-ca",
                "sslrootcert": self.authority.file,
            }
            settings.write(f"primary_conninfo = '{' '.join(f'{key}={value}' for key, value in conninfo.items())}'\n")
        self.start()
        return other.start()

    def url(self, database: str, login: str, *, password: str | None = None) -> str:
        secret = f":{password}" if password is not None else ""
        return f"postgresql://{login}{secret}@127.0.0.1:{self.port}/{database}"


@contextmanager
def tls_server() -> Iterator[Server]:
    """A server that runs; where its programs cannot be had the test is skipped, and with CI=true it fails."""
    folder = Path(tempfile.mkdtemp(prefix="kith-test-"))
    folder.chmod(0o755)  # for another user
    try:
        with needed():
            server = Server(folder, take_port())
        try:
            yield server.initialise().start()
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


@contextmanager
def needed() -> Iterator[None]:
    """Where a program of the block cannot be had the test is skipped, and with CI=true it fails."""
    try:
        yield
    except Unavailable as reason:
        if os.environ.get("CI", "").lower() == "true":
            raise
        pytest.skip(str(reason))
