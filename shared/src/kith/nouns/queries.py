"""Reads rows as views by Core selects, a page at a time by key and never by offset."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from functools import cache, lru_cache
from typing import Any, Generic, Literal, NamedTuple, TypeVar
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Integer,
    Select,
    Table,
    Uuid,
    and_,
    any_,
    bindparam,
    func,
    null,
    select,
    true,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.audit.disclosures import Disclosure
from kith.audit.entries import Read
from kith.custom import listed
from kith.db.owned import PARAMETER, within
from kith.db.statements import Statement, decoder_of, zoned
from kith.db.tables import TenantId
from kith.errors import NotFound
from kith.nouns.lists.conditions import Shape, predicate
from kith.nouns.lists.listing import ALL, Asked, Listing
from kith.nouns.lists.order import Order, Part, beyond, parts, sorting, whole
from kith.nouns.lists.pages import MOST_COUNTED, Page, Total, total_of
from kith.nouns.search import finding
from kith.nouns.search.wanted import Wanted
from kith.reach import Reach
from kith.values import hidden as without_parts

V = TypeVar("V")

BATCH = 500
"""The rows that a cursor fetches at a time."""


class Queries(Generic[V]):
    """Reads the rows of one noun that are within `reach` as `view`, which is the resource's, or a GraphQL type that
    inherits it; or as a dict, of these `fields` alone.

    Personal fields are not even selected unless they may be shown, which `personal` notes then; True: somebody else
    notes it.
    """

    def __init__(
        self,
        listing: Listing,
        view: type[V],
        *,
        reach: Reach,
        personal: Disclosure | Literal[True] | None,
        fields: tuple[str, ...] | None = None,
    ) -> None:
        self._listing = listing
        self.resource = self._resource = resource = listing.resource
        self._view = view
        self._table = resource.table
        sees = personal is not None
        hidden = frozenset() if sees else resource.personal_fields
        self._personal = sees
        self._disclosure = personal if resource.has_personal and isinstance(personal, Disclosure) else None
        self.shown = self._shown = [name for name in fields or resource.view_fields if name not in hidden]
        self._partly = () if sees else tuple(each for each in resource.partly_personal if each in self._shown)
        self._columns = _Columns(listing, fields or resource.view_fields, hidden, reach.is_limited)
        self._reach = {PARAMETER: reach.owners}
        self.is_limited = reach.is_limited
        self._decoders = _decoders(self._columns)

    def _seen(self, row: Iterable[Any]) -> V:
        """Returns the view of a row that the driver returned."""
        # By name: a GraphQL type may redeclare a field with a description of its own.
        fields = zoned(dict(zip(self._columns.fields, row, strict=True)))
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
        values = {"tenant": tenant, "ids": list(ids), **self._reach}
        rows = await _rows_by_id(self._columns).fetch(connection, values)
        found = {row["id"]: self._seen(row) for row in rows}
        self._note(Read.READ, found)
        return found

    def _note(self, how: Read, ids: Iterable[UUID] | None = None) -> None:
        """Notes that these records are shown, or all."""
        if self._disclosure is not None:
            self._disclosure.note(how, self._resource.name, ids)

    async def page(self, connection: AsyncConnection, tenant: str, asked: Asked = ALL) -> Page[V]:
        """Returns a page. Raises Invalid for a malformed cursor."""
        asked = await self.known(connection, tenant, asked)
        if asked.wanted is not None:
            return await self._page_found(connection, tenant, asked, asked.wanted)
        wanted, found = asked.first + 1, list[Any]()
        for number, keys in self._rest(asked):
            statement = _page_of_rows(self._columns, asked.shape, asked.order.shape, number, _nulls_of(keys))
            values = {"tenant": tenant, "most": wanted - len(found), **self._asked(asked), **_named(keys)}
            found += await statement.fetch(connection, values)
            if len(found) == wanted:
                break
        self._note(Read.LIST, self._ids(found[: asked.first], asked))
        return self._page(found, asked)

    async def _page_found(self, connection: AsyncConnection, tenant: str, asked: Asked, wanted: Wanted) -> Page[V]:
        """Returns a page of what is found, the best first."""
        after = None if asked.after is None else finding.Rank.of(asked.after)
        search = await self._search(connection, tenant, wanted)
        values = {"most": asked.first + 1, **self._asked(asked), **search.values}
        values |= {} if after is None else after.parameters()
        statement = _page_of_found(self._columns, asked.shape, search.words, after is not None)
        found = await statement.fetch(connection, values)
        shown, rows = len(self._columns.fields), found[: asked.first]
        ranks = [finding.Rank(*row[shown:]) for row in rows]
        self._note(Read.LIST, [each.id for each in ranks])
        following = ranks[-1].cursor() if len(found) > asked.first else None
        return Page([self._seen(row[:shown]) for row in rows], following, lambda number: ranks[number].cursor())

    def _asked(self, asked: Asked) -> dict[str, Any]:
        """Returns the parameters of what is asked, and of the reach."""
        return asked.parameters() | self._reach

    async def _search(self, connection: AsyncConnection, tenant: str, wanted: Wanted) -> finding.Search:
        """Makes a search ready of what the actor sees."""
        fields = [each for each in self._resource.searched_fields if self._personal or not each.personal]
        return await finding.made_ready(connection, tenant, wanted, fields)

    async def known(self, connection: AsyncConnection, tenant: str, asked: Asked) -> Asked:
        """Returns what is asked, by the tenant's custom fields. Raises Invalid and Forbidden."""
        return await listed.known(connection, tenant, self._listing, asked, personal=self._personal)

    def _rest(self, asked: Asked) -> Iterator[tuple[int, tuple[Any, ...] | None]]:
        """Yields the numbers of the list's parts from the cursor on; of the first, the keys after which it goes on."""
        all_parts = parts(asked.order.shape, self._table)
        begins, keys = 0, None
        if asked.after is not None:
            keys = asked.order.keys(asked.after, self._table)
            if len(all_parts) > 1:
                begins = [each.is_null for each in all_parts].index(keys[0] is None)
            keys = keys[1:] if all_parts[begins].is_null else keys
        yield begins, keys
        yield from ((number, None) for number in range(begins + 1, len(all_parts)))

    def _ids(self, rows: Iterable[Any], asked: Asked) -> list[UUID]:
        """Returns the ids of the rows, which are among the keys that follow what is shown."""
        place = len(self._columns.fields) + [each.field for each in asked.order.terms].index("id")
        return [row[place] for row in rows]

    def _page(self, found: list[Any], asked: Asked) -> Page[V]:
        """Returns the page of these rows, of which one too many says that there are more."""
        shown = len(self._columns.fields)
        rows = found[: asked.first]

        def cursor_of(number: int) -> str:
            keys = {str(each): key for each, key in enumerate(rows[number][shown:])}
            return asked.order.cursor(list(zoned(keys).values()))

        more = len(found) > asked.first
        return Page([self._seen(row[:shown]) for row in rows], cursor_of(len(rows) - 1) if more else None, cursor_of)

    async def count(self, connection: AsyncConnection, tenant: str, asked: Asked) -> Total:
        """Returns how many rows there are on all pages, counted up to MOST_COUNTED."""
        asked = await self.known(connection, tenant, asked)
        if asked.wanted is not None:
            search = await self._search(connection, tenant, asked.wanted)
            statement = _number_of_found(self._columns, asked.shape, search.words)
            ((number, looked_at),) = await statement.fetch(connection, {**self._asked(asked), **search.values})
            return Total(number, is_exact=looked_at < finding.LOOKED_AT)
        statement = _number_of_rows(self._columns, asked.shape)
        values = {"tenant": tenant, "most": MOST_COUNTED + 1, **self._asked(asked)}
        ((number,),) = await statement.fetch(connection, values)
        return total_of(number)

    async def all(
        self, connection: AsyncConnection, tenant: str, asked: Asked = ALL, *, after: UUID | None = None
    ) -> AsyncIterator[list[dict[str, Any]]]:
        """Yields the rows in the order of their ids, or those after an id, a batch at a time by a cursor. Personal
        fields are included only on request."""
        asked = await self.known(connection, tenant, asked)
        self._note(Read.EXPORT)
        query = self._by_id(asked, after).execution_options(yield_per=BATCH)
        async with connection.stream(query, {"tenant": tenant, **self._asked(asked)}) as result:
            async for rows in result.partitions():
                yield [self._exported(row) for row in rows]

    async def piece(
        self,
        connection: AsyncConnection,
        tenant: str,
        asked: Asked,
        *,
        after: UUID | None,
        upto: UUID,
        most: int,
    ) -> tuple[list[UUID], list[dict[str, Any]]]:
        """Returns the first so many of the rows that `all` yields, up to an id, and before them their ids."""
        asked = await self.known(connection, tenant, asked)
        id = self._table.c.id
        query = self._by_id(asked, after).add_columns(id.label("at")).where(id <= upto).limit(most)
        rows = (await connection.execute(query, {"tenant": tenant, **self._asked(asked)})).all()
        return [row.at for row in rows], [self._exported(row[:-1]) for row in rows]

    async def number_upto(self, connection: AsyncConnection, tenant: str, asked: Asked, upto: UUID) -> int:
        """Returns how many rows `all` yields up to an id. It takes about as long as to read them."""
        asked = await self.known(connection, tenant, asked)
        rows = select(func.count()).where(self._columns.rows(asked.shape), self._table.c.id <= upto)
        return (await connection.execute(rows, {"tenant": tenant, **self._asked(asked)})).scalar_one()

    def _by_id(self, asked: Asked, after: UUID | None) -> Select[Any]:
        id = self._table.c.id
        columns = (self._table.c[name] for name in self._shown)
        query = select(*columns).where(self._columns.rows(asked.shape)).order_by(id)
        return query if after is None else query.where(id > after)

    def _exported(self, row: Iterable[Any]) -> dict[str, Any]:
        found = zoned(dict(zip(self._shown, row, strict=True)))
        return self._resource.without_personal(found) if self._partly else found

    async def pages_of(
        self, connection: AsyncConnection, tenant: str, column: str, owners: Sequence[UUID], asked: Asked
    ) -> dict[UUID, Page[V]]:
        """Returns a page of the rows of each owner (of each customer, say), in one select."""
        asked = await self.known(connection, tenant, asked)
        keys = None if asked.after is None else asked.order.keys(asked.after, self._table)
        statement = _pages_of_owners(self._columns, column, asked.shape, asked.order.shape, _nulls_of(keys))
        values = {"tenant": tenant, "owners": list(owners), "most": asked.first + 1}
        values |= self._asked(asked) | _named(keys)
        found: dict[UUID, list[Any]] = {id: [] for id in owners}
        for owner, *row in await statement.fetch(connection, values):
            found[owner].append(row)
        self._note(Read.LIST, [id for rows in found.values() for id in self._ids(rows[: asked.first], asked)])
        return {id: self._page(rows, asked) for id, rows in found.items()}

    async def counts_of(
        self, connection: AsyncConnection, tenant: str, column: str, owners: Sequence[UUID], asked: Asked
    ) -> dict[UUID, Total]:
        """Returns how many rows each owner has, as `count` does."""
        asked = await self.known(connection, tenant, asked)
        statement = _numbers_of_owners(self._columns, column, asked.shape)
        values = {"tenant": tenant, "owners": list(owners), "most": MOST_COUNTED + 1, **self._asked(asked)}
        return {row["owner"]: total_of(row["number"]) for row in await statement.fetch(connection, values)}


