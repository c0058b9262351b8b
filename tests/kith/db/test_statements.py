"""What many rows are written with keeps every value as it is."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import (
    ARRAY,
    TEXT,
    BigInteger,
    Boolean,
    Column,
    Date,
    Identity,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Uuid,
    delete,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from kith.db.login import sqlalchemy_url
from kith.db.statements import insert_many, update_many
from kith.db.tables import Amount, EncodedJson, Moment, one_of, tenant_column, values_column
from kith.ids import new_id
from kith.runtime.slices import PIECE
from kith.values import Value
from kith_local.postgres import EmbeddedPostgres


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, kw_only=True, slots=True)
class Part(Value):
    name: str


PLAIN = {
    "flag": True,
    "colour": Colour.RED,
    "number": -(2**63),
    "amount": Decimal("9999999999999999.9999"),
    "at": datetime(1, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
    "on": date(9999, 12, 31),
    "note": 'a "quoted" \\ {brace}, NULL\n\t\u2028 \U0001f600',
    "tags": ["", "NULL", 'a"b', "c,d", "{e}", "\\"],
    "ids": [UUID(int=0), UUID(int=2**128 - 1)],
    "body": bytes(range(256)),
    "parts": [Part(name='a"b')],
    "changes": '{"name": ["ä", null], "n": 1.50}',
}
EMPTY: dict[str, Any] = dict.fromkeys(PLAIN) | {"tags": [], "parts": [], "body": b""}
THINGS = Table(
    "things",
    MetaData(),
    tenant_column(),
    Column("id", Uuid, primary_key=True),
    Column("seq", Integer, Identity()),
    Column("flag", Boolean),
    Column("colour", one_of(Colour)),
    Column("number", BigInteger),
    Column("amount", Amount),
    Column("at", Moment),
    Column("on", Date),
    Column("note", TEXT, unique=True),
    Column("tags", ARRAY(TEXT)),
    Column("ids", ARRAY(Uuid)),
    Column("body", LargeBinary),
    values_column("parts", Part),
    Column("changes", EncodedJson),
)


@pytest.fixture(scope="module")
async def url(postgres: EmbeddedPostgres) -> str:
    name = f"db_{uuid4().hex}"
    await asyncio.to_thread(postgres.create_databases, name)
    engine = create_async_engine(sqlalchemy_url(postgres.url(name)))
    async with engine.begin() as connection:
        await connection.run_sync(THINGS.metadata.create_all)
    await engine.dispose()
    return postgres.url(name)


@pytest.fixture
async def connection(url: str) -> AsyncIterator[AsyncConnection]:
    engine = create_async_engine(sqlalchemy_url(url))
    async with engine.connect() as connection:
        await connection.execute(delete(THINGS))  # with it the transaction begins, which is rolled back
        yield connection
    await engine.dispose()


async def kept(connection: AsyncConnection) -> list[dict[str, Any]]:
    names = [THINGS.c[name] for name in ("id", *PLAIN)]
    return [row._asdict() for row in await connection.execute(select(*names).order_by(THINGS.c.seq))]


def as_read(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"changes": row["changes"] and {"name": ["ä", None], "n": 1.5}}


async def test_every_value_is_kept_as_it_is(connection: AsyncConnection) -> None:
    rows = [{"tenant_id": "one", "id": new_id(), **each} for each in (PLAIN, EMPTY)]
    await insert_many(connection, THINGS, rows)
    assert await kept(connection) == [
        {"id": row["id"], **as_read(each)} for row, each in zip(rows, (PLAIN, EMPTY), strict=True)
    ]
    changed = [{"id": row["id"], **each} for row, each in zip(rows, (EMPTY, PLAIN), strict=True)]
    await update_many(connection, THINGS, "two", changed)
    assert [each["flag"] for each in await kept(connection)] == [True, None]
    await update_many(connection, THINGS, "one", changed)
    assert await kept(connection) == [as_read(each) for each in changed]


async def test_as_many_rows_as_there_are_are_written_in_their_order(connection: AsyncConnection) -> None:
    ids = [uuid4() for _ in range(2 * PIECE + 1)]
    await insert_many(connection, THINGS, ({"tenant_id": "one", "id": id} for id in ids))
    assert [each["id"] for each in await kept(connection)] == ids
    await insert_many(connection, THINGS, [])


async def test_a_refusal_quotes_no_row(connection: AsyncConnection) -> None:
    rows = [{"tenant_id": "one", "id": new_id(), "note": "of a person"} for _ in range(2)]
    with pytest.raises(asyncpg.UniqueViolationError) as refused:
        await insert_many(connection, THINGS, rows)
    assert refused.value.detail is None
