"""Backups of the house on this machine, and back: `make backup`, `make restore`.

A backup is a folder: the databases of all services, the issuer's keys and clients, what is attached, and the ledger of
erasures. With KITH_ARCHIVE set at the start, PostgreSQL also archives its log there, and any instant since a backup can
be restored.
"""

import shutil
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from rich.console import Console

from kith_local.errors import LocalError
from kith_local.layout import Layout
from kith_local.postgres import EmbeddedPostgres
from kith_local.postgres_backup import put_back, recover, take_base, verify_base
from kith_local.state import StateFile

_ABOUT = "backup.json"


class About(msgspec.Struct):
    """What a backup says of itself."""

    bus: str
    taken_at: datetime
    archive: str | None


class Restored(msgspec.Struct):
    """Left beside the data until the services have been brought in line with it (kith_local.restored)."""

    to: datetime

    @staticmethod
    def marker(layout: Layout) -> Path:
        return layout.data / "restored.json"


def backup(layout: Layout, to: Path, console: Console) -> int:
    """Takes a backup while everything runs. It is verified, and is there as a whole or not at all."""
    if to == Path():
        raise LocalError("Say where: make backup TO=folder")
    if not StateFile(layout.run).is_held:
        raise LocalError("Kith does not run. Start it: make start")
    data = layout.data / "postgres"
    if not data.exists():
        raise LocalError("The databases are elsewhere (KITH_DATABASE_URL_…): back them up there.")
    now = datetime.now(UTC)
    name = f"{now:%Y-%m-%dT%H%M%S.%fZ}"
    folder, part = to / name, to / f".{name}.part"
    part.mkdir(parents=True, mode=0o700)
    try:
        with console.status("copies the databases"):
            take_base(EmbeddedPostgres(data).start(), part / "postgres")
        if layout.issuer.exists():
            shutil.copytree(layout.issuer, part / "issuer")
        if layout.erasures.exists():
            shutil.copy(layout.erasures, part / layout.erasures.name)
        if layout.attachments.exists():
            # After the databases: what these say is attached is there, or was erased since, and then nobody misses it.
            shutil.copytree(layout.attachments, part / layout.attachments.name, copy_function=_copy_if_there)
        about = About(layout.bus, now, str(layout.archive.resolve()) if layout.archive.exists() else None)
        (part / _ABOUT).write_bytes(msgspec.json.encode(about))
        part.rename(folder)
    except BaseException:
        shutil.rmtree(part)
        raise
    console.print(f"Backed up: {folder}", highlight=False, soft_wrap=True)
    return 0


def _copy_if_there(source: str, target: str) -> None:
    with suppress(FileNotFoundError):
        shutil.copy2(source, target)


def restore(layout: Layout, backup: Path, to: datetime | None, console: Console) -> int:
    """Puts a backup in the place of the data, which is kept beside. Everything must be stopped; the next start brings
    the services in line."""
    state = StateFile(layout.run)
    if state.is_held:
        raise LocalError("Kith runs. Stop it first: make stop")
    with state.held():  # nothing starts meanwhile
        return _restore(layout, backup, to, console)


def _restore(layout: Layout, backup: Path, to: datetime | None, console: Console) -> int:
    about = _about(backup, layout)
    if to is not None and (about.archive is None or to < about.taken_at):
        raise LocalError(
            f"The backup is of {about.taken_at:%Y-%m-%d %H:%M:%S} UTC"
            + (
                f": TO={to:%Y-%m-%dT%H:%M:%SZ} is before it."
                if about.archive
                else ", without an archived log: leave out TO."
            )
        )
    data, kept = layout.data / "postgres", layout.data / f"postgres.before-{datetime.now(UTC):%Y-%m-%dT%H%M%S.%fZ}"
    # Whole before it takes the place of the data: who dies meanwhile leaves what was there.
    part = layout.data / "postgres.restored"
    with console.status("checks the backup"):
        verify_base(backup / "postgres")
    shutil.rmtree(part, ignore_errors=True)
    try:
        with console.status("copies the databases"):
            put_back(backup / "postgres", part, archive=Path(about.archive) if about.archive else None, to=to)
        server = EmbeddedPostgres(part)
        with console.status("recovers") as status:
            reached = recover(server, status.update)
        server.stop()
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    if not layout.issuer.exists() and (backup / "issuer").exists():
        shutil.copytree(backup / "issuer", layout.issuer)
    if not layout.erasures.exists() and (backup / layout.erasures.name).exists():
        shutil.copy(backup / layout.erasures.name, layout.erasures)
    if (backup / layout.attachments.name).exists():
        shutil.copytree(backup / layout.attachments.name, layout.attachments, dirs_exist_ok=True)
    Restored.marker(layout).write_bytes(msgspec.json.encode(Restored(to or about.taken_at)))
    if data.exists():
        data.rename(kept)
    part.rename(data)
    last = f", with all up to {reached:%Y-%m-%d %H:%M:%S} UTC" if reached else ""
    console.print(f"Restored{last}. What was there before: {kept}", highlight=False, soft_wrap=True)
    console.print("Start it: make start")
    return 0


def _about(backup: Path, layout: Layout) -> About:
    try:
        about = msgspec.json.decode((backup / _ABOUT).read_bytes(), type=About)
    except (OSError, msgspec.MsgspecError) as error:
        raise LocalError(f"{backup} is no backup: {error}.") from error
    if about.bus != layout.bus:
        raise LocalError(f"The backup is of a house on the {about.bus} bus: BUS={about.bus}.")
    return about
