"""Statements for the driver itself, and what comes of rows."""

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

import asyncpg
from sqlalchemy import (
    ARRAY,
    JSON,
    Column,
    Enum,
    Executable,
    Row,
    Select,
    Table,
    Text,
    TypeDecorator,
    bindparam,
    cast,
    func,
    insert,
    select,
)
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from kith.db.sessions import driver_of
from kith.db.tables import EncodedJson
from kith.runtime.slices import PIECE, in_slices

_DIALECT = PGDialect_asyncpg()  # type: ignore[no-untyped-call]


class Statement:
    """A statement compiled once and given to the driver itself: what SQLAlchemy does each time it executes one costs
    several times what the driver does. Values and rows are as the driver has them: text for an enumeration. See
    `decoder_of`."""

    def __init__(self, statement: Executable) -> None:
        compiled = statement.compile(dialect=_DIALECT)  # type: ignore[attr-defined]  # every Executable in use has it
        self.sql: str = compiled.string
        self._names: list[str] = compiled.positiontup

    async def fetch(self, connection: AsyncConnection, values: Mapping[str, Any]) -> list[asyncpg.Record]:
        """Raises asyncpg.PostgresError."""
        try:
            return await driver_of(connection).fetch(self.sql, *[values[name] for name in self._names])
        except asyncpg.PostgresError as error:
            error.detail = None  # it quotes rows, and errors are logged
            raise


def decoder_of(kind: TypeEngine[Any]) -> Callable[[Any], Any] | None:
    """What makes a value of this type of what the driver reads. None where the driver reads the value itself: all types
    but enumerations and structures, which it reads as text."""
    return kind.result_processor(_DIALECT, None) if isinstance(kind, Enum | JSON | TypeDecorator) else None


def encoder_of(kind: TypeEngine[Any]) -> Callable[[Any], Any] | None:
    """What makes of a value of this type what the driver writes: text of a structure. None where the driver writes the
    value itself."""
    return kind.bind_processor(_DIALECT) if isinstance(kind, TypeDecorator) else None


async def streamed(connection: AsyncConnection, rows: Select[Any], *, most: int) -> AsyncIterator[Row[Any]]:
    """The rows of an answer that may have as many as `most`. Of a long one the driver makes a piece ready at a time,
    and whatever else waits has its turns."""
    if most <= PIECE:  # in one go, at half the price
        for row in await connection.execute(rows):
            yield row
        return
    async with connection.stream(rows, execution_options={"yield_per": PIECE}) as result:
        async for piece in result.partitions():
            async for row in in_slices(piece):
                yield row


def zoned(fields: dict[str, Any]) -> dict[str, Any]:
    """A row's. The driver has an instant of before or after all time without a zone: nobody could compare it. Such ones
    were written before the door had bounds."""
    for name, value in fields.items():
        if value.__class__ is datetime and value.tzinfo is None:
            fields[name] = value.replace(tzinfo=UTC)
    return fields


@cache
def insert_many(table: Table, names: tuple[str, ...]) -> Statement:
    """Returns the statement that inserts rows given as an array per column, in their order: in one go, and at a part of
    the price of one by one."""
    arrays = [bindparam(name, type_=ARRAY(_sent_as(table.c[name]))) for name in names]
    rows = func.unnest(*arrays).table_valued(*names).render_derived(name="rows")
    columns = [cast(rows.c[name], table.c[name].type) for name in names]
    return Statement(insert(table).from_select(list(names), select(*columns)))


def _sent_as(column: Column[Any]) -> TypeEngine[Any]:
    return Text() if isinstance(column.type, EncodedJson) else column.type
