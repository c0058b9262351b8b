"""The statements that find records by their entries (kith.nouns.search.entries): the best first, and of a word that
very many have only so many.

Each source is a range of the tokens of one field, in the order of an index: those that agree exactly come first in it,
and among them the most recent record. Of each source the first LOOKED_AT entries are read. What was found by one word
is held against the entries of its record for the others.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import (
    ARRAY,
    BindParameter,
    Boolean,
    ColumnElement,
    CompoundSelect,
    FromClause,
    Integer,
    Select,
    Table,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    case,
    func,
    literal_column,
    or_,
    select,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.db.statements import Statement
from kith.db.tables import Moment, TenantId
from kith.errors import Invalid
from kith.nouns.lists.pages import NO_CURSOR, decoded, encoded, of_any_year
from kith.nouns.search.entries import TABLE, SearchedField
from kith.nouns.search.wanted import Range, Wanted, Word

LOOKED_AT = 2000
"""Entries that are read of each source: what is found is among them."""
_ALL = 10**6
_EXACTLY, _NEARLY = 0, 1
"""The ranks of what agrees as a whole."""
_BY_WORDS, _BEGINNING = 10, 100
"""The rank of what has all words in the first field; and what is added for each that one only begins with."""

_E = TABLE.c
_TENANT = bindparam("tenant", type_=TenantId)


class Rank(msgspec.Struct, array_like=True, frozen=True):
    """Where a record stands among those that are found: by its rank, then by when it was created."""

    rank: int
    at: datetime
    id: UUID

    def cursor(self) -> str:
        return encoded(["best", self])

    @classmethod
    def of(cls, cursor: str) -> "Rank":
        """Raises Invalid."""
        try:
            _, found = msgspec.json.decode(decoded(cursor), type=tuple[Literal["best"], Rank])
        except (ValueError, msgspec.DecodeError) as error:
            raise Invalid(NO_CURSOR, field="after") from error
        if abs(found.rank) >= 2**31:
            raise Invalid(NO_CURSOR, field="after")
        return cls(found.rank, of_any_year(found.at), found.id)

    def parameters(self) -> dict[str, Any]:
        return {"k0": self.rank, "k1": self.at, "k2": self.id}


class _Source(NamedTuple):
    field: str
    range: Range
    rank: int
    beginning: int
    """What is added to the rank of what does not agree exactly."""
    whole: bool
    """Whether what agrees is found, whatever else was searched for."""


class Search(NamedTuple):
    """A search, made ready to be sent."""

    values: Mapping[str, Any]
    words: int
    """How many words are looked up in the entries of what was found by another one."""


async def made_ready(
    connection: AsyncConnection, tenant: str, wanted: Wanted, fields: Sequence[SearchedField]
) -> Search:
    """Makes a search in these fields ready, which begins with the rarest word."""
    lookups = await _rarest_first(connection, tenant, wanted, [each.name for each in fields])
    sources = list(_sources(wanted, fields, lookups[0] if lookups else None))
    externals = list(wanted.external_ids())
    by_lookup = lookups[0].word if lookups else None
    others = [word for word in dict.fromkeys(each.word for each in lookups) if word != by_lookup or word.contains]
    values = {
        "tenant": tenant,
        "fields": [each.name for each in fields],
        "sources": [each.field for each in sources],
        "lows": [each.range.low for each in sources],
        "highs": [each.range.high for each in sources],
        "ranks": [each.rank for each in sources],
        "beginnings": [each.beginning for each in sources],
        "wholes": [each.whole for each in sources],
        "external_lows": [each.low for each in externals],
        "external_highs": [each.high for each in externals],
    }
    for number, word in enumerate(others):
        given = (*word.ranges[0], *word.ranges[1], word.contains)
        values |= zip((each.key for each in _parameters(number)), given, strict=True)
    return Search(values, len(others))


class _Lookup(NamedTuple):
    word: Word
    ranges: tuple[Range, ...]


async def _rarest_first(connection: AsyncConnection, tenant: str, wanted: Wanted, fields: list[str]) -> list[_Lookup]:
    """Returns the lookups of all words, the one that the fewest entries agree with first."""
    lookups = [_Lookup(word, ranges) for word in wanted.words for ranges in word.lookups]
    if len(lookups) < 2 or not fields:
        return lookups
    ranges = [(number, each) for number, lookup in enumerate(lookups) for each in lookup.ranges]
    values = {
        "tenant": tenant,
        "fields": fields,
        "lows": [each.low for _, each in ranges],
        "highs": [each.high for _, each in ranges],
    }
    counts = [0] * len(lookups)
    for (number, _), row in zip(ranges, await _COUNT.fetch(connection, values), strict=True):
        counts[number] += row["number"]
    return [lookups[number] for number in sorted(range(len(lookups)), key=counts.__getitem__)]


def _sources(wanted: Wanted, fields: Sequence[SearchedField], first: _Lookup | None) -> Iterable[_Source]:
    for number, each in enumerate(fields):
        if not each.is_number:
            yield _Source(each.name, wanted.whole, _EXACTLY, 0, whole=True)
        elif wanted.number is not None:
            yield _Source(each.name, wanted.number, _EXACTLY, _NEARLY, whole=True)
        if first is not None:
            for range in first.ranges:
                yield _Source(each.name, range, _BY_WORDS + number, _BEGINNING, whole=False)


def page(
    columns: Select[Any], table: Table, condition: ColumnElement[bool] | None, *, words: int, goes_on: bool
) -> Statement:
    """Returns the statement of a page of those rows of a table that are found, with their ranks, times and ids behind:
    the best first, and of equally good ones the most recent."""
    _, best = _found(table, words=words)
    most = bindparam("most", type_=Integer)
    if goes_on:
        c, last = best.selected_columns, bindparam("k0", type_=Integer)
        before = tuple_(c.at, c.id) < tuple_(bindparam("k1", type_=Moment), bindparam("k2", type_=Uuid))
        best = best.where(or_(c.rank > last, and_(c.rank == last, before)))
    c = best.selected_columns
    # A subquery in order is read as far as the page needs, and so only its rows are looked up. Without the limit, which
    # is no less than there may be, the planner would not take its order over.
    found = best.order_by(c.rank, c.at.desc(), c.id.desc()).limit(_int(_ALL)).subquery("best")
    row = columns.where(table.c.id == found.c.id, true() if condition is None else condition).correlate(found).lateral()
    rows = select(*row.c, found.c.rank, found.c.at, found.c.id.label("found_id")).select_from(found.join(row, true()))
    return Statement(rows.order_by(found.c.rank, found.c.at.desc(), found.c.id.desc()).limit(most))


def number(table: Table, condition: ColumnElement[bool] | None, *, words: int) -> Statement:
    """Returns the statement that counts those rows of a table that are found, and the entries that were looked at."""
    hits, best = _found(table, words=words)
    if condition is not None:
        is_found = table.c.id.in_(best.with_only_columns(best.selected_columns.id))
        best = select(table.c.id).where(table.c.tenant_id == _TENANT, condition, is_found)
    numbers = select(func.count()).select_from(best.subquery()).scalar_subquery()
    looked_at = select(func.count()).select_from(hits).scalar_subquery()
    return Statement(select(numbers.label("number"), looked_at.label("looked_at")))


def _found(table: Table, *, words: int) -> tuple[FromClause, Select[Any]]:
    """Returns the entries that are looked at, and the records that are found by them, each with its rank."""
    hits = _hits(table).cte("hits")
    found = (
        select(
            hits.c.id,
            func.max(hits.c.at).label("at"),
            func.min(hits.c.rank).label("rank"),
            func.bool_or(hits.c.whole).label("whole"),
        )
        .group_by(hits.c.id)
        .cte("found")
        .prefix_with("MATERIALIZED")
    )
    rows: FromClause = found
    rank = found.c.rank
    for word in (_word_of(found, number) for number in range(words)):
        rows = rows.join(word, true())
        rank = rank + word.c.beginning
    return hits, select(found.c.id, found.c.at, rank.label("rank")).select_from(rows)


def _hits(table: Table) -> CompoundSelect[Any]:
    source = _given(sources=Text, lows=Text, highs=Text, ranks=Integer, beginnings=Integer, wholes=Boolean)
    is_of_source = (_E.tenant_id == _TENANT, _E.field == source.c.sources)
    entries = (
        select(_E.id, _E.at, _E.token)
        .where(*is_of_source, _E.token.between(source.c.lows, source.c.highs))
        .order_by(_E.token, _E.at.desc(), _E.id.desc())
        .limit(_int(LOOKED_AT))
        .lateral()
    )
    rank = source.c.ranks + case((entries.c.token == source.c.lows, _int(0)), else_=source.c.beginnings)
    by_entries = select(entries.c.id, entries.c.at, rank.label("rank"), source.c.wholes.label("whole"))
    return union_all(by_entries.select_from(source.join(entries, true())), _by_external_id(table))


def _by_external_id(table: Table) -> Select[Any]:
    wanted, c = _given(external_lows=Text, external_highs=Text), table.c
    rows = (
        select(c.id, c.created_at, c.external_id)
        .where(c.tenant_id == _TENANT, c.external_id.between(wanted.c.external_lows, wanted.c.external_highs))
        .order_by(c.external_id)
        .limit(_int(LOOKED_AT))
        .lateral()
    )
    rank = case((rows.c.external_id == wanted.c.external_lows, _int(_EXACTLY)), else_=_int(_NEARLY))
    return select(rows.c.id, rows.c.created_at, rank, true()).select_from(wanted.join(rows, true()))


def _word_of(found: FromClause, number: int) -> Any:
    """Returns a row for a record that has the word of this number, or is found whatever it has: what is added to its
    rank."""
    low, high, other_low, other_high, contains = _parameters(number)
    begins_only = func.min(case((_E.token == low, _int(0)), else_=_int(_BEGINNING)))
    return (
        select(case((found.c.whole, _int(0)), else_=begins_only).label("beginning"))
        .where(_E.tenant_id == _TENANT, _E.id == found.c.id, _E.field == any_(bindparam("fields", type_=ARRAY(Text))))
        .where(or_(_E.token.between(low, high), _E.token.between(other_low, other_high)))
        .where(func.strpos(_E.token, contains) > _int(0))
        .having(or_(func.count() > _int(0), found.c.whole))
        .correlate(found)
        .lateral()
    )


def _parameters(number: int) -> tuple[BindParameter[Any], ...]:
    """Returns those of a word."""
    names = ("low", "high", "other_low", "other_high", "contains")
    return tuple(bindparam(f"word_{number}_{name}", type_=Text) for name in names)


def _int(number: int) -> ColumnElement[int]:
    """Returns a number that stands in the statement itself."""
    return literal_column(str(number), Integer)


def _given(**arrays: Any) -> Any:
    """Returns the rows that are given as an array per column."""
    given = [bindparam(name, type_=ARRAY(kind)) for name, kind in arrays.items()]
    return func.unnest(*given).table_valued(*arrays).render_derived()


def _count() -> Statement:
    wanted = func.unnest(*(bindparam(name, type_=ARRAY(Text)) for name in ("lows", "highs")))
    ranges = wanted.table_valued("low", "high", with_ordinality="place").render_derived()
    some = (
        select(_E.id)
        .where(_E.tenant_id == _TENANT, _E.field == any_(bindparam("fields", type_=ARRAY(Text))))
        .where(_E.token.between(ranges.c.low, ranges.c.high))
        .limit(_int(LOOKED_AT))
        .correlate(ranges)
        .subquery()
    )
    number = select(func.count()).select_from(some).scalar_subquery()
    return Statement(select(number.label("number")).select_from(ranges).order_by(ranges.c.place))


_COUNT = _count()
