"""The fields of other services' nouns, as contacts states them once (kith.nouns.stating): for a service whose worker of
before has passed their events by, or that begins anew when they are no longer on the bus."""

from typing import Any

from sqlalchemy import Table

from kith.custom.field import SERVICES
from kith.events.custom_fields import FieldDefined
from kith.nouns.fills import Fill
from kith.nouns.resource import Resource
from kith.nouns.stating import stated_once

FIELD_STATED = "contacts.field-definition.stated.v1"
"""Its body is that of FieldDefined."""


def stating_fields(definitions: Resource, outbox: Table, *, source: str) -> Fill:
    """Returns the fill that states the fields that were there before."""

    def statement_of(defined: Any) -> FieldDefined | None:
        if SERVICES.get(defined.of_noun) == source:
            return None
        return FieldDefined(**{name: getattr(defined, name) for name in FieldDefined.__struct_fields__})

    return stated_once(definitions, outbox, source=source, type=FIELD_STATED, statement_of=statement_of)
