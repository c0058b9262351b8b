"""Entries of the audit log, and how they are added."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.audit.table import TABLE
from kith.db.statements import insert_many
from kith.ids import new_id

_encode = msgspec.json.Encoder().encode


class Read(StrEnum):
    """How records were read. Other actions are the names of commands."""

    READ = "read"
    LIST = "list"
    EXPORT = "export"
    HISTORY = "history"


@dataclass(frozen=True, slots=True)
class Entry:
    """What `actor` (kith.events.actors) did, with which records of which noun. `detail` names no person."""

    tenant: str
    at: datetime
    actor: str
    action: str
    noun: str
    subjects: Sequence[UUID] | None = None
    detail: str | None = None
    id: UUID = field(default_factory=new_id)


async def add(connection: AsyncConnection, entries: Iterable[Entry]) -> None:
    """Adds them in the transaction at hand."""
    rows = (
        {
            "tenant_id": each.tenant,
            "id": each.id,
            "at": each.at,
            "actor": each.actor,
            "action": each.action,
            "noun": each.noun,
            "subjects": None if each.subjects is None else _encode(each.subjects).decode(),
            "detail": each.detail,
        }
        for each in entries
    )
    await insert_many(connection, TABLE, rows)