def _nulls_of(keys: tuple[Any, ...] | None) -> "_Nulls":
    return None if keys is None else tuple(each is None for each in keys)


def _named(keys: tuple[Any, ...] | None) -> dict[str, Any]:
    return {f"k{number}": key for number, key in enumerate(keys or ()) if key is not None}


class _Columns(NamedTuple):
    """The columns that are shown of a noun, in the order of its fields; a hidden one is NULL. And whether its rows are
    those within a limited reach."""

    listing: Listing
    fields: tuple[str, ...]
    hidden: frozenset[str]
    limited: bool

    @property
    def table(self) -> Table:
        return self.listing.resource.table

    def select(self, *more: ColumnElement[Any]) -> Select[Any]:
        """Returns the select of a tenant's rows, with more columns behind those that are shown."""
        table = self.table
        columns = [null().label(name) if name in self.hidden else table.c[name] for name in self.fields]
        return select(*columns, *more).where(self.rows())

    def rows(self, shape: Shape | None = None) -> ColumnElement[bool]:
        """Returns the condition of a tenant's rows, or of those among them of which another one is true."""
        within_reach = within(self.table) if self.limited else true()
        return and_(self.table.c.tenant_id == _TENANT, within_reach, self.of(shape))

    def of(self, shape: Shape | None) -> ColumnElement[bool]:
        relations = self.listing.relations
        return true() if shape is None else predicate(shape, self.table, relations, limited=self.limited)


