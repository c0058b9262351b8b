"""What is asked of custom fields in lists: the fields that are named by their codes, and the keys of the values."""

from collections.abc import Iterator, Mapping
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
    compared = set() if asked.condition is None else {each.code for each in customs_in(asked.condition.shape)}
    ordered = [each.code for each in asked.order.terms if each.is_custom and each.by_text is None]
    if not (named := {*compared, *ordered}):
        return asked
    noun = listing.resource.name
    fields = await fields_of(connection, tenant)
    if not named <= fields.of(noun).keys():
        fields = await fields_of(connection, tenant, anew=True)
    found = {code: _filterable(fields, noun, code) for code in compared}
    found |= {code: _sortable(fields, noun, code) for code in ordered}
    if not personal and any(each.personal for each in found.values()):
        raise Forbidden(f"This needs the scope {listing.service}:personal.")
    if asked.condition is not None:
        values: list[Any] = []
        shape = _known(asked.condition.shape, iter(asked.condition.values), found, values)
        asked = replace(asked, condition=Condition(shape, tuple(values)))
    if ordered:
        order = Order(tuple(_with_keys(each, found) for each in asked.order.terms))
        asked = replace(asked, order=order, sorted_by=tuple(found[code].id for code in ordered))
    return asked


def _filterable(fields: Fields, noun: str, code: str) -> CustomField:
    field = fields.of(noun).get(code)
    if field is None or not field.filterable:
        there = ", ".join(sorted(each.code for each in fields.of(noun).values() if each.filterable)) or "none"
        raise Invalid(f"Lists are filtered by these custom fields: {there}.", field=f"custom.{code}")
    return _ready(field, f"custom.{code}")


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


def _with_keys(term: Term, fields: Mapping[str, CustomField]) -> Term:
    if not term.is_custom:
        return term
    return term._replace(by_text=COMPARED_AS[fields[term.code].value_type] in _BY_TEXT)


def _known(shape: Shape, sent: Iterator[Any], fields: dict[str, CustomField], values: list[Any]) -> Shape:
    """Returns the shape with the fields' entries; the values are moved from `sent` to `values`."""
    match shape:
        case CustomComparison(code=code, operator=operator, holds=holds):
            field = fields[code]
            if operator not in operators_of(COMPARED_AS[field.value_type]):
                raise Invalid(
                    f"A field of type {field.value_type} has no such operator.", field=f"custom.{code}.{operator}"
                )
            values.append(field.id)
            if operator is not Operator.IS_NULL:
                values.append(_keys(field, next(sent)))
            return EntryComparison(COMPARED_AS[field.value_type] in _BY_TEXT, operator, holds)
        case Combination(operator=operator_, parts=parts):
            return Combination(operator_, tuple(_known(each, sent, fields, values) for each in parts))
        case _:
            values += (next(sent) for _ in range(_values_of(shape)))
            return shape


def _values_of(shape: Shape) -> int:
    """Returns how many values a condition has, of which no part is of a custom field."""
    match shape:
        case Comparison(operator=operator):
            return int(operator is not Operator.IS_NULL)
        case Related(shape=inner):
            return _values_of(inner)
        case Combination(parts=parts):
            return sum(_values_of(each) for each in parts)
        case _:
            raise AssertionError(shape)


_BY_TEXT = (str, UUID)


def _keys(field: CustomField, sent: str | list[str]) -> Any:
    return [key_of_operand(field, each) for each in sent] if isinstance(sent, list) else key_of_operand(field, sent)
