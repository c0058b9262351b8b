"""The ledger of erasures: which records were erased, and when.

In the database it is the erased records themselves, which stay for good without what said who they were. A backup
brings back what was erased after it was made. So each erasure is also kept outside: as an event on the bus, and as a
line of a file (KITH_ERASURES_FILE), from which it is applied again after a restore.
"""

import errno
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from contacts.contacts.form import CONTACTS
from contacts.customers.form import CUSTOMERS
from contacts.erasure.erasing import erase
from contacts.users.form import USERS
from kith.db.connections import checked
from kith.db.removed import TABLE as REMOVED
from kith.errors import NotFound
from kith.events.contacts import ContactErased, CustomerErased
from kith.events.envelope import Envelope
from kith.events.people import UserErased
from kith.nouns.aggregate import AlreadyErased
from kith.runtime.telemetry import log

_FORMS = {CONTACTS.name: CONTACTS, CUSTOMERS.name: CUSTOMERS, USERS.name: USERS}
_NOUNS = {ContactErased.type: CONTACTS.name, CustomerErased.type: CUSTOMERS.name, UserErased.type: USERS.name}


class Erasure(msgspec.Struct, frozen=True):
    tenant: str
    noun: str
    id: UUID
    erased_at: datetime


async def erasures(connection: AsyncConnection) -> list[Erasure]:
    """Returns those of all tenants."""
    found = []
    for noun, form in _FORMS.items():
        columns = form.table.c
        rows = select(columns.tenant_id, columns.id, columns.erased_at).where(columns.erased_at.is_not(None))
        found += [Erasure(row.tenant_id, noun, row.id, row.erased_at) for row in await connection.execute(rows)]
    return found


def told(events: Iterable[Envelope]) -> list[Erasure]:
    """Returns the erasures that are among these events."""
    return [
        Erasure(each.tenant_id, _NOUNS[each.type], each.subject, each.time) for each in events if each.type in _NOUNS
    ]


async def apply_again(connection: AsyncConnection, wanted: Iterable[Erasure]) -> int:
    """Erases what is there and is not erased, by the same rules as on request. Returns how many that were. Of a tenant
    that was removed nothing is written: its rows are on their way out."""
    removed = set(await connection.scalars(select(REMOVED.c.tenant_id).where(REMOVED.c.readmitted_at.is_(None))))
    ids: dict[tuple[str, str], set[UUID]] = defaultdict(set)
    for each in wanted:
        if each.tenant not in removed:
            ids[each.tenant, each.noun].add(each.id)
    erased = 0
    for (tenant, noun), of_tenant in sorted(ids.items()):
        refused = await erase(connection, tenant, _FORMS[noun], sorted(of_tenant))
        for why in refused.values():
            if not isinstance(why, AlreadyErased | NotFound):
                raise why
        erased += len(of_tenant) - len(refused)
    return erased


def _read(line: bytes) -> Erasure:
    """Raises ValueError, or RecursionError."""
    found = msgspec.json.decode(line, type=Erasure)
    checked(found.tenant)
    if found.noun not in _FORMS:
        raise ValueError("not a noun of which records are erased")
    return found


def read_file(path: Path) -> list[Erasure]:
    """Passes over what is no erasure, with a warning: a line whose writer died, which was written again. Raises
    OSError."""
    found = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            if line:
                found.append(_read(line))
        except (ValueError, RecursionError) as error:  # msgspec's are ValueErrors
            log.warning("no erasure", file=str(path), line=number, error=error)
    return found


class File:
    """The ledger as a file, to which the worker adds what is new. Several workers may: a line twice does no harm."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: set[Erasure] | None = None

    async def keep(self, engine: AsyncEngine) -> bool:
        if self._known is None:
            self._known = set(read_file(self._path)) if self._path.exists() else set()
        async with engine.connect() as connection:
            new = [each for each in await erasures(connection) if each not in self._known]
        if new:
            self._append(new)
            self._known.update(new)
        return False

    def _append(self, new: Sequence[Erasure]) -> None:
        # The first line break ends a line that was cut.
        lines = b"".join(b"\n" + msgspec.json.encode(each) for each in new) + b"\n"
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            if os.write(file, lines) < len(lines):
                raise OSError(errno.ENOSPC, "the file took a part only", str(self._path))
            os.fsync(file)
        finally:
            os.close(file)
