"""A backup is whole or not there, and what is restored is what was there at its instant, or at one after."""

import asyncio
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from rich.console import Console
from tests.conftest import UNSAFE, scratch

from kith_local import backup as backup_module
from kith_local.backup import Restored, backup, restore
from kith_local.errors import LocalError
from kith_local.infrastructure import Postgres
from kith_local.layout import Layout
from kith_local.postgres import SETTINGS, EmbeddedPostgres
from kith_local.postgres_backup import archiving, prepare_archive
from kith_local.state import StateFile

CONSOLE = Console(quiet=True)
_ARCHIVE = 'Ann\'s "archive", 100%full'


@pytest.fixture
def layout() -> Iterator[Layout]:
    with tempfile.TemporaryDirectory(prefix="kith-test-", dir=scratch(), ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # for the server's user
        layout = Layout(Path(folder), "embedded")
        layout.issuer.mkdir()
        (layout.issuer / "key").write_text("of the issuer")
        yield layout


@pytest.fixture
def server(layout: Layout) -> Iterator[EmbeddedPostgres]:
    archive = layout.home / _ARCHIVE
    prepare_archive(archive)
    server = EmbeddedPostgres(layout.data / "postgres", SETTINGS | UNSAFE | archiving(archive)).start()
    layout.archive.symlink_to(archive)
    try:
        execute(server, "CREATE TABLE kept (number int)")
        yield server
    finally:
        server.stop()


def execute(server: EmbeddedPostgres, statement: str) -> object:
    async def ask() -> object:
        connection = await asyncpg.connect(server.url("postgres"))
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(ask())


def insert(server: EmbeddedPostgres, number: int) -> datetime:
    """Returns an instant after it, and before whatever comes next."""
    execute(server, f"INSERT INTO kept VALUES ({number})")  # noqa: S608
    at = execute(server, "SELECT clock_timestamp()")
    assert isinstance(at, datetime)
    return at


def backed_up(layout: Layout) -> Path:
    to = layout.home / "backups"
    with StateFile(layout.run).held():
        assert backup(layout, to, CONSOLE) == 0
    (made,) = to.iterdir()
    return made


def restored(layout: Layout, made: Path, to: datetime | None = None) -> list[int]:
    assert restore(layout, made, to, CONSOLE) == 0
    server = EmbeddedPostgres(layout.data / "postgres").start()
    try:
        found = execute(server, "SELECT array_agg(number ORDER BY number) FROM kept")
        assert isinstance(found, list)
        insert(server, 99)  # it is no replica
        return found
    finally:
        server.stop()


def test_what_was_backed_up_is_restored(layout: Layout, server: EmbeddedPostgres) -> None:
    insert(server, 1)
    made = backed_up(layout)
    insert(server, 2)
    server.stop()
    assert restored(layout, made) == [1]
    assert Restored.marker(layout).exists()
    (kept,) = layout.data.glob("postgres.before-*")
    assert (kept / "PG_VERSION").exists()


def test_any_instant_since_is_restored(layout: Layout, server: EmbeddedPostgres) -> None:
    insert(server, 1)
    made = backed_up(layout)
    at = insert(server, 2)
    insert(server, 3)
    execute(server, "SELECT pg_switch_wal()")
    server.stop()
    assert restored(layout, made, at) == [1, 2]


def test_keys_come_back_if_they_are_gone(layout: Layout, server: EmbeddedPostgres) -> None:
    insert(server, 1)
    layout.erasures.write_text("of then")
    made = backed_up(layout)
    server.stop()
    layout.erasures.write_text("of now")
    (layout.issuer / "key").unlink()
    layout.issuer.rmdir()
    restored(layout, made)
    assert (layout.issuer / "key").read_text() == "of the issuer"
    assert layout.erasures.read_text() == "of now", "it knows of later erasures"


def test_what_cannot_be_restored_leaves_all_as_it_was(layout: Layout, server: EmbeddedPostgres) -> None:
    insert(server, 1)
    made = backed_up(layout)
    server.stop()

    def refused(words: str, made: Path = made, to: datetime | None = None, of: Layout = layout) -> None:
        with pytest.raises(LocalError, match=words):
            restore(of, made, to, CONSOLE)
        assert not list(layout.data.glob("postgres.before-*"))
        assert (layout.data / "postgres" / "PG_VERSION").exists()
        assert not Restored.marker(layout).exists()

    refused("is no backup", layout.home)
    refused("is before it", to=datetime.now(UTC) - timedelta(hours=1))
    refused("BUS=embedded", of=Layout(layout.home, "kafka"))
    with StateFile(layout.run).held():
        refused("Stop it first")
    refused("recovery ended before configured recovery target", to=datetime.now(UTC) + timedelta(days=1))
    damaged = made / "postgres" / "global" / "pg_control"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"!")
    refused("pg_control is not as it was backed up")


