"""References to another service's records: which customer each belongs to, and the fields that this service's records
inherit. They are learnt from events, without a query."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Column, MetaData, Table, Uuid
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.consumer import Handler
from kith.db.tables import tenant_column
from kith.events.catalogue import current
from kith.events.envelope import Envelope

_ROWS = 5000
"""A statement takes 32767 parameters."""

Known = Mapping[str, Any]
"""The record's `id`, and the fields that are kept of it by the names of their columns."""


def elsewhere_table(name: str, metadata: MetaData, *taken: Column[Any]) -> Table:
    return Table(
        name,
        metadata,
        tenant_column(),
        Column("id", Uuid, primary_key=True),
        Column("customer_id", Uuid, nullable=False),
        *taken,
    )


def noting(table: Table, known_by: Mapping[str, Callable[[Envelope], Known]]) -> Handler:
    """Returns a handler that keeps the references that events of these types carry; each function returns the record's
    id, and the fields that are kept of it."""

    async def handle(connection: AsyncConnection, envelopes: Sequence[Envelope]) -> None:
        found = (
            {"tenant_id": each.tenant_id, "customer_id": each.customer_id, **known_by[current(each.type)](each)}
            for each in envelopes
            if current(each.type) in known_by and each.customer_id is not None
        )
        known = {(row["tenant_id"], row["id"]): row for row in found}
        # In the order of keys, like all writes, so that no two transactions deadlock.
        rows = [known[key] for key in sorted(known)]
        for start in range(0, len(rows), _ROWS):
            await connection.execute(insert(table).values(rows[start : start + _ROWS]).on_conflict_do_nothing())

    return handle


def in_turn(*handlers: Handler) -> Handler:
    """Returns one handler that runs these in order."""

    async def handle(connection: AsyncConnection, envelopes: Sequence[Envelope]) -> None:
        for each in handlers:
            await each(connection, envelopes)

    return handle
