"""What is asked of custom fields in lists: the fields that are named by their codes, and the keys of the values."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from kith.custom.field import CustomField, FieldType
from kith.custom.known import Fields, fields_of
from kith.custom.reading import COMPARED_AS, key_of_operand
from kith.error_codes import ErrorCode
from kith.errors import Conflict, Forbidden, Invalid
from kith.nouns.lists.conditions import (
    Combination,
    Comparison,
    Condition,
    CustomComparison,
    EntryComparison,
    Related,
    Shape,
    customs_in,
)
from kith.nouns.lists.listing import Asked, Listing
from kith.nouns.lists.operators import Operator, operators_of
from kith.nouns.lists.order import Order, Term


class FieldNotReady(Conflict):
    code = ErrorCode.FIELD_NOT_READY


async def known(connection: AsyncConnection, tenant: str, listing: Listing, asked: Asked, *, personal: bool) -> Asked:
    """Returns what is asked, by the tenant's fields. Raises Invalid for a field that lists are not filtered or sorted
    by or a value that it cannot have, and Forbidden for one that the actor may not see."""
    compared = set() if asked.condition is None else {*customs_in(asked.condition.shape)}
    ordered = [each.code for each in asked.order.terms if each.is_custom and each.by_text is None]
    if not compared and not ordered:
        return asked
    nouns = {over: each.customisable or "" for over, each in listing.relations.items()} | {None: listing.resource.name}
    fields = await fields_of(connection, tenant)
    if not all(code in fields.of(nouns[over]) for over, code in (*compared, *((None, each) for each in ordered))):
        fields = await fields_of(connection, tenant, anew=True)
    filtered = {(over, code): _filterable(fields, nouns[over], over, code) for over, code in compared}
    sorted_by = [_sortable(fields, nouns[None], code) for code in ordered]
    if not personal and any(each.personal for each in (*filtered.values(), *sorted_by)):
        raise Forbidden(f"This needs the scope {listing.service}:personal.")
    if asked.condition is not None:
        values: list[Any] = []
        shape = _known(asked.condition.shape, iter(asked.condition.values), filtered, values, None)
        asked = replace(asked, condition=Condition(shape, tuple(values)))
    if ordered:
        order = Order(tuple(_with_keys(each, sorted_by) for each in asked.order.terms))
        asked = replace(asked, order=order, sorted_by=tuple(each.id for each in sorted_by))
    return asked


_Named = tuple[str | None, str]
"""The code of a field, and the relation over which it is named."""


def _path(over: str | None, code: str) -> str:
    return f"custom.{code}" if over is None else f"{over}.custom.{code}"


def _filterable(fields: Fields, noun: str, over: str | None, code: str) -> CustomField:
    field = fields.of(noun).get(code)
    if field is None or not field.filterable:
        there = ", ".join(sorted(each.code for each in fields.of(noun).values() if each.filterable)) or "none"
        raise Invalid(f"Lists are filtered by these custom fields: {there}.", field=_path(over, code))
    return _ready(field, _path(over, code))


def _sortable(fields: Fields, noun: str, code: str) -> CustomField:
    field = fields.of(noun).get(code)
    if field is None or not _sorts(field):
        there = ", ".join(sorted(each.code for each in fields.of(noun).values() if _sorts(each))) or "none"
        raise Invalid(f"Lists are sorted by these custom fields: {there}; not by {code[:100]!r}.", field="order_by")
    return _ready(field, "order_by")


def _ready(field: CustomField, asked_in: str) -> CustomField:
    """Raises FieldNotReady."""
    if field.filling is not None:
        rule = f"Lists are filtered by {field.code} soon: its values are entered, of {field.filling:,} records so far."
        raise FieldNotReady(rule, field=asked_in)
    return field


def _sorts(field: CustomField) -> bool:
    """One of several choices has no place among the others, and an order of ids tells nobody anything."""
    return field.filterable and field.value_type not in (FieldType.MULTI_CHOICE, FieldType.LINK)


def _with_keys(term: Term, fields: Sequence[CustomField]) -> Term:
    field = next((each for each in fields if term.is_custom and each.code == term.code), None)
    return term if field is None else term._replace(by_text=COMPARED_AS[field.value_type] in _BY_TEXT)


def _known(
    shape: Shape, sent: Iterator[Any], fields: Mapping[_Named, CustomField], values: list[Any], over: str | None
) -> Shape:
    """Returns the shape with the fields' entries; the values are moved from `sent` to `values`."""
    match shape:
        case CustomComparison(code=code, operator=operator, holds=holds):
            field = fields[over, code]
            if operator not in operators_of(COMPARED_AS[field.value_type]):
                rule = f"A field of type {field.value_type} has no such operator."
                raise Invalid(rule, field=f"{_path(over, code)}.{operator}")
            values.append(field.id)
            if operator is not Operator.IS_NULL:
                values.append(_keys(field, next(sent)))
            return EntryComparison(COMPARED_AS[field.value_type] in _BY_TEXT, operator, holds)
        case Combination(operator="and", parts=parts):
            return _all_of(parts, sent, fields, values, over)
        case Combination(operator=operator_, parts=parts):
            return Combination(operator_, tuple(_known(each, sent, fields, values, over) for each in parts))
        case Related(relation=relation, shape=inner):
            return Related(relation, _known(inner, sent, fields, values, relation))
        case Comparison(operator=operator):
            values += [] if operator is Operator.IS_NULL else [next(sent)]
            return shape
        case _:
            raise AssertionError(shape)


def _all_of(
    parts: Iterable[Shape],
    sent: Iterator[Any],
    fields: Mapping[_Named, CustomField],
    values: list[Any],
    over: str | None,
) -> Shape:
    """Returns the shape of all of these. Of two bounds of a field it is one look for an entry between them: either
    alone may find nearly all records."""
    found: list[Shape] = []
    before: Shape | None = None
    for part in parts:
        known = _known(part, sent, fields, values, over)
        if _bound_one_value(before, part):
            assert isinstance(known, EntryComparison)
            assert isinstance(found[-1], EntryComparison)
            found[-1] = found[-1]._replace(other_bound=known.operator)
            del values[-2]  # the field's id, which is there
            before = None
        else:
            found.append(known)
            before = part
    return found[0] if len(found) == 1 else Combination("and", tuple(found))


_BOUNDS = (Operator.LT, Operator.LTE, Operator.GT, Operator.GTE)


def _bound_one_value(one: Shape | None, other: Shape) -> bool:
    """Whether both are bounds of one field. A field that has an order has one value."""
    return (
        isinstance(one, CustomComparison)
        and isinstance(other, CustomComparison)
        and one.code == other.code
        and {one.operator, other.operator} <= {*_BOUNDS}
    )


_BY_TEXT = (str, UUID)


def _keys(field: CustomField, sent: str | list[str]) -> Any:
    return [key_of_operand(field, each) for each in sent] if isinstance(sent, list) else key_of_operand(field, sent)
