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
from kith.runtime.slices import in_pieces

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
    for piece in in_pieces(entries):
        await insert_many(TABLE, _ADDED).fetch(
            connection,
            {
                "tenant_id": [each.tenant for each in piece],
                "id": [each.id for each in piece],
                "at": [each.at for each in piece],
                "actor": [each.actor for each in piece],
                "action": [each.action for each in piece],
                "noun": [each.noun for each in piece],
                "subjects": [None if each.subjects is None else _encode(each.subjects).decode() for each in piece],
                "detail": [each.detail for each in piece],
            },
        )


_ADDED = ("tenant_id", "id", "at", "actor", "action", "noun", "subjects", "detail")