def test_archiving_goes_on_until_it_is_ended(layout: Layout) -> None:
    """A start that says nothing of it must not end it."""
    for given, archiving_to in (("here", "here"), (None, "here"), ("there", "there"), (None, "there"), ("no", None)):
        archive = str(layout.home / given) if given not in (None, "no") else given
        server = Postgres(layout.data / "postgres", {}, layout.archive, archive)
        try:
            server.start(lambda _: None)
            mode = execute(EmbeddedPostgres(layout.data / "postgres").start(), "SHOW archive_mode")
        finally:
            server.stop()
        assert mode == ("on" if archiving_to else "off")
        assert (layout.archive.resolve().name if layout.archive.is_symlink() else None) == archiving_to


def test_a_backup_needs_what_runs(layout: Layout) -> None:
    with pytest.raises(LocalError, match="Say where"):
        backup(layout, Path(), CONSOLE)
    with pytest.raises(LocalError, match="does not run"):
        backup(layout, layout.home / "backups", CONSOLE)
    with StateFile(layout.run).held(), pytest.raises(LocalError, match="elsewhere"):
        backup(layout, layout.home / "backups", CONSOLE)


def test_a_restore_that_dies_leaves_what_was_there(
    layout: Layout, server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert(server, 1)
    made = backed_up(layout)
    server.stop()

    def look(server: EmbeddedPostgres, *_: object) -> None:
        assert (layout.data / "postgres" / "PG_VERSION").exists()
        assert server.data != layout.data / "postgres"
        with pytest.raises(LocalError, match="Kith runs already"), StateFile(layout.run).held():
            pass
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(backup_module, "recover", look)
        with pytest.raises(KeyboardInterrupt):
            restore(layout, made, None, CONSOLE)
    assert restored(layout, made) == [1]


def test_the_log_of_another_database_is_not_mixed_with_a_new_ones(layout: Layout) -> None:
    archive = layout.home / _ARCHIVE
    archive.mkdir()
    (archive / "000000010000000000000001").touch()
    part = Postgres(layout.data / "postgres", {}, layout.archive, str(archive))
    with pytest.raises(LocalError, match="has the log of another database"):
        part.start(lambda _: None)
    assert not (layout.data / "postgres").exists()


def test_the_log_is_archived_after_each_restore(layout: Layout, server: EmbeddedPostgres) -> None:
    """Each has a timeline of its own: PostgreSQL does not archive a file of the same name twice."""
    insert(server, 1)
    made = backed_up(layout)
    server.stop()
    for number in (2, 3):
        assert restore(layout, made, None, CONSOLE) == 0
        on_again(layout, number)


def test_an_instant_of_before_an_earlier_restore_is_restored(layout: Layout, server: EmbeddedPostgres) -> None:
    """The first restore went back too far: what happened after its instant is still in the archive."""
    insert(server, 1)
    made = backed_up(layout)
    first, second = insert(server, 2), insert(server, 3)
    insert(server, 4)
    execute(server, "SELECT pg_switch_wal()")
    server.stop()
    assert restore(layout, made, first, CONSOLE) == 0
    since = on_again(layout, 5)
    assert restored(layout, made, second) == [1, 2, 3]
    assert restored(layout, made, since) == [1, 2, 5]


def on_again(layout: Layout, number: int) -> datetime:
    """Goes on after a restore until it is archived. Returns an instant at which the number was there."""
    settings = SETTINGS | UNSAFE | archiving(layout.home / _ARCHIVE)
    server = EmbeddedPostgres(layout.data / "postgres", settings).start()
    try:
        at = insert(server, number)
        insert(server, 100)
        file = execute(server, "SELECT pg_walfile_name(pg_switch_wal())")
        while not execute(server, f"SELECT last_archived_wal >= '{file}' FROM pg_stat_archiver"):  # noqa: S608
            assert execute(server, "SELECT last_failed_wal FROM pg_stat_archiver") is None
        return at
    finally:
        server.stop()
