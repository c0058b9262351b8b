"""The order of a list, and the cursors of its pages.

A cursor has the values that the last row of a page is sorted by. The next page continues after them, by an index; it is
never an offset. By a custom field (kith.custom) a list is sorted as by the keys of its entries, and a cursor has those.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, cached_property
from itertools import count
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Column, ColumnElement, Enum, FromClause, Table, Uuid, and_, bindparam, false, or_, true, tuple_

from kith.custom.tables import ENTRIES
from kith.db.tables import TenantId, compared
from kith.errors import Invalid
from kith.nouns.lists.pages import NO_CURSOR, Position, decoded, encoded, of_any_year
from kith.scalars import must_be_carried

MOST_TERMS = 5


class Term(NamedTuple):
    """A field that a list is sorted by."""

    field: str
    descending: bool = False
    nulls_first: bool = False
    by_text: bool | None = None
    """Of a custom field, `custom.` and its code, whether its keys are texts, once it is known. None: of any other."""

    @property
    def is_custom(self) -> bool:
        return self.field.startswith(_CUSTOM)

    @property
    def code(self) -> str:
        """Of its custom field."""
        return self.field.removeprefix(_CUSTOM)

    def spelt(self) -> str:
        return f"{self.field}.{'desc' if self.descending else 'asc'}{'.nulls_first' if self.nulls_first else ''}"


_CREATED, _ID, _CUSTOM = "created_at", "id", "custom."


@dataclass(frozen=True)
class Order:
    """The terms that a list is sorted by. The last is unique, so that no two rows are in one position."""

    terms: tuple[Term, ...]

    @classmethod
    def by(cls, terms: Sequence[Term]) -> "Order":
        """Returns the order with the time of creation and the id behind its terms, as the indexes have them; those of
        custom fields have the id alone."""
        names = [each.field for each in terms]
        descending = terms[-1].descending
        last = (_ID,) if any(each.is_custom for each in terms) else (_CREATED, _ID)
        more = [] if _ID in names else [Term(each, descending) for each in last if each not in names]
        return cls((*terms, *more))

    @cached_property
    def shape(self) -> "Order":
        """What it compiles to, whatever the codes of its custom fields are: they have numbers, in order."""
        numbers = count()
        return Order(
            tuple(each._replace(field=f"{_CUSTOM}{next(numbers)}") if each.is_custom else each for each in self.terms)
        )

    def columns(self, table: FromClause) -> list[ColumnElement[Any]]:
        return [_column(each, table) for each in self.terms]

    def joined(self, table: FromClause) -> FromClause:
        """Returns the table with the entries of the custom fields of this shape. Their ids are the parameters `f0`,
        `f1` ..."""
        source = table
        for each in self.terms:
            if each.is_custom:
                entry = _entries(each.field)
                of_field = entry.c.field_id == bindparam(f"f{each.code}", type_=Uuid)
                of_record = (entry.c.tenant_id == bindparam("tenant", type_=TenantId), entry.c.record_id == table.c.id)
                source = source.outerjoin(entry, and_(*of_record, of_field))
        return source

    def cursor(self, keys: Sequence[Any]) -> str:
        """Returns the cursor of a row with these values of the terms."""
        if self == NEWEST:
            return Position(*keys).cursor()
        return encoded([self._tag, *keys])

    def keys(self, cursor: str, table: Table) -> tuple[Any, ...]:
        """Returns the values of the terms. Raises Invalid for a cursor that is not of this order."""
        if self == NEWEST:
            position = Position.of(cursor)
            return position.at, position.id
        try:
            tag, *keys = msgspec.json.decode(decoded(cursor), type=_kinds(self.shape, table))
        except (ValueError, msgspec.DecodeError) as error:
            raise Invalid(NO_CURSOR, field="after") from error
        if tag != self._tag:
            raise Invalid(NO_CURSOR, field="after")
        for term, each in zip(self.terms, keys, strict=True):
            if term.by_text is False:
                if each is not None and not -(2**63) <= each < 2**63:
                    raise Invalid(NO_CURSOR, field="after")
            elif not isinstance(each, datetime):
                must_be_carried(each, "after")
        return tuple(of_any_year(each) if isinstance(each, datetime) else each for each in keys)

    @cached_property
    def _tag(self) -> str:
        return ",".join(each.spelt() for each in self.terms)


NEWEST = Order.by([Term(_CREATED, descending=True)])


@cache
def _kinds(order: Order, table: Table) -> Any:
    kinds = [str, *(_kind_of(_column(each, table)) for each in order.terms)]
    return tuple[tuple(kinds)]  # type: ignore[misc]  # of as many as there are


@cache
def _entries(field: str) -> FromClause:
    """Of the custom field that has this number in an order."""
    return ENTRIES.alias(f"sorted_{field.removeprefix(_CUSTOM)}")


def _column(term: Term, table: FromClause) -> Any:
    if not term.is_custom:
        return table.c[term.field]
    entry = _entries(term.field)
    return entry.c.text if term.by_text else entry.c.number


def _is_nullable(term: Term, table: FromClause) -> bool:
    return term.is_custom or bool(table.c[term.field].nullable)


def _kind_of(column: Column[Any]) -> Any:
    kind = str if isinstance(column.type, Enum) else column.type.python_type
    return kind | None if column.nullable else kind


class Part(NamedTuple):
    """A part of a list: the rows that have a value of its first term, those that have none, or all of them. Each of the
    first two is in the order of an index."""

    where: ColumnElement[bool]
    terms: tuple[Term, ...]
    nullable: frozenset[str]
    """The fields that may have no value in it."""
    is_null: bool | None = None
    """Whether the first term has no value in it; None: it may."""

    def column(self, term: Term, table: FromClause) -> ColumnElement[Any]:
        """Of the records that have a value of a custom field, the id is that of the entries: so their index has it."""
        first = self.terms[0]
        if term.field == _ID and first.is_custom and self.is_null is False:
            return _entries(first.field).c.record_id
        return compared(_column(term, table))


def whole(order: Order, table: FromClause) -> Part:
    nullable = frozenset(each.field for each in order.terms if _is_nullable(each, table))
    return Part(true(), order.terms, nullable)


def parts(order: Order, table: FromClause) -> list[Part]:
    """Returns the parts of a list that are to be read one after the other."""
    all_rows = whole(order, table)
    first, *rest = order.terms
    if first.field not in all_rows.nullable:
        return [all_rows]
    column = _entries(first.field).c.record_id if first.is_custom else table.c[first.field]
    nullable = all_rows.nullable - {first.field}
    found = [
        Part(column.is_not(None), order.terms, nullable, is_null=False),
        Part(column.is_(None), tuple(rest), nullable, is_null=True),
    ]
    return found[::-1] if first.nulls_first else found


def sorting(part: Part, table: FromClause) -> list[ColumnElement[Any]]:
    """Returns what the part is sorted by in SQL."""
    return [_sorting(each, part.column(each, table), each.field in part.nullable) for each in part.terms]


def _sorting(term: Term, column: ColumnElement[Any], may_be_null: bool) -> ColumnElement[Any]:
    clause = column.desc() if term.descending else column.asc()
    if not may_be_null:  # said all the same, it would keep PostgreSQL from an index
        return clause
    return clause.nulls_first() if term.nulls_first else clause.nulls_last()


def beyond(part: Part, table: FromClause, nulls: Sequence[bool]) -> ColumnElement[bool]:
    """Returns the condition of the rows of a part that come after a row. The parameters `k0`, `k1` ... are the row's
    values of the part's terms; `nulls` says which of them are none."""
    columns = [part.column(each, table) for each in part.terms]
    keys = [bindparam(f"k{n}", type_=column.type) for n, column in enumerate(columns)]
    if not part.nullable and len({each.descending for each in part.terms}) == 1:
        row, last = tuple_(*columns), tuple_(*keys)
        return row < last if part.terms[0].descending else row > last
    found: list[ColumnElement[bool]] = []
    equal: list[ColumnElement[bool]] = []
    for term, column, key, is_null in zip(part.terms, columns, keys, nulls, strict=True):
        later = _later(term, column, key, is_null=is_null, may_be_null=term.field in part.nullable)
        found.append(and_(*equal, later))
        equal.append(column.is_(None) if is_null else column == key)
    first = part.terms[0]
    if first.field in part.nullable:
        return or_(*found)
    # Redundant, and what an index begins at.
    begins = columns[0] <= keys[0] if first.descending else columns[0] >= keys[0]
    return and_(begins, or_(*found))


def _later(
    term: Term, column: ColumnElement[Any], key: ColumnElement[Any], *, is_null: bool, may_be_null: bool
) -> ColumnElement[bool]:
    if is_null:
        return column.is_not(None) if term.nulls_first else false()
    later = column < key if term.descending else column > key
    return or_(later, column.is_(None)) if may_be_null and not term.nulls_first else later
