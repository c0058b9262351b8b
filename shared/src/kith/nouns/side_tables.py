"""Side tables: rows that follow from the fields of a record, such as the words by which it is searched. They are
written in the record's transaction, and only when one of these fields has changed."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from sqlalchemy import ARRAY, Table, Uuid, any_, cast, delete
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.db.statements import insert_many
from kith.nouns.aggregate import Aggregate
from kith.runtime.slices import in_slices


class SideTable(Protocol):
    """What follows from the records of a noun."""

    @property
    def table(self) -> Table:
        """Has the columns `tenant_id` and `id`, which is the record's."""
        ...

    @property
    def fields(self) -> Collection[str]:
        """The fields of a record that its rows follow from."""
        ...

    @property
    def version(self) -> int:
        """Of its rows: with another one those of all records are made anew (kith.nouns.fills)."""
        ...

    def rows(self, record: Aggregate) -> Iterable[Mapping[str, Any]]:
        """Yields the record's rows, without the columns `tenant_id` and `id`."""
        ...


class Written(NamedTuple):
    """A record as it was and as it is now."""

    before: Aggregate | None
    """None: it is new."""
    now: Aggregate


async def write(connection: AsyncConnection, tenant: str, side: SideTable, records: Iterable[Written]) -> None:
    """Puts the rows of these records in the place of those that they had."""
    changed = [each for each in records if _differ(side, each)]
    if left := [each.now.id for each in changed if each.before is not None]:
        await remove(connection, tenant, side.table, left)
    await add(connection, tenant, side, [each.now for each in changed])


async def remove(connection: AsyncConnection, tenant: str, table: Table, ids: Sequence[UUID]) -> None:
    of_them = table.c.id == any_(cast(ids, ARRAY(Uuid)))
    await connection.execute(delete(table).where(table.c.tenant_id == tenant, of_them))


async def add(connection: AsyncConnection, tenant: str, side: SideTable, records: Iterable[Aggregate]) -> None:
    rows: list[dict[str, Any]] = []
    async for record in in_slices(records):
        rows += [{"tenant_id": tenant, "id": record.id, **row} for row in side.rows(record)]
    await insert_many(connection, side.table, rows)


def _differ(side: SideTable, record: Written) -> bool:
    before, now = record
    return before is None or any(getattr(before, name) != getattr(now, name) for name in side.fields)
