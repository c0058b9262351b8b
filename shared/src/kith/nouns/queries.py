"""Reads rows as views by Core selects, a page at a time by key and never by offset."""

import base64
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

import msgspec
from sqlalchemy import ARRAY, ColumnElement, Integer, Select, Table, Uuid, any_, bindparam, func, null, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.db.statements import Statement, decoder_of, zoned
from kith.db.tables import Moment
from kith.errors import Invalid, NotFound
from kith.nouns.resource import Resource, View
from kith.values import hidden as without_parts

T = TypeVar("T")
V = TypeVar("V", bound=View)

DEFAULT_PAGE, MAX_PAGE = 50, 500
BATCH = 500
"""The rows that a cursor fetches at a time."""


class Page(NamedTuple, Generic[T]):
    rows: list[T]
    next: str | None
    """The cursor of the next page, if there is one."""


class Position(msgspec.Struct, array_like=True, frozen=True):
    """The last row of a page, after which the next one continues."""

    at: datetime
    id: UUID

    def cursor(self) -> str:
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).decode().rstrip("=")

    @classmethod
    def of(cls, cursor: str) -> "Position":
        try:
            found = msgspec.json.decode(decoded(cursor), type=cls)
        except (ValueError, msgspec.DecodeError) as error:
            raise Invalid("It is not a cursor of this list.", field="after") from error
        # Of any year: it is the position of a row that may have been stored before inputs had bounds.
        # The driver returns -infinity and infinity without a time zone.
        if found.at.utcoffset() not in (None, timedelta(0)):
            raise Invalid("It is not a cursor of this list.", field="after")
        return cls(found.at.replace(tzinfo=UTC), found.id)


def decoded(cursor: str) -> bytes:
    """Returns the content of a cursor. Raises ValueError for a malformed one."""
    return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)


class Queries(Generic[V]):
    """Reads the rows of one noun as `view`, which is the resource's or a GraphQL type that inherits it.

    Personal fields are not even selected unless they may be shown.
    """

    def __init__(self, resource: Resource, view: type[V], *, personal: bool) -> None:
        self._resource = resource
        self._view = view
        self._table = resource.table
        hidden = frozenset() if personal else resource.personal_fields
        self._personal = personal
        self._partly = () if personal else tuple(resource.partly_personal)
        self._shown = [name for name in resource.view_fields if name not in hidden]
        self._columns = _Columns(self._table, resource.view_fields, hidden)
        self._decoders = _decoders(self._columns)

    def _seen(self, row: Iterable[Any]) -> V:
        """Returns the view of a row that the driver returned."""
        # By name: a GraphQL type may redeclare a field with a description of its own.
        fields = zoned(dict(zip(self._resource.view_fields, row, strict=True)))
        for name, decode in self._decoders:
            fields[name] = decode(fields[name])
        for name in self._partly:
            fields[name] = without_parts(fields[name])
        return self._view(**fields)

    async def one(self, connection: AsyncConnection, tenant: str, id: UUID) -> V:
        """Returns the row with this id. Raises NotFound."""
        found = await self.many(connection, tenant, [id])
        if id not in found:
            raise NotFound.of(self._resource.words, id)
        return found[id]

    async def singleton(self, connection: AsyncConnection, tenant: str) -> V:
        """Returns the tenant's only row, or the initial state before its first change."""
        assert self._resource.singleton is not None
        unchanged = self._resource.singleton(tenant)
        found = await self.many(connection, tenant, [unchanged.id])
        if unchanged.id in found:
            return found[unchanged.id]
        row = {name: getattr(unchanged, name) for name in self._resource.view_fields}
        return self._view(**(row if self._personal else self._resource.hidden(row)))

    async def many(self, connection: AsyncConnection, tenant: str, ids: Sequence[UUID]) -> dict[UUID, V]:
        values = {"tenant": tenant, "ids": list(ids)}
        rows = await _rows_by_id(self._columns).fetch(connection, values)
        return {row["id"]: self._seen(row) for row in rows}

    async def page(
        self,
        connection: AsyncConnection,
        tenant: str,
        *,
        first: int = DEFAULT_PAGE,
        after: str | None = None,
        filters: Mapping[str, Any] | None = None,
    ) -> Page[V]:
        """Returns a page, newest first. Raises Invalid for a malformed cursor or a page that is too big."""
        if not 1 <= first <= MAX_PAGE:
            raise Invalid(f"A page has 1 to {MAX_PAGE} rows.", field="first")
        filters = filters or {}
        values = {"tenant": tenant, "most": first + 1} | {f"filter_{name}": value for name, value in filters.items()}
        if after is not None:
            last = Position.of(after)
            values |= {"last_at": last.at, "last_id": last.id}
        statement = _page_of_rows(self._columns, tuple(sorted(filters)), goes_on=after is not None)
        rows = [self._seen(row) for row in await statement.fetch(connection, values)]
        more = len(rows) > first
        rows = rows[:first]
        return Page(rows, Position(rows[-1].created_at, rows[-1].id).cursor() if more else None)

    async def all(
        self, connection: AsyncConnection, tenant: str, *, after: UUID | None = None
    ) -> AsyncIterator[list[dict[str, Any]]]:
        """Yields the rows in the order of their ids, or those after an id, a batch at a time by a cursor. Personal
        fields are included only on request."""
        table = self._table
        query = select(*(table.c[name] for name in self._shown)).where(table.c.tenant_id == tenant)
        if after is not None:
            query = query.where(table.c.id > after)
        query = query.order_by(table.c.id).execution_options(yield_per=BATCH)
        async with connection.stream(query) as result:
            async for rows in result.partitions():
                found = [zoned(dict(zip(self._shown, row, strict=True))) for row in rows]
                yield [self._resource.without_personal(row) for row in found] if self._partly else found

    async def newest_of(
        self, connection: AsyncConnection, tenant: str, column: str, owners: Sequence[UUID], *, first: int
    ) -> dict[UUID, list[V]]:
        """Returns the newest rows of each owner (of each customer, say), in one select."""
        if not 1 <= first <= MAX_PAGE:
            raise Invalid(f"A page has 1 to {MAX_PAGE} rows.", field="first")
        found: dict[UUID, list[V]] = {id: [] for id in owners}
        values = {"tenant": tenant, "owners": list(owners), "most": first}
        for key, *row in await _newest_rows(self._columns, column).fetch(connection, values):
            found[key].append(self._seen(row))
        return found


