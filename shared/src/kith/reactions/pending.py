"""Reactions that are not at their end: more records than a subscription gives a command at once, or it is looked for
such records once more."""

from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import (
    TEXT,
    Boolean,
    Column,
    ColumnElement,
    Index,
    MetaData,
    Row,
    Select,
    Table,
    Text,
    Uuid,
    func,
    select,
    update,
)
from sqlalchemy import delete as delete_from
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.customers.repointing import PATIENCE
from kith.db.tables import DERIVED, Moment, tenant_column
from kith.events.envelope import Envelope


def pending_table(metadata: MetaData) -> Table:
    table = Table(
        "pending_reactions",
        metadata,
        tenant_column(),
        Column("event_id", Uuid, primary_key=True),
        Column("noun", Text(collation="C"), primary_key=True),
        Column("command", Text(collation="C"), primary_key=True),
        Column("envelope", TEXT, nullable=False),
        Column("after", Uuid, comment="the last record that was given it; null: it is the turn of the first"),
        Column("again", Boolean, nullable=False, comment="it is looked once more, when all were given it"),
        Column("next_at", Moment, nullable=False),
        info={DERIVED: "work still to be done"},
    )
    Index("pending_reactions_due", table.c.tenant_id, table.c.next_at)
    return table


TABLE = pending_table(MetaData())
"""The same again for Kith's own statements: it is alike in every service."""
_C = TABLE.c
IS_DUE: ColumnElement[bool] = _C.next_at <= func.now()


async def note(
    connection: AsyncConnection, envelope: Envelope, noun: str, command: str, *, again: bool, later: bool
) -> None:
    """`later`: those of now were given it; what is open still is looked for when it has ended."""
    row = {"tenant_id": envelope.tenant_id, "event_id": envelope.id, "noun": noun, "command": command}
    row |= {"envelope": msgspec.json.encode(envelope).decode(), "again": again}
    noted = insert(TABLE).values(row | {"next_at": func.now() + PATIENCE if later else func.now()})
    await connection.execute(noted.on_conflict_do_nothing())


def due(tenant: str) -> Select[Any]:
    """The tenant's that has waited longest; others skip it meanwhile."""
    first = select(TABLE).where(_C.tenant_id == tenant, IS_DUE).order_by(_C.next_at).limit(1)
    return first.with_for_update(skip_locked=True)


def envelope_of(row: Row[Any]) -> Envelope:
    return msgspec.json.decode(row.envelope, type=Envelope)


async def go_on(connection: AsyncConnection, row: Row[Any], after: UUID | None) -> None:
    """Notes the last record that was given it; None: there are no more."""
    its = [_C[each.name] == getattr(row, each.name) for each in TABLE.primary_key]
    if after is not None:
        await connection.execute(update(TABLE).where(*its).values(after=after, next_at=func.now()))
    elif row.again:
        once_more = {"after": None, "again": False, "next_at": func.now() + PATIENCE}
        await connection.execute(update(TABLE).where(*its).values(once_more))
    else:
        await connection.execute(delete_from(TABLE).where(*its))


async def waiting(connection: AsyncConnection) -> dict[tuple[str, str], int]:
    """Returns how many are due, of all tenants, by noun and command."""
    rows = select(_C.noun, _C.command, func.count()).where(IS_DUE).group_by(_C.noun, _C.command)
    return {(noun, command): number for noun, command, number in await connection.execute(rows)}
