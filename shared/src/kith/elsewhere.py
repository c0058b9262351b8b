"""What a service knows of records that another one has: whose they are. It learns that from events, and asks nobody."""

from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from sqlalchemy import Column, MetaData, Table, Uuid
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.consumer import Handler
from kith.events.envelope import Envelope
from kith.tables import tenant_column

_ROWS = 5000
"""A statement takes 32767 parameters."""


def elsewhere_table(name: str, metadata: MetaData) -> Table:
    return Table(
        name,
        metadata,
        tenant_column(),
        Column("id", Uuid, primary_key=True),
        Column("customer_id", Uuid, nullable=False),
    )


def noting(table: Table, told_by: Mapping[str, Callable[[Envelope], UUID]]) -> Handler:
    """A handler that keeps whose the records are that these types of events tell of; each says of which one."""

    async def handle(connection: AsyncConnection, envelopes: Sequence[Envelope]) -> None:
        whose = {
            (each.tenant_id, told_by[each.type](each)): each.customer_id
            for each in envelopes
            if each.type in told_by and each.customer_id is not None
        }
        # By their keys, as all that is written: no two wait for each other in a ring.
        rows = [{"tenant_id": key[0], "id": key[1], "customer_id": customer} for key, customer in sorted(whose.items())]
        for start in range(0, len(rows), _ROWS):
            await connection.execute(insert(table).values(rows[start : start + _ROWS]).on_conflict_do_nothing())

    return handle


def in_turn(*handlers: Handler) -> Handler:
    """One handler of all of them."""

    async def handle(connection: AsyncConnection, envelopes: Sequence[Envelope]) -> None:
        for each in handlers:
            await each(connection, envelopes)

    return handle
