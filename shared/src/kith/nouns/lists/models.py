"""What may be sent of a list: the models that check it, made of the noun's fields.

A condition is a document, the same over REST and GraphQL:

    {"stage": {"in": ["won"]}, "not": {"owner_id": {"is_null": true}}, "customer": {"segment": {"eq": "retail"}}}
"""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from keyword import iskeyword
from typing import Annotated, Any, ForwardRef, Optional
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, create_model

from kith.errors import Invalid
from kith.nouns.lists.conditions import (
    Combination,
    Comparison,
    Condition,
    CustomComparison,
    ListedField,
    Related,
    Shape,
)
from kith.nouns.lists.operators import Operator, operators_of
from kith.scalars import Code, Text, spelt

MOST_LEVELS, MOST_COMPARISONS, MOST_VALUES, MOST_BRANCHES = 5, 50, 500, 20


class FieldCondition(BaseModel):
    """Base of what may be sent for a field: operators, which all have to hold."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Where(BaseModel):
    """Base of what may be sent for a noun. All its parts have to hold; one that is null is left out."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


_LAX = ConfigDict(strict=False)
"""Of the models that read a query string: all it has is text."""
_NAMES: dict[Any, str] = {
    str: "Text",
    UUID: "Id",
    bool: "Flag",
    int: "Whole",
    float: "Number",
    Decimal: "Money",
    datetime: "Instant",
    date: "Day",
    list[str]: "Tags",
}


def operands(kind: Any) -> dict[Operator, Any]:
    """Returns the operators of a type of field, each with the type of what it takes."""
    scalar: Any = spelt(str if kind == list[str] else kind)
    bounds = Annotated[list[scalar], Field(min_length=2, max_length=2)]
    some, several = (Annotated[list[scalar], Field(min_length=least, max_length=MOST_VALUES)] for least in (1, 0))
    taken: dict[Operator, Any] = {
        Operator.IS_NULL: spelt(bool),
        Operator.BETWEEN: bounds,
        **dict.fromkeys((Operator.IN, Operator.NOT_IN), several),
        **dict.fromkeys((Operator.ANY_OF, Operator.ALL_OF, Operator.NONE_OF), some),
    }
    return {each: taken.get(each, scalar) for each in operators_of(kind)}


@cache
def _condition_model(kind: Any, *, strict: bool) -> type[FieldCondition]:
    name = f"{_NAMES.get(kind) or kind.__name__}Condition"
    taken = {operator.value: operand for operator, operand in operands(kind).items()}
    made: type[FieldCondition] = _made(FieldCondition, name, taken, strict=strict)
    return made


class _OfCode(FieldCondition):
    """Of a custom field, with texts for values: as they are spelt in a query string."""

    code: Code


@cache
def _custom_model(*, strict: bool) -> type[FieldCondition]:
    """Returns the model of a condition on a custom field."""
    several, bounds = (Annotated[list[Text], Field(min_length=n, max_length=m)] for n, m in ((0, MOST_VALUES), (2, 2)))
    many = {Operator.IN: several, Operator.NOT_IN: several, Operator.BETWEEN: bounds, Operator.IS_NULL: spelt(bool)}
    taken: dict[str, Any] = {each.value: many.get(each, Text) for each in Operator if each not in _OF_SETS}
    made: type[FieldCondition] = _made(_OfCode, "CustomCondition", taken, strict=strict)
    return made


_OF_SETS = (Operator.ANY_OF, Operator.ALL_OF, Operator.NONE_OF)


def where_model(
    name: str,
    fields: Mapping[str, ListedField],
    related: Mapping[str, type[Where]],
    *,
    strict: bool,
    customisable: bool = False,
) -> type[Where]:
    """Returns the model of a condition on a noun, `CustomersWhere`; one that is not strict reads text. `related` has
    those of the nouns one step away, by relation."""
    conditions = {each.name: _condition_model(each.kind, strict=strict) for each in fields.values()}
    itself = ForwardRef(f"{name}Where")
    several = Annotated[list[itself], Field(max_length=MOST_BRANCHES)]  # type: ignore[valid-type]  # made below
    combined = {"and": several, "or": several, "not": itself}
    of_custom: Any = _custom_model(strict=strict)
    custom = {"custom": Annotated[list[of_custom], Field(max_length=MOST_BRANCHES)]} if customisable else {}
    parts = {**conditions, **custom, **related, **combined}
    made: type[Where] = _made(Where, f"{name}Where", parts, strict=strict)
    return made


def _made(base: type[BaseModel], name: str, fields: Mapping[str, Any], *, strict: bool) -> Any:
    """Returns a model whose fields may all be left out. One whose name is a word of Python has an underscore behind it
    there."""
    if not strict:
        base = type(base.__name__, (base,), {"model_config": _LAX, "__module__": __name__})
    given: dict[str, Any] = {
        f"{each}_" if iskeyword(each) else each: (Optional[kind], Field(default=None, alias=each))  # noqa: UP045 - kinds may be named
        for each, kind in fields.items()
    }
    return create_model(name, __base__=base, __module__=__name__, **given)


def condition_of(where: Where | None) -> Condition | None:
    """Returns what was sent as a condition. Raises Invalid for one that is too deep or too long."""
    if where is None:
        return None
    values: list[Any] = []
    shape = _shape(where, values, level=1)
    if len(values) > MOST_COMPARISONS:
        raise Invalid(f"A condition has at most {MOST_COMPARISONS} comparisons.", field="where")
    return Condition(shape, tuple(values))


def _shape(where: Where, values: list[Any], level: int) -> Shape:
    if level > MOST_LEVELS:
        raise Invalid(f"Conditions are at most {MOST_LEVELS} deep.", field="where")
    found: list[Shape] = []
    for name, given in where:
        match given:
            case FieldCondition():
                found += _comparisons(name, given, values)
            case list() if name == "custom":
                found += [one for each in given for one in _of_custom(each, values)]
            case list():
                parts = [_shape(each, values, level + 1) for each in given]
                found.append(Combination(name.rstrip("_"), tuple(parts)))
            case Where() if name == "not_":
                found.append(Combination("not", (_shape(given, values, level + 1),)))
            case Where():
                found.append(Related(name, _shape(given, values, level)))
    return found[0] if len(found) == 1 else Combination("and", tuple(found))


def _of_custom(given: _OfCode, values: list[Any]) -> Iterator[CustomComparison]:
    for each in _comparisons(given.code, given, values):
        yield CustomComparison(*each)


def _comparisons(field: str, given: FieldCondition, values: list[Any]) -> Iterator[Comparison]:
    for name, value in given:
        if value is None or name == "code":
            continue
        operator = Operator(name.rstrip("_"))
        if operator is Operator.IS_NULL:
            yield Comparison(field, operator, holds=value)
        elif operator is Operator.BETWEEN:
            values += value
            yield from (Comparison(field, Operator.GTE), Comparison(field, Operator.LTE))
        else:
            values.append(value)
            yield Comparison(field, operator)
