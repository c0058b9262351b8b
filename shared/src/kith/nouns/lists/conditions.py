"""The condition of a list: comparisons of fields, combined by and, or and not, and by one step over a relation.

It has a shape, which is compiled to SQL once, and values, which are always parameters.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import ColumnElement, FromClause, Table, Uuid, and_, bindparam, exists, false, or_, true

from kith.custom.tables import ENTRIES
from kith.db.owned import within
from kith.nouns.lists.operators import Operator, comparison


class ListedField(NamedTuple):
    """A field that lists may be filtered by."""

    name: str
    """As it is of its column."""
    kind: Any
    """Its type: a scalar's, an enumeration, or list[str]."""
    personal: bool
    sorts: bool
    """Whether lists may be sorted by it, too."""


class Relation(NamedTuple):
    """A step from a record to others of this service: to the one it names, or to those that name it."""

    table: Table
    ours: str
    theirs: str
    """The columns that are equal."""
    fields: Mapping[str, ListedField]
    customisable: str | None = None
    """The noun, if a tenant may define fields of its records."""


class Comparison(NamedTuple):
    field: str
    operator: Operator
    holds: bool = True
    """Of `is_null`, which takes no parameter."""


class CustomComparison(NamedTuple):
    """Of a custom field, by its code, with texts for values, until it is known what field that is (kith.custom)."""

    code: str
    operator: Operator
    holds: bool = True


class EntryComparison(NamedTuple):
    """The same of the entries of a custom field. Its first parameter is the field's id, and its values are keys."""

    by_text: bool
    operator: Operator
    holds: bool = True
    other_bound: Operator | None = None
    """With a parameter of its own."""


class Related(NamedTuple):
    """Of at least one related record."""

    relation: str
    shape: "Shape"


class Combination(NamedTuple):
    operator: str
    """`and`, `or`, or `not`, which has one part."""
    parts: tuple["Shape", ...]


Shape: TypeAlias = Comparison | CustomComparison | EntryComparison | Related | Combination


@dataclass(frozen=True)
class Condition:
    shape: Shape
    values: tuple[Any, ...] = ()
    """Of the comparisons, in order."""

    def parameters(self) -> dict[str, Any]:
        return {_name(number): value for number, value in enumerate(self.values)}

    def fields(self) -> Iterator[tuple[str | None, str]]:
        """Yields the fields that are compared, each with the relation over which it is."""
        return _fields_in(self.shape, None)


def _fields_in(shape: Shape, over: str | None) -> Iterator[tuple[str | None, str]]:
    match shape:
        case Comparison(field=field):
            yield over, field
        case Related(relation=relation, shape=inner):
            yield from _fields_in(inner, relation)
        case Combination(parts=parts):
            for each in parts:
                yield from _fields_in(each, over)


def customs_in(shape: Shape, over: str | None = None) -> Iterator[tuple[str | None, str]]:
    """Yields the codes of the custom fields that are compared, each with the relation over which it is."""
    match shape:
        case CustomComparison(code=code):
            yield over, code
        case Related(relation=relation, shape=inner):
            yield from customs_in(inner, relation)
        case Combination(parts=parts):
            for each in parts:
                yield from customs_in(each, over)


def predicate(
    shape: Shape, table: FromClause, relations: Mapping[str, Relation], *, limited: bool = False
) -> ColumnElement[bool]:
    """Returns the SQL of a condition on the rows of a table. Its parameters are those of Condition.parameters, and
    `tenant`; where the reach is limited, that of kith.db.owned: what is out of it is related to nothing."""
    return _predicate(shape, table, relations, count(), limited)


def _predicate(
    shape: Shape,
    table: FromClause,
    relations: Mapping[str, Relation],
    numbers: Iterator[int],
    limited: bool,
) -> ColumnElement[bool]:
    match shape:
        case Comparison(field=field, operator=Operator.IS_NULL, holds=holds):
            return table.c[field].is_(None) if holds else table.c[field].is_not(None)
        case Comparison(field=field, operator=operator):
            return comparison(table.c[field], operator, _name(next(numbers)))
        case EntryComparison():
            return _of_entries(shape, table, numbers)
        case CustomComparison(code=code):
            raise AssertionError(f"It is not known yet what field {code} is.")
        case Related(relation=name, shape=inner):
            relation = relations[name]
            other = relation.table.alias()
            is_related = other.c[relation.theirs] == table.c[relation.ours]
            condition = _predicate(inner, other, {}, numbers, limited)
            shown = within(relation.table, other) if limited else true()
            return exists().where(other.c.tenant_id == bindparam("tenant"), is_related, shown, condition)
        case Combination(operator="not", parts=(part,)):
            # A comparison with a field that has no value is NULL in SQL, and so is its negation.
            return _predicate(part, table, relations, numbers, limited).is_not(True)
        case Combination(operator=operator, parts=parts):
            found = [_predicate(each, table, relations, numbers, limited) for each in parts]
            return or_(false(), *found) if operator == "or" else and_(true(), *found)


_CONTRARY = {Operator.NE: Operator.EQ, Operator.NOT_IN: Operator.IN}


def _of_entries(shape: EntryComparison, table: FromClause, numbers: Iterator[int]) -> ColumnElement[bool]:
    """A record without a value has no entry, and so is unequal to every value."""
    entry = ENTRIES.alias()
    of_field = entry.c.field_id == bindparam(_name(next(numbers)), type_=Uuid)
    found = exists().where(entry.c.tenant_id == bindparam("tenant"), entry.c.record_id == table.c.id, of_field)
    if shape.operator is Operator.IS_NULL:
        return ~found if shape.holds else found
    column = entry.c.text if shape.by_text else entry.c.number
    operator = _CONTRARY.get(shape.operator, shape.operator)
    found = found.where(comparison(column, operator, _name(next(numbers))))
    if shape.other_bound is not None:
        found = found.where(comparison(column, shape.other_bound, _name(next(numbers))))
    return found if operator is shape.operator else ~found


def _name(number: int) -> str:
    return f"p{number}"
