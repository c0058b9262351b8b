"""What a client has named a record or a request by is its own text, and may be an address of e-mail. Of whoever is
erased a hash takes its place: what is sent again is still recognised by it, and nobody else is.

The hash has a key, drawn at random by the migration that made the table, so that nobody who sees a hash can try names
at it. Lookups by an external id, and by an Idempotency-Key, look for the hash as well.
"""

import re
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple
from uuid import UUID
from weakref import WeakKeyDictionary

from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    Engine,
    LargeBinary,
    MetaData,
    Select,
    Table,
    Uuid,
    and_,
    any_,
    cast,
    func,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.db.statements import Statement
from kith.db.tables import TenantId

PREFIX = "erased:"
_PATTERN = f"^{PREFIX}[0-9a-f]{{40}}$"
FORGOTTEN = 0
"""The fingerprint of a request whose key was blinded: by another one, values could be tried."""
_TEXTS = ARRAY(TenantId)


def blinding_table(metadata: MetaData) -> Table:
    return Table("blinding", metadata, Column("key", LargeBinary, primary_key=True))


_TABLE = blinding_table(MetaData())
_KEY = Statement(select(_TABLE.c.key))


class Blinding(NamedTuple):
    """Of one database."""

    key: bytes

    def of(self, tenant: str, text: str) -> str:
        hashed = blake2b(f"{tenant}/{text}".encode(), key=self.key, digest_size=20)
        return PREFIX + hashed.hexdigest()


_known: WeakKeyDictionary[Engine, Blinding] = WeakKeyDictionary()


async def blinding_of(connection: AsyncConnection) -> Blinding:
    """Returns that of a connection's database. It is read once."""
    engine = connection.sync_engine
    if (found := _known.get(engine)) is None:
        (row,) = await _KEY.fetch(connection, {})
        found = _known[engine] = Blinding(row["key"])
    return found


def is_blinded(text: str) -> bool:
    return re.match(_PATTERN, text) is not None


def shows(column: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether it is a client's own text."""
    return and_(column.is_not(None), ~column.regexp_match(_PATTERN))


async def blind(
    connection: AsyncConnection, tenant: str, table: Table, plural: str, ids: Sequence[UUID], *, idempotency: Table
) -> None:
    """Takes out of these records what clients have named them by, and out of what is remembered of their requests."""
    c, k = table.c, idempotency.c
    them: Any = cast([*ids], ARRAY(Uuid))
    rows = select(c.id, c.external_id).where(c.tenant_id == tenant, c.id == any_(them), shows(c.external_id))
    named = {row.id: row.external_id for row in await connection.execute(rows)}
    if named:
        blinding = await blinding_of(connection)
        given = func.unnest(
            cast([*named], ARRAY(Uuid)), cast([blinding.of(tenant, each) for each in named.values()], _TEXTS)
        )
        new = given.table_valued("id", "external_id").render_derived(name="new")
        values = {"external_id": new.c.external_id, "external_hash": None}
        await connection.execute(update(table).where(c.tenant_id == tenant, c.id == new.c.id).values(values))
        # Of rows of bulk requests, which name records so. They are found by the beginning of the key.
        begins = [f"{plural}/{each}/" for each in named.values()]
        ends = [f"{each[:-1]}0" for each in begins]
        between = func.unnest(cast(begins, _TEXTS), cast(ends, _TEXTS))
        keys = between.table_valued("low", "high").render_derived(name="between")
        of_rows = select(k.key).join(keys, and_(k.key >= keys.c.low, k.key < keys.c.high))
        await _blind_keys(connection, tenant, of_rows, idempotency)
    await blind_keys(connection, tenant, k.subject == any_(them), idempotency)


async def blind_keys(connection: AsyncConnection, tenant: str, of: ColumnElement[bool], idempotency: Table) -> None:
    """Does so with the keys of requests whose answers are remembered, given whose."""
    k = idempotency.c
    await _blind_keys(connection, tenant, select(k.key).where(of, k.outcome.is_not(None)), idempotency)


async def _blind_keys(connection: AsyncConnection, tenant: str, keys: Select[Any], idempotency: Table) -> None:
    k = idempotency.c
    found = (await connection.scalars(keys.where(k.tenant_id == tenant, shows(k.key)))).all()
    if not found:
        return
    blinding = await blinding_of(connection)
    blinded: Mapping[str, str] = {each: blinding.of(tenant, each) for each in found}
    given = func.unnest(cast([*blinded], _TEXTS), cast([*blinded.values()], _TEXTS))
    new = given.table_valued("old", "key").render_derived(name="new")
    values = {"key": new.c.key, "fingerprint": FORGOTTEN}
    await connection.execute(update(idempotency).where(k.tenant_id == tenant, k.key == new.c.old).values(values))