@cache
def _decoders(columns: _Columns) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
    """Returns the decoders of the fields whose values the driver returns as text, by field."""
    shown = (name for name in columns.fields if name not in columns.hidden)
    decoders = ((name, decoder_of(columns.table.c[name].type)) for name in shown)
    return tuple((name, decode) for name, decode in decoders if decode is not None)


# A limit is always a parameter: PostgreSQL keeps a plan for any parameters where it looks no dearer than one for these,
# and with a small limit written out it does, though it reads all of a tenant's rows for a page from the middle.
_TENANT, _MOST = bindparam("tenant", type_=TenantId), bindparam("most", type_=Integer)
_STATEMENTS = 1000
"""Pages are requested by any condition and order: that many statements are kept."""
_Nulls = tuple[bool, ...] | None
"""Of the position after which a page goes on: which of its keys are none. None: it begins at the first row."""


@cache
def _rows_by_id(columns: _Columns) -> Statement:
    ids = bindparam("ids", type_=ARRAY(Uuid))
    return Statement(columns.select().where(columns.table.c.id == any_(ids)))


@lru_cache(_STATEMENTS)
def _page_of_rows(columns: _Columns, shape: Shape | None, order: Order, number: int, nulls: _Nulls) -> Statement:
    """Of the part of the list that has this number."""
    table, part = columns.table, parts(order, columns.table)[number]
    rows = columns.select(*order.columns(table)).select_from(order.joined(table)).where(columns.of(shape))
    return Statement(_sorted(rows, table, part, nulls))


