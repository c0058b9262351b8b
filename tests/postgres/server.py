"""A real PostgreSQL 18 on the loopback that accepts TLS only: `hostssl`, by password or by client certificate."""

import os
import pwd
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from tests.certificates import Authority
from tests.postgres.binaries import unpack

SUPERUSER, SUPERUSER_PASSWORD = "postgres", "the superuser's"
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

    def __init__(self, folder: Path, port: int, *, name: str = "primary", programs: Path | None = None) -> None:
        self.folder, self.port = folder, port
        self.data = folder / name
        self.programs = programs or unpack(folder / "programs") / "bin"
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

    def run(self, program: str, *arguments: str, environment: dict[str, str] | None = None) -> None:
        done = subprocess.run(
            [self.programs / program, *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **(environment or {})},
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

    def url(self, database: str, login: str, *, password: str | None = None) -> str:
        secret = f":{password}" if password is not None else ""
        return f"postgresql://{login}{secret}@127.0.0.1:{self.port}/{database}"
