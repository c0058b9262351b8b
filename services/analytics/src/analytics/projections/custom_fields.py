"""The custom fields of customers, as the facts of their definitions have them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.projections.facts import types_of
from analytics.projections.fields import field_of
from analytics.projections.tables import facts
from kith.custom.field import CustomField, FieldType
from kith.custom.reading import read_text
from kith.errors import Invalid
from kith.events.custom_fields import FieldDefined, FieldDefinitionCreated

DEFINITION_TYPES = types_of(FieldDefinitionCreated.noun)
PREFIX = "custom."
DIVIDING = (FieldType.CHOICE, FieldType.MULTI_CHOICE, FieldType.BOOLEAN, FieldType.TEXT, FieldType.LINK)
"""The types of fields that customers are divided by: there are no ranges of numbers, amounts and days yet."""


class CustomerFields:
    """The fields that a tenant has defined of its customers."""

    def __init__(self, fields: Mapping[str, CustomField], removed: Iterable[str] = ()) -> None:
        self._fields, self._removed = fields, frozenset(removed)

    def dividing(self, name: str, *, parameter: str) -> CustomField:
        """Returns the field that a question names, `custom.region`. Raises Invalid for one that divides no
        customers."""
        code = name.removeprefix(PREFIX)
        field = self._fields.get(code)
        if field is None and code in self._removed:
            raise Invalid(f"{name} was removed, and its values with it.", field=parameter)
        if field is None:
            there_are = ", ".join(PREFIX + each for each in sorted(self._fields)) or "none"
            raise Invalid(
                f"There is no field {name} of a customer. There are: {there_are}. "
                "One that was defined just now may not have arrived here yet: wait for it by Kith-Wait-For.",
                field=parameter,
            )
        if field.personal:
            raise Invalid(f"{name} shows people: its values are known to contacts alone.", field=parameter)
        if field.value_type not in DIVIDING:
            raise Invalid(
                f"{name} is a {field.value_type}, and customers are divided by fields of type {', '.join(DIVIDING)}.",
                field=parameter,
            )
        return field


async def customer_fields(connection: AsyncConnection, tenant: str) -> CustomerFields:
    """Returns the fields as they are now; in a read as known at an instant, as they were known then."""
    f = facts.c
    rows = await connection.execute(
        select(f.subject, f.state)
        .where(
            f.tenant_id == tenant,
            f.type.in_(DEFINITION_TYPES),
            f.until.is_(None),
            field_of(facts, "of_noun") == "customer",
        )
        .order_by(f.clock_since)
    )
    fields, removed = dict[str, CustomField](), set[str]()
    for id, state in rows:
        try:
            said = msgspec.convert(state, FieldDefined)
            kind = FieldType(said.value_type)
        except (msgspec.ValidationError, ValueError):  # no field that anybody could read
            continue
        if said.removed_at is not None:
            removed.add(said.code)
            continue
        fields[said.code] = CustomField(id, said.of_noun, said.code, kind, said.personal, choices=tuple(said.choices))
    return CustomerFields(fields, removed)


def spelt(field: CustomField, value: str) -> str:
    """Returns a value as facts spell it. Raises Invalid, which names the field and the rule."""
    one = replace(field, value_type=FieldType.CHOICE) if field.value_type is FieldType.MULTI_CHOICE else field
    kept = read_text(one, value)
    return str(kept).lower() if isinstance(kept, bool) else str(kept)


def must_be_spelt(field: CustomField, value: str, *, parameter: str) -> None:
    """Raises Invalid for a value that no fact has: one that the field does not take, or that is spelt otherwise."""
    try:
        kept = spelt(field, value)
    except Invalid as error:
        raise Invalid(error.detail, field=parameter) from None
    if kept != value:
        raise Invalid(f"It is spelt {kept}.", field=parameter)


def spelt_in_facts(said: Any) -> Iterator[str]:
    """Yields the values of a field as facts spell them; there are several of several choices."""
    match said:
        case str():
            yield said
        case bool():
            yield str(said).lower()
        case list():
            yield from (each for each in said if isinstance(each, str))


def values_of(field: CustomField) -> tuple[str, ...]:
    """Returns the values there are, as facts spell them; empty: any."""
    return ("true", "false") if field.value_type is FieldType.BOOLEAN else field.choices