class _Columns(NamedTuple):
    """The columns of a table that a view shows, in the order of its fields; a hidden one is NULL."""

    table: Table
    fields: tuple[str, ...]
    hidden: frozenset[str]

    def select(self) -> Select[Any]:
        """Returns the select of a tenant's rows."""
        table = self.table
        columns = [null().label(name) if name in self.hidden else table.c[name] for name in self.fields]
        return select(*columns).where(table.c.tenant_id == bindparam("tenant"))

    def newest_first(self) -> tuple[ColumnElement[Any], ...]:
        return self.table.c.created_at.desc(), self.table.c.id.desc()


@cache
def _decoders(columns: _Columns) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
    """Returns the decoders of the fields whose values the driver returns as text, by field."""
    shown = (name for name in columns.fields if name not in columns.hidden)
    decoders = ((name, decoder_of(columns.table.c[name].type)) for name in shown)
    return tuple((name, decode) for name, decode in decoders if decode is not None)


# A limit is always a parameter: PostgreSQL keeps a plan for any parameters where it looks no dearer than one for these,
# and with a small limit written out it does, though it reads all of a tenant's rows for a page from the middle.
_MOST = bindparam("most", type_=Integer)
_STATEMENTS = 1000
"""Pages are requested by any set of filters: that many statements are kept."""


@cache
def _rows_by_id(columns: _Columns) -> Statement:
    ids = bindparam("ids", type_=ARRAY(Uuid))
    return Statement(columns.select().where(columns.table.c.id == any_(ids)))


@lru_cache(_STATEMENTS)
def _page_of_rows(columns: _Columns, filters: tuple[str, ...], *, goes_on: bool) -> Statement:
    table = columns.table
    query = columns.select().where(*(table.c[name] == bindparam(f"filter_{name}") for name in filters))
    if goes_on:
        last = tuple_(bindparam("last_at", type_=Moment), bindparam("last_id", type_=Uuid))
        query = query.where(tuple_(table.c.created_at, table.c.id) < last)
    return Statement(query.order_by(*columns.newest_first()).limit(_MOST))


@cache
def _newest_rows(columns: _Columns, owner: str) -> Statement:
    owners = bindparam("owners", type_=ARRAY(Uuid))
    wanted = func.unnest(owners).table_valued("owner").render_derived(name="wanted")
    rows = columns.select().where(columns.table.c[owner] == wanted.c.owner)
    newest = rows.order_by(*columns.newest_first()).limit(_MOST).lateral()
    return Statement(select(wanted.c.owner, *newest.c).select_from(wanted, newest))
