"""The form of a field definition: what can be done with it, its table, and how it is seen."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field
from sqlalchemy import ARRAY, TEXT, Boolean, Column, Index, Integer, select
from sqlalchemy.ext.asyncio import AsyncConnection

from contacts.field_definitions.rules import FieldDefinition
from contacts.tables import metadata
from kith.custom.field import SERVICES, CustomField, FieldType
from kith.custom.reading import read_text
from kith.custom.tables import filling_columns
from kith.db.one_at_a_time import one_at_a_time
from kith.db.tables import Moment, TenantId, aggregate_table, one_of
from kith.error_codes import ErrorCode
from kith.errors import Conflict, Invalid
from kith.nouns.aggregate import Aggregate
from kith.nouns.inputs import UNSENT, Amendment, Archive, Input, NewInput, Restore
from kith.nouns.resource import ArchivableView, Attempt, Check, Command, Resource
from kith.scalars import Code, Currency, Flag, Note, Pattern, Text, Whole

MOST_FIELDS, MOST_CHOICES = 100, 200
FieldCode = Annotated[
    str, Pattern("[a-z][a-z0-9_]{0,39}", "It has up to 40 of a to z, 0 to 9 and _, and begins with a letter.")
]
Choices = Annotated[list[Code], Field(max_length=MOST_CHOICES)]
Position = Annotated[int, Whole(0, 10_000)]
CustomNoun = StrEnum("CustomNoun", {each.upper(): each for each in SERVICES})  # type: ignore[misc]  # of what takes them


class FieldAlreadyDefined(Conflict):
    code = ErrorCode.FIELD_ALREADY_DEFINED


class TooManyFields(Conflict):
    code = ErrorCode.TOO_MANY_FIELDS


class CreateFieldDefinition(NewInput):
    of_noun: CustomNoun = Field(description="the noun whose records have it")
    code: FieldCode
    value_type: FieldType
    label: Text
    help: Note | None = None
    position: Position = Field(default=0, description="where forms show it, the least first")
    required: Flag = Field(default=False, description="whether new records must have a value")
    unique: Flag = Field(default=False, description="whether no two records have the same value")
    personal: Flag | None = Field(default=None, description="whether it shows people; texts do, if nothing is said")
    filterable: Flag = Field(default=False, description="whether lists are filtered and sorted by it")
    default: Code | None = Field(default=None, description="of new records, spelt as in a query string")
    choices: Choices = Field(default_factory=list)
    currency: Currency | None = Field(default=None, description="of an amount of money")
    links_to: Code | None = Field(default=None, description="the noun that a link names a record of")


class AmendFieldDefinition(Amendment):
    label: Text = UNSENT
    help: Note | None = UNSENT
    position: Position = UNSENT
    required: Flag = UNSENT
    filterable: Flag = UNSENT
    default: Code | None = UNSENT
    choices: Choices = UNSENT


class RemoveFieldDefinition(Input):
    pass


field_definitions = aggregate_table(
    "field_definitions",
    metadata,
    Column("of_noun", TenantId, nullable=False),
    Column("code", TenantId, nullable=False),
    Column("value_type", one_of(FieldType), nullable=False),
    Column("label", TEXT, nullable=False),
    Column("help", TEXT),
    Column("position", Integer, nullable=False),
    Column("required", Boolean, nullable=False),
    Column("unique", Boolean, nullable=False),
    Column("personal", Boolean, nullable=False),
    Column("filterable", Boolean, nullable=False),
    Column("default", TEXT),
    Column("choices", ARRAY(TEXT), nullable=False),
    Column("currency", TEXT),
    Column("links_to", TEXT),
    Column("removed_at", Moment),
    Column("swept_at", Moment),
    *filling_columns(),
    archivable=True,
    listed_by=("of_noun", "code"),
)
Index(
    "field_definitions_one_by_code",
    field_definitions.c.tenant_id,
    field_definitions.c.of_noun,
    field_definitions.c.code,
    unique=True,
    postgresql_where=field_definitions.c.removed_at.is_(None),
)


async def can_be_so(connection: AsyncConnection, tenant: str, asked: Sequence[Attempt]) -> Check:
    """Returns the check that a code names one field of a noun, and that a noun has no more fields than are read with
    each of its records."""
    if not any(isinstance(given, CreateFieldDefinition) for given, _ in asked):
        return _default_fits
    await one_at_a_time(connection, tenant, "field definitions")
    c = field_definitions.c
    rows = await connection.execute(select(c.of_noun, c.code).where(c.tenant_id == tenant, c.removed_at.is_(None)))
    taken = {(row.of_noun, row.code) for row in rows}
    number = Counter(noun for noun, _ in taken)

    def check(given: Input, field: Aggregate) -> None:
        assert isinstance(field, FieldDefinition)
        _default_fits(given, field)
        if not isinstance(given, CreateFieldDefinition):
            return
        if (field.of_noun, field.code) in taken:
            raise FieldAlreadyDefined(f"There is another field {field.code} of a {field.of_noun}.", field="code")
        if number[field.of_noun] >= MOST_FIELDS:
            raise TooManyFields(f"A {field.of_noun} has at most {MOST_FIELDS} custom fields.", field="of_noun")
        taken.add((field.of_noun, field.code))
        number[field.of_noun] += 1

    return check


def _default_fits(_: Input, field: Aggregate) -> None:
    assert isinstance(field, FieldDefinition)
    if field.default is not None:
        try:
            read_text(CustomField.of(field), field.default)
        except Invalid as error:
            raise Invalid(error.detail, field="default") from None


@dataclass(slots=True)
class FieldDefinitionView(ArchivableView):
    of_noun: str
    code: str
    value_type: FieldType
    label: str
    help: str | None
    position: int
    required: bool
    unique: bool
    personal: bool
    filterable: bool
    default: str | None
    choices: list[str]
    currency: str | None
    links_to: str | None
    removed_at: datetime | None


FIELD_DEFINITIONS = Resource(
    "field_definition",
    "field_definitions",
    FieldDefinition,
    field_definitions,
    FieldDefinitionView,
    (
        Command("create", CreateFieldDefinition, FieldDefinition.create),
        Command("amend", AmendFieldDefinition, FieldDefinition.amend),
        Command("archive", Archive, FieldDefinition.archive),
        Command("restore", Restore, FieldDefinition.restore, of_archived=True),
        Command("remove", RemoveFieldDefinition, FieldDefinition.remove, of_archived=True),
    ),
    filters=("of_noun", "code"),
    unpublished=dict.fromkeys(
        ("label", "help", "position"), "Words for people, and their order. Services go by the code."
    ),
    reference_data=True,
    write_verb="admin",
    checks=can_be_so,
)
