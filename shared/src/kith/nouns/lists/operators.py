"""The operators that compare a field with values: which of them a type of field has, and what each is in SQL."""

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from enum import EnumType, StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import TEXT, ColumnElement, Text, all_, any_, bindparam, literal_column, or_, type_coerce
from sqlalchemy.dialects.postgresql import ARRAY

from kith.db.tables import compared


class Operator(StrEnum):
    EQ = "eq"
    NE = "ne"
    IN = "in"
    NOT_IN = "not_in"
    LT = "lt"
    LTE = "lte"
    GT = "gt"
    GTE = "gte"
    BETWEEN = "between"
    """From one value to another, both among them: the same as `gte` and `lte` together."""
    PREFIX = "prefix"
    IS_NULL = "is_null"
    """True or false: whether it has no value, or has one."""
    ANY_OF = "any_of"
    ALL_OF = "all_of"
    NONE_OF = "none_of"

    @property
    def takes_many(self) -> bool:
        return self in _TAKE_MANY


_TAKE_MANY = {
    Operator.IN,
    Operator.NOT_IN,
    Operator.BETWEEN,
    Operator.ANY_OF,
    Operator.ALL_OF,
    Operator.NONE_OF,
}
_EQUAL = (Operator.EQ, Operator.NE, Operator.IN, Operator.NOT_IN)
_ORDERED = (*_EQUAL, Operator.LT, Operator.LTE, Operator.GT, Operator.GTE, Operator.BETWEEN, Operator.IS_NULL)
_SET = (Operator.ANY_OF, Operator.ALL_OF, Operator.NONE_OF)
_OF: dict[Any, tuple[Operator, ...]] = {
    str: (*_EQUAL, Operator.PREFIX, Operator.IS_NULL),
    UUID: (*_EQUAL, Operator.IS_NULL),
    bool: (Operator.EQ, Operator.NE, Operator.IS_NULL),
    list[str]: _SET,
    **dict.fromkeys((int, float, Decimal, date, datetime), _ORDERED),
}
_LAST = literal_column("chr(1114111)", TEXT)
"""The last of Unicode's code points, which is no character."""


def operators_of(kind: Any) -> tuple[Operator, ...]:
    """Returns the operators of a type of field. Raises KeyError for a type that lists cannot be filtered by."""
    return (*_EQUAL, Operator.IS_NULL) if isinstance(kind, EnumType) else _OF[kind]


def comparison(column: Any, operator: Operator, name: str) -> ColumnElement[bool]:
    """Returns the comparison of a column with the parameter `name`, which has a list where the operator takes many. A
    field without a value is unequal to every value, and in no range."""
    if operator in _SET:
        return _of_set(column, operator, bindparam(name, type_=ARRAY(TEXT)))
    kind = TEXT() if isinstance(column.type, Text) else column.type
    one, many = bindparam(name, type_=kind), bindparam(name, type_=ARRAY(kind))
    return _IN_SQL[operator](compared(column), many if operator.takes_many else one)


def _of_set(column: Any, operator: Operator, wanted: Any) -> ColumnElement[bool]:
    entries = type_coerce(column, ARRAY(TEXT))
    if operator is Operator.ALL_OF:
        return entries.contains(wanted)
    has_any: ColumnElement[bool] = entries.overlap(wanted)
    return has_any if operator is Operator.ANY_OF else ~has_any


_IN_SQL: dict[Operator, Callable[[Any, Any], ColumnElement[bool]]] = {
    Operator.EQ: lambda it, value: it == value,
    Operator.NE: lambda it, value: it.is_distinct_from(value),
    Operator.IN: lambda it, values: it == any_(values),
    Operator.NOT_IN: lambda it, values: or_(it.is_(None), it != all_(values)),
    Operator.LT: lambda it, value: it < value,
    Operator.LTE: lambda it, value: it <= value,
    Operator.GT: lambda it, value: it > value,
    Operator.GTE: lambda it, value: it >= value,
    # As a range, which an index serves: what begins with it sorts before it with the highest character behind.
    Operator.PREFIX: lambda it, value: it.between(value, value.concat(_LAST)),
}
