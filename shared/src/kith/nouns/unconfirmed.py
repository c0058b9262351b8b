"""References to records of another service whose event has not come. A sender may name a record that it created just
before (Follows.on_sight): who does is accepted, and the reference noted here until the record is known."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import TEXT, Column, MetaData, Table, Uuid
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.db.tables import DERIVED, Moment, tenant_column


class Unconfirmed(NamedTuple):
    noun: str
    """Of the record that is named: `customer`."""
    id: UUID
    named_by: str
    """The noun of the first record that names it, and the id of that."""
    record_id: UUID


def unconfirmed_table(metadata: MetaData) -> Table:
    return Table(
        "unconfirmed_references",
        metadata,
        tenant_column(),
        Column("noun", TEXT(collation="C"), primary_key=True),
        Column("id", Uuid, primary_key=True),
        Column("named_by", TEXT, nullable=False),
        Column("record_id", Uuid, nullable=False, comment="the first record that names it"),
        Column("noted_at", Moment, nullable=False),
        info={DERIVED: "references of records that are exported"},
    )


TABLE = unconfirmed_table(MetaData())
"""The same again for Kith's own statements: it is alike in every service."""


class OnSight(NamedTuple):
    """A field, or the path to a part of its values, by which records of `named_by` name records of another service."""

    field: str
    known: Column[Any]
    """The ids of those that are known."""
    named_by: str
    noun: str
    """The noun that is named: `customer` by `customer_id`, `user` by `owner_id`."""


async def note(connection: AsyncConnection, tenant: str, found: Iterable[Unconfirmed], at: Any) -> None:
    """Notes references, each once, in the transaction that writes their records."""
    rows: Mapping[tuple[str, UUID], Unconfirmed] = {(each.noun, each.id): each for each in reversed([*found])}
    if rows:
        # In the order of keys, like all writes, so that no two transactions deadlock.
        values = [{"tenant_id": tenant, "noted_at": at, **rows[key]._asdict()} for key in sorted(rows)]
        for start in range(0, len(values), 5000):
            await connection.execute(insert(TABLE).values(values[start : start + 5000]).on_conflict_do_nothing())
