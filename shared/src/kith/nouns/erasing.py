"""What other records hold of one that is erased goes with it, in the same transaction.

A column declares it: `Column("proof", TEXT, info={ERASED_WITH: "contact_id"})`. Its version stays: nothing that was
published has changed.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any, get_origin
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    LargeBinary,
    Table,
    Uuid,
    any_,
    cast,
    delete,
    false,
    literal,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.custom.tables import DEFINITIONS, ENTRIES
from kith.db.tables import ERASED_WITH
from kith.exports.dropping import withdraw
from kith.nouns import history
from kith.nouns.blinding import blind, shows

_NO_VALUES, _NO_LIST = (literal_column(f"'{nothing}'::jsonb", JSONB) for nothing in ("{}", "[]"))
"""Of custom fields, and of a list of values: their columns are never null."""
_NO_ANSWER = literal(b"{}", LargeBinary)
"""An answer that lacks the fields of a view: a repeated command is answered by the record as it is then."""


async def erase_with(
    connection: AsyncConnection, tenant: str, table: Table, idempotency: Table, subjects: Collection[UUID]
) -> None:
    """Takes out what records hold of these rows of the table: of the rows themselves, of their histories, and of
    remembered answers."""
    erased = any_(cast([*subjects], ARRAY(Uuid)))
    for held, by_name in held_of(table).items():
        for name, columns in by_name.items():
            names = [held.c[each] for each in (name, f"told_{name}") if each in held.c]
            of = or_(*(each == erased for each in names))
            await take_out(connection, tenant, held, columns, of, idempotency=idempotency)


@cache
def held_of(table: Table) -> Mapping[Table, Mapping[str, Sequence[str]]]:
    """Returns the columns that are erased with the rows of a table: by their own table, and by the column of that which
    names the row."""
    found: dict[Table, dict[str, list[str]]] = {}
    for other in table.metadata.sorted_tables:
        for column in other.c:
            name = column.info.get(ERASED_WITH)
            if name is not None and other.c[name].references(table.c.id):
                found.setdefault(other, {}).setdefault(name, []).append(column.name)
    return found


async def take_out(
    connection: AsyncConnection,
    tenant: str,
    table: Table,
    columns: Sequence[str],
    of: ColumnElement[bool],
    *,
    idempotency: Table,
    most: int | None = None,
    named: str | None = None,
) -> Sequence[UUID]:
    """Empties these columns of the rows, or of the first so many that hold something; and blinds what clients have
    `named` them by (kith.nouns.blinding), given their noun in the plural. Returns the ids of the rows."""
    c, keys = table.c, idempotency.c
    empty = {name: _nothing_in(c[name]) for name in columns}
    held = [c[name].is_not(None) if nothing is None else c[name] != nothing for name, nothing in empty.items()]
    holds = or_(false(), *held, *([shows(c.external_id)] if named is not None else []))
    # In the order of their ids, like all writes, so that no two transactions deadlock.
    rows = select(c.id).where(c.tenant_id == tenant, of, holds).order_by(c.id).with_for_update(key_share=True)
    ids = (await connection.scalars(rows.limit(most))).all()
    if not ids:
        return ids
    them: Any = cast(ids, ARRAY(Uuid))
    if empty:
        await connection.execute(update(table).where(c.tenant_id == tenant, c.id == any_(them)).values(empty))
        await history.take_out(connection, tenant, columns, ids)
    if "custom_personal" in columns:
        await _forget_entries(connection, tenant, them)
    answers = update(idempotency).where(keys.tenant_id == tenant, keys.subject == any_(them))
    await connection.execute(answers.where(keys.outcome.is_not(None)).values(outcome=_NO_ANSWER))
    await withdraw(connection, tenant, table, ids)
    if named is not None:
        await blind(connection, tenant, table, named, ids, idempotency=idempotency)
    return ids


def _nothing_in(column: Column[Any]) -> ColumnElement[Any] | None:
    if column.nullable:
        return None
    kind = getattr(column.type, "kind", None)
    return _NO_LIST if get_origin(kind) is list else _NO_VALUES


async def _forget_entries(connection: AsyncConnection, tenant: str, records: Any) -> None:
    """Of the custom fields that show people."""
    f, e = DEFINITIONS.c, ENTRIES.c
    personal = select(f.id).where(f.tenant_id == tenant, f.personal)
    await connection.execute(
        delete(ENTRIES).where(e.tenant_id == tenant, e.record_id == any_(records), e.field_id.in_(personal))
    )
