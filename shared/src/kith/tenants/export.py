"""Writes all that a service holds of a tenant as files that are read without Kith: JSON lines, one file per table, and
a manifest. What they hold is personal data, so nobody but the one who wrote them may read them."""

import os
import shutil
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

import asyncpg
import msgspec
from sqlalchemy import MetaData, text

from kith.db.connections import Database
from kith.db.sessions import Driver, driver_of
from kith.db.statements import zoned
from kith.runtime.progress import Progress, Silent
from kith.tenants.catalogue import TenantTable, derived_of, quoted, tables_of_tenants

MANIFEST = "manifest.json"
_PIECE = 1000
"""Rows that are in memory at a time."""
_STRUCTURED = ("json", "jsonb")


class ExportRefused(Exception):
    """It cannot be written there."""


class Exported(msgspec.Struct):
    """A table as it was written."""

    table: str
    file: str
    rows: int
    sha256: str


class Manifest(msgspec.Struct):
    service: str
    tenant: str
    revision: str
    """Of the database's schema."""
    at: datetime
    """All tables are as they were at this instant."""
    tables: list[Exported]
    left_out: dict[str, str]
    """Why, by the table."""


async def export_tenant(
    database: Database,
    service: str,
    metadata: MetaData,
    *,
    tenant: str,
    to: Path,
    progress: Progress | None = None,
) -> Manifest:
    """Writes the folder `to`, whole or not at all: it is written under another name beside it. Raises ExportRefused if
    there is something in `to` already."""
    unfinished = _begun(to)
    try:
        manifest = await _write(database, service, metadata, tenant, unfinished, progress or Silent())
        unfinished.rename(to)
        _sync(to.parent)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return manifest


def _begun(to: Path) -> Path:
    """Returns the folder that becomes `to` once it is whole."""
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise ExportRefused(f"There is something in {to} already: name a folder that does not exist.")
    unfinished = to.parent / f".{to.name}.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)  # of a run that was killed
    unfinished.mkdir(mode=0o700, parents=True)
    return unfinished


async def _write(
    database: Database, service: str, metadata: MetaData, tenant: str, folder: Path, progress: Progress
) -> Manifest:
    derived = derived_of(metadata)
    async with database.snapshot(tenant) as snapshot:
        connection = snapshot.connection
        # Of a table without an index by tenant, the next rows of the tenant may be far away.
        await connection.execute(text("SELECT set_config('statement_timeout', '0', true)"))
        driver = driver_of(connection)
        tables = await tables_of_tenants(driver)
        manifest = Manifest(
            service=service,
            tenant=tenant,
            revision=await driver.fetchval("SELECT version_num FROM alembic_version"),
            at=snapshot.now,
            tables=[],
            left_out={table.name: derived[table.name] for table in tables if table.name in derived},
        )
        for table in tables:
            if table.name not in derived:
                progress.begin(table.name)
                manifest.tables.append(await _write_table(driver, table, tenant, folder, progress))
    with _private(folder / MANIFEST) as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")
        _flush(file)
    _sync(folder)
    return manifest


async def _write_table(driver: Driver, table: TenantTable, tenant: str, folder: Path, progress: Progress) -> Exported:
    name, rows, digest = f"{table.name}.jsonl", 0, sha256()
    encode, fields = msgspec.json.Encoder(enc_hook=str).encode_lines, _fields_of(table)
    with _private(folder / name) as file:
        cursor = await driver.cursor(_statement(table), tenant)
        while piece := await cursor.fetch(_PIECE):
            lines = encode([fields(row) for row in piece])
            file.write(lines)
            digest.update(lines)
            rows += len(piece)
            progress.advance(len(piece))
        _flush(file)
    return Exported(table=table.name, file=name, rows=rows, sha256=digest.hexdigest())


def _statement(table: TenantTable) -> str:
    columns = ", ".join(
        f"{quoted(name)}{'::text' if kind in _STRUCTURED else ''} AS {quoted(name)}"  # as it is kept, unread
        for name, kind in table.columns.items()
    )
    order = ", ".join(quoted(column) for column in table.key)
    return f"SELECT {columns} FROM {quoted(table.name)} WHERE tenant_id = $1 ORDER BY {order}"  # noqa: S608 - names of the catalogue


def _fields_of(table: TenantTable) -> Callable[[asyncpg.Record], Mapping[str, Any]]:
    """Returns what makes of a row the fields of its line. Numbers of a fixed scale, and so all money, are strings; ids,
    dates and instants are as in the APIs."""
    structures = [name for name, kind in table.columns.items() if kind in _STRUCTURED]
    octets = [name for name, kind in table.columns.items() if kind == "bytea"]

    def fields(row: asyncpg.Record) -> Mapping[str, Any]:
        found = zoned(dict(row))
        for name in structures:
            if (value := found[name]) is not None:
                found[name] = msgspec.Raw(value.encode())
        for name in octets:
            if (value := found.pop(name)) is not None:
                spelt, written = _octets(name, value)
                found[spelt] = written
            else:
                found[name] = None
        return found

    return fields


def _octets(name: str, value: bytes) -> tuple[str, Any]:
    """Returns the body of an event as the JSON that it is, and what is none in base64, under a name that says so."""
    if value[:1] in (b"{", b"["):
        try:
            msgspec.json.decode(value)
        except (msgspec.DecodeError, ValueError, RecursionError):
            pass
        else:
            return name, msgspec.Raw(msgspec.json.format(value, indent=-1))  # in one line
    return f"{name}_base64", b64encode(value).decode()


def _private(path: Path) -> AbstractContextManager[BinaryIO]:
    """A new file that nobody else may read, not for an instant."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _flush(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Makes the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
