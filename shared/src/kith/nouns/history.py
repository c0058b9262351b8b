"""The history of records: which command changed which fields, from what to what, when, and on whose behalf.

An entry is written in the transaction of its command, and never changed; but an erasure takes personal values out of
those of its record. Records that are only created (`Form.insert_only`) have none.
"""

from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ARRAY, Column, Integer, MetaData, Table, Text, Uuid, any_, cast, update
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.db.tables import EncodedJson, Moment, tenant_column
from kith.nouns.aggregate import Aggregate
from kith.nouns.resource import Resource

_encode = msgspec.json.Encoder().encode
_OF_EVERY_CHANGE = frozenset({"id", "external_id", "version", "created_at", "updated_at"})
"""Fields of every view that never change, or with every command."""


def history_table(metadata: MetaData) -> Table:
    return Table(
        "history",
        metadata,
        tenant_column(),
        Column("subject", Uuid, primary_key=True),
        Column("version", Integer, primary_key=True, autoincrement=False, comment="the record's, after the command"),
        Column("command", Text, nullable=False),
        Column("actor", Text, nullable=False),
        Column("time", Moment, nullable=False),
        Column("recorded_at", Moment, nullable=False),
        Column("changes", EncodedJson, comment="[old, new] by field; null: it was created"),
    )


TABLE = history_table(MetaData())
"""The same again for Kith's own statements: it is alike in every service."""


def changes_of(resource: Resource, before: Aggregate, after: Aggregate) -> str:
    """Returns the old and the new value of each field of the view that changed, as JSON."""
    changed = {}
    for name in resource.view_fields:
        if name not in _OF_EVERY_CHANGE and (old := getattr(before, name)) != (new := getattr(after, name)):
            changed[name] = (old, new)
    return _encode(changed).decode()


async def erase(connection: AsyncConnection, tenant: str, resource: Resource, subjects: Iterable[UUID]) -> None:
    """Takes the personal fields out of the entries of these records, and those with values that have personal parts."""
    await take_out(connection, tenant, {*resource.personal_fields, *resource.partly_personal}, subjects)


async def take_out(connection: AsyncConnection, tenant: str, fields: Collection[str], subjects: Iterable[UUID]) -> None:
    """Takes these fields out of the entries of these records."""
    columns, personal = TABLE.c, cast(sorted(fields), ARRAY(Text))
    await connection.execute(
        update(TABLE)
        .where(columns.tenant_id == tenant, columns.subject == any_(cast([*subjects], ARRAY(Uuid))))
        .where(columns.changes.op("?|")(personal))
        .values(changes=without(columns.changes, personal))
    )


def without(changes: Column[Any], fields: Any) -> Any:
    return changes.op("-", return_type=EncodedJson())(fields)
