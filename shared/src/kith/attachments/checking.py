"""Compares what the database has of content with what the store has: for `python -m <service> attachments`, and for
`doctor`."""

import argparse
import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Select, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.attachments.settings import AttachmentSettings
from kith.attachments.store import Kept, Store
from kith.attachments.sweeping import UNATTACHED_HOURS
from kith.attachments.tables import CONTENTS, DROPS
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.doctor.check import Check, Examined, Problem, fault, warning
from kith.runtime.service import Service
from kith.runtime.settings import Settings

_PAGE = 1000
_NEWEST = 100


class Named(NamedTuple):
    """Content that the database has."""

    tenant: str
    id: UUID
    size: int


async def lost(connection: AsyncConnection, store: Store) -> AsyncIterator[Named]:
    """Yields what the database has, and the store has not as a whole. The connection commits by itself."""
    c, after = CONTENTS.c, ("", UUID(int=0))
    while True:
        page = _whole().where(tuple_(c.tenant_id, c.id) > after).order_by(c.tenant_id, c.id).limit(_PAGE)
        rows = [Named(each.tenant_id, each.id, each.size) for each in await connection.execute(page)]
        for each in rows:
            if await store.size(each.tenant, each.id) != each.size and await _is_there(connection, each):
                yield each
        if len(rows) < _PAGE:
            return
        after = (rows[-1].tenant, rows[-1].id)


async def unknown(connection: AsyncConnection, store: Store) -> AsyncIterator[Kept]:
    """Yields what the store has had for a day, and the database has not."""
    old = datetime.now(UTC) - timedelta(hours=UNATTACHED_HOURS)
    page: list[Kept] = []
    async for each in store.all():
        if each.at < old:
            page.append(each)
        if len(page) == _PAGE:
            for found in await _unknown_of(connection, page):
                yield found
            page = []
    for found in await _unknown_of(connection, page):
        yield found


def _whole() -> Select[tuple[str, UUID, int]]:
    c = CONTENTS.c
    return select(c.tenant_id, c.id, c.size).where(c.sha256.is_not(None))


async def _is_there(connection: AsyncConnection, it: Named) -> bool:
    """Whether the database still has it: it may have been erased meanwhile."""
    c = CONTENTS.c
    return await connection.scalar(select(c.id).where(c.tenant_id == it.tenant, c.id == it.id)) is not None


async def _unknown_of(connection: AsyncConnection, page: Sequence[Kept]) -> list[Kept]:
    keys, known = [(each.tenant, each.id) for each in page], set[tuple[str, UUID]]()
    for table in (CONTENTS, DROPS) if keys else ():
        found = select(table.c.tenant_id, table.c.id).where(tuple_(table.c.tenant_id, table.c.id).in_(keys))
        known |= {(row[0], row[1]) for row in await connection.execute(found)}
    return [each for each in page if (each.tenant, each.id) not in known]


def run(service: Service, settings: Settings, words: Sequence[str]) -> None:
    """Exits with 1 if something is lost."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {service.package} attachments",
        description="Compare what the database has of attachments with what the store has.",
    )
    parser.add_argument("--remove", action="store_true", help="remove from the store what the database has not")
    given = parser.parse_args(words)
    assert isinstance(settings, AttachmentSettings)
    store = settings.attachments_store(service.name)
    if store is None:
        raise SystemExit("No store is set: see KITH_ATTACHMENTS_FOLDER and KITH_ATTACHMENTS_BUCKET.")
    if asyncio.run(_compared(settings, service.name, store, remove=given.remove)):
        raise SystemExit(1)


async def _compared(settings: Settings, service: str, store: Store, *, remove: bool) -> int:
    """Prints what was found. Returns how much is lost."""
    engine = create_engine(settings.database, role=WORKER_ROLE, pool_size=1, application=f"kith {service} attachments")
    missing, others = 0, 0
    try:
        async with engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            async for each in lost(connection, store):
                missing += 1
                print(f"lost: {each.id} of {each.tenant}, {each.size:,} bytes")  # noqa: T201 - what the command is for
            async for left in unknown(connection, store):
                others += 1
                if remove:
                    await store.drop(left.tenant, left.id)
    finally:
        await store.close()
        await engine.dispose()
    what = "removed" if remove else "not in the database"
    print(f"Lost: {missing:,}. In the store and {what}: {others:,}.")  # noqa: T201
    return missing


async def _newest(of: Examined) -> Sequence[Problem]:
    settings = of.settings
    assert isinstance(settings, AttachmentSettings)
    if (store := settings.attachments_store(of.name)) is None:
        return [warning("No attachment is taken, as no store is set.", "Set KITH_ATTACHMENTS_FOLDER or _BUCKET.")]
    rows = await of.connection.execute(_whole().order_by(CONTENTS.c.begun_at.desc()).limit(_NEWEST))
    newest = [Named(each.tenant_id, each.id, each.size) for each in rows]
    try:
        gone = [each for each in newest if await store.size(each.tenant, each.id) != each.size]
    finally:
        await store.close()
    if not gone:
        return []
    return [
        fault(
            f"The content of {len(gone)} of the newest {len(newest)} attachments is not in the store.",
            f"Look whether all processes have the same KITH_ATTACHMENTS_FOLDER, shared by their machines; then "
            f"python -m {of.package} attachments, and restore what it names.",
        )
    ]


NEWEST = Check("attachments", _newest)
