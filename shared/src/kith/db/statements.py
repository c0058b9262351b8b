"""Statements for the driver itself, and what comes of rows."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

import asyncpg
import msgspec
from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Enum,
    Executable,
    LargeBinary,
    Row,
    Select,
    Table,
    TableValuedAlias,
    Text,
    TypeDecorator,
    bindparam,
    cast,
    func,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from kith.db.sessions import driver_of
from kith.db.tables import EncodedJson
from kith.runtime.slices import PIECE, in_pieces, in_slices

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


async def insert_many(connection: AsyncConnection, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
    """Inserts rows, which have the same columns each, in their order. Raises asyncpg.PostgresError."""
    for piece in in_pieces(rows):
        await _inserting(table, tuple(piece[0])).fetch(connection, {_ROWS: _document(table, piece)})


async def update_many(
    connection: AsyncConnection, table: Table, tenant: str, rows: Iterable[Mapping[str, Any]]
) -> None:
    """Sets the other columns of the rows that have these ids. Raises asyncpg.PostgresError."""
    for piece in in_pieces(rows):
        values = {_ROWS: _document(table, piece), "tenant": tenant}
        await _updating(table, tuple(piece[0])).fetch(connection, values)


_ROWS = "rows"
_encode = msgspec.json.Encoder().encode


def _document(table: Table, rows: Sequence[Mapping[str, Any]]) -> str:
    """Returns the rows as JSON: a driver takes several times as long to make ready value by value."""
    encoded = [name for name in rows[0] if isinstance(table.c[name].type, EncodedJson)]
    if encoded:
        rows = [{**row, **{name: _raw(row[name]) for name in encoded}} for row in rows]
    return _encode(rows).decode()


def _raw(encoded: str | None) -> msgspec.Raw | None:
    return None if encoded is None else msgspec.Raw(encoded.encode())


@cache
def _inserting(table: Table, names: tuple[str, ...]) -> Statement:
    rows = _given(table, names)
    return Statement(insert(table).from_select(list(names), select(*(_value(rows, table.c[name]) for name in names))))


@cache
def _updating(table: Table, names: tuple[str, ...]) -> Statement:
    rows = _given(table, names)
    values = {name: _value(rows, table.c[name]) for name in names if name != "id"}
    is_the_row = (table.c.tenant_id == bindparam("tenant"), table.c.id == rows.c.id)
    return Statement(update(table).where(*is_the_row).values(values))


def _given(table: Table, names: Iterable[str]) -> TableValuedAlias:
    columns: Any = [Column(name, _sent_as(table.c[name].type)) for name in names]
    document = cast(bindparam(_ROWS, type_=Text), JSON)
    return func.json_to_recordset(document).table_valued(*columns).render_derived(name="given", with_types=True)


def _value(rows: TableValuedAlias, column: Column[Any]) -> ColumnElement[Any]:
    sent = rows.c[column.name]
    return func.decode(sent, literal_column("'base64'")) if isinstance(column.type, LargeBinary) else sent


def _sent_as(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    return Text() if isinstance(kind, LargeBinary) else kind
