"""Where the ledger of erasures is wired together: for the worker, for `python -m contacts erasures`, and after a
restore."""

import argparse
import asyncio
from collections.abc import Sequence
from functools import cache
from typing import cast

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from contacts.erasure.ledger import File, apply_again, erasures, read_file, told
from contacts.settings import ContactsSettings
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.events.envelope import Envelope
from kith.runtime.service import Service
from kith.runtime.settings import Settings
from kith.runtime.tasks import Task


@cache
def _file() -> File | None:
    path = ContactsSettings().erasures_file
    return None if path is None else File(path)


async def _keep(engine: AsyncEngine) -> bool:
    return False if (file := _file()) is None else await file.keep(engine)


TASKS = (Task("erasures", _keep, seconds=5),)


async def after_restore(connection: AsyncConnection, settings: Settings, lost: Sequence[Envelope]) -> str:
    """Applies again what was erased since: told on the bus, or written in the file. Returns what it did, in words."""
    file = cast("ContactsSettings", settings).erasures_file
    written = read_file(file) if file is not None and file.exists() else []
    erased = await apply_again(connection, [*told(lost), *written])
    where = f"the bus and {file} ({len(written):,} lines)" if file is not None else "the bus alone: there is no file"
    return f"Erased again: {erased:,} records, by {where}."


def run(service: Service, settings: Settings, words: Sequence[str]) -> None:
    """Lists the ledger."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {service.package} erasures",
        description="Print the erasures of all tenants as lines of JSON: keep them outside the database, and name the "
        "file in KITH_ERASURES_FILE when a backup is restored",
    )
    parser.parse_args(words)
    for each in asyncio.run(_listed(settings)):
        print(msgspec.json.encode(each).decode())  # noqa: T201 - that is what the command is for


async def _listed(settings: Settings) -> "list[object]":
    engine = create_engine(settings.database, role=WORKER_ROLE, pool_size=1, application="kith contacts erasures")
    try:
        async with engine.connect() as connection:
            return list(await erasures(connection))
    finally:
        await engine.dispose()