def _sorted(rows: Select[Any], table: Table, part: Part, nulls: _Nulls) -> Select[Any]:
    rows = rows.where(part.where, true() if nulls is None else beyond(part, table, nulls))
    return rows.order_by(*sorting(part, table)).limit(_MOST)


@lru_cache(_STATEMENTS)
def _number_of_rows(columns: _Columns, shape: Shape | None) -> Statement:
    table = columns.table
    rows = select(table.c.id).where(columns.rows(shape)).limit(_MOST)
    return Statement(select(func.count()).select_from(rows.subquery()))


@lru_cache(_STATEMENTS)
def _page_of_found(columns: _Columns, shape: Shape | None, words: int, goes_on: bool) -> Statement:
    return finding.page(columns.select(), columns.table, _sifted(columns, shape), words=words, goes_on=goes_on)


@lru_cache(_STATEMENTS)
def _number_of_found(columns: _Columns, shape: Shape | None, words: int) -> Statement:
    return finding.number(columns.table, _sifted(columns, shape), words=words)


def _sifted(columns: _Columns, shape: Shape | None) -> ColumnElement[bool] | None:
    """Returns the condition of what is found that is asked for. None: all of it is."""
    return None if shape is None and not columns.limited else columns.rows(shape)


@lru_cache(_STATEMENTS)
def _pages_of_owners(columns: _Columns, owner: str, shape: Shape | None, order: Order, nulls: _Nulls) -> Statement:
    table, wanted = columns.table, _owners()
    rows = columns.select(*order.columns(table)).select_from(order.joined(table))
    rows = rows.where(table.c[owner] == wanted.c.owner, columns.of(shape))
    page = _sorted(rows, table, whole(order, table), nulls).lateral()
    return Statement(select(wanted.c.owner, *page.c).select_from(wanted, page))


@lru_cache(_STATEMENTS)
def _numbers_of_owners(columns: _Columns, owner: str, shape: Shape | None) -> Statement:
    table, wanted = columns.table, _owners()
    is_theirs = table.c[owner] == wanted.c.owner
    rows = select(table.c.id).where(columns.rows(shape), is_theirs).limit(_MOST)
    number = select(func.count().label("number")).select_from(rows.correlate(wanted).subquery()).lateral()
    return Statement(select(wanted.c.owner, number.c.number).select_from(wanted, number))


def _owners() -> Any:
    owners = bindparam("owners", type_=ARRAY(Uuid))
    return func.unnest(owners).table_valued("owner").render_derived(name="wanted")
