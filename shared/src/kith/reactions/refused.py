"""Commands that followed from an event, and that the rules refused: nobody was there to be told, so they are listed."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from sqlalchemy import (
    TEXT,
    Column,
    ColumnElement,
    Index,
    MetaData,
    Table,
    Uuid,
    delete,
    func,
    literal_column,
    select,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.db.statements import insert_many
from kith.db.tables import DERIVED, Moment, tenant_column
from kith.errors import DomainError
from kith.events.envelope import Envelope
from kith.ids import new_id
from kith.nouns.lists.pages import Page, Position
from kith.nouns.resource import Command, Resource
from kith.runtime.telemetry import log


def refused_table(metadata: MetaData) -> Table:
    table = Table(
        "refused_reactions",
        metadata,
        tenant_column(),
        Column("id", Uuid, primary_key=True),
        Column("event_id", Uuid, nullable=False),
        Column("event_type", TEXT, nullable=False),
        Column("noun", TEXT, nullable=False),
        Column("record_id", Uuid, nullable=False),
        Column("command", TEXT, nullable=False),
        Column("code", TEXT, nullable=False),
        Column("reason", TEXT, nullable=False),
        Column("refused_at", Moment, nullable=False),
        info={DERIVED: "Nothing was changed, and the events are exported."},
    )
    Index("refused_reactions_by_time", table.c.tenant_id, table.c.refused_at, table.c.id)
    return table


TABLE = refused_table(MetaData())
"""The same again for Kith's own statements: it is alike in every service."""
_C = TABLE.c
_KEPT: ColumnElement[Any] = literal_column("interval '90 days'")


@dataclass(frozen=True, slots=True)
class RefusedReaction:
    """A command that followed from an event, and was refused: nothing was changed. `code` and `reason` are those that a
    request would have been answered."""

    id: UUID
    event_id: UUID
    event_type: str
    noun: str
    record_id: UUID
    command: str
    code: str
    reason: str
    refused_at: datetime

    @classmethod
    def of(
        cls, envelope: Envelope, noun: Resource, command: Command, record: UUID, error: DomainError, at: datetime
    ) -> Self:
        return cls(
            id=new_id(),
            event_id=envelope.id,
            event_type=envelope.type,
            noun=noun.name,
            record_id=record,
            command=command.name,
            code=error.code,
            reason=str(error),
            refused_at=at,
        )


async def note(connection: AsyncConnection, tenant: str, refusals: Sequence[RefusedReaction]) -> None:
    """Notes them in the transaction that would have carried them out, and forgets those of long ago."""
    if not refusals:
        return
    for each in refusals:
        log.warning("reaction refused", tenant=tenant, noun=each.noun, command=each.command, code=each.code)
    await insert_many(connection, TABLE, ({"tenant_id": tenant, **asdict(each)} for each in refusals))
    await connection.execute(delete(TABLE).where(_C.tenant_id == tenant, _C.refused_at < func.now() - _KEPT))


async def page_of(connection: AsyncConnection, tenant: str, first: int, after: str | None) -> Page[RefusedReaction]:
    """Returns a page of the tenant's, newest first. Raises Invalid for a malformed cursor."""
    rows = select(*(_C[name] for name in RefusedReaction.__slots__)).where(_C.tenant_id == tenant)
    if after is not None:
        last = Position.of(after)
        rows = rows.where(tuple_(_C.refused_at, _C.id) < tuple_(last.at, last.id))
    newest = rows.order_by(_C.refused_at.desc(), _C.id.desc()).limit(first + 1)
    found = [RefusedReaction(**row) for row in (await connection.execute(newest)).mappings()]
    shown = found[:first]
    return Page(shown, Position(shown[-1].refused_at, shown[-1].id).cursor() if len(found) > first else None)
