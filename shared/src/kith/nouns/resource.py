"""The form a noun is filled into: its rules, table, inputs and view. Both APIs are derived from it.

    Resource("opportunity", "opportunities", Opportunity, tables.opportunities, OpportunityView, COMMANDS,
             filters=("customer_id", "stage"))

From this come, over REST, `GET` one and a list, `POST` one, `POST ../{id}:win` and `POST ..:bulk`; over GraphQL the
queries `opportunity` and `opportunities` and the mutations `openOpportunity`, `winOpportunity`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from enum import Enum
from functools import cached_property
from inspect import cleandoc
from typing import Any, get_type_hints

from sqlalchemy import Column, Table

from kith.custom.tables import DEFINITIONS
from kith.db.statements import decoder_of, encoder_of
from kith.nouns.aggregate import Aggregate, Archivable, Customisable
from kith.nouns.form import (
    Also,
    ArchivableView,
    Attempt,
    Check,
    Command,
    Follows,
    Form,
    One,
    Supplies,
    Supply,
    Timer,
    Together,
    View,
    personal,
)
from kith.nouns.inputs import Input
from kith.nouns.search.entries import SearchedField, SearchEntries
from kith.nouns.side_tables import SideTable
from kith.nouns.unconfirmed import OnSight
from kith.nouns.validation import validate
from kith.scalars import Phone
from kith.timers.declared import RunningTimers
from kith.values import hidden, is_personal, part_types, public_parts, value_in, without_personal

__all__ = [
    "Also",
    "ArchivableView",
    "Attempt",
    "Check",
    "Command",
    "Follows",
    "One",
    "Resource",
    "Supplies",
    "Supply",
    "Timer",
    "Together",
    "View",
    "personal",
]


@dataclass(frozen=True)
class Resource(Form):
    """A noun, made of its form, which is checked when it is made. Raises InvalidForm."""

    def __post_init__(self) -> None:
        validate(self)

    @property
    def path(self) -> str:
        """The path of the collection: `health-models`."""
        return self.plural.replace("_", "-")

    @property
    def words(self) -> str:
        """The noun in plain words: `health model`."""
        return self.name.replace("_", " ")

    @property
    def described(self) -> str:
        """The docstring of its aggregate."""
        return cleandoc(self.aggregate.__doc__ or "").partition("\n\n")[0]

    @cached_property
    def create(self) -> Command:
        """The one command that creates."""
        (create,) = (command for command in self.commands if command.creates)
        return create

    @cached_property
    def changes(self) -> tuple[Command, ...]:
        return tuple(command for command in self.commands if not command.creates)

    @cached_property
    def attributes(self) -> tuple[str, ...]:
        """The aggregate's fields, which are its table's columns but for the tenant."""
        return tuple(f.name for f in fields(self.aggregate))

    @cached_property
    def archivable(self) -> bool:
        return issubclass(self.aggregate, Archivable)

    @cached_property
    def view_fields(self) -> tuple[str, ...]:
        return tuple(f.name for f in fields(self.view))

    def view_of(self, record: Aggregate) -> View:
        return self.view(*(getattr(record, name) for name in self.view_fields))

    @cached_property
    def personal_fields(self) -> frozenset[str]:
        return frozenset(f.name for f in fields(self.view) if is_personal(f))

    @cached_property
    def partly_personal(self) -> dict[str, tuple[str, ...]]:
        """The fields that hold values with personal parts, each with the parts that are not."""
        hints = get_type_hints(self.view)
        kinds = {name: value_in(hints[name]) for name in self.view_fields if name not in self.personal_fields}
        shown = {name: (kind, public_parts(kind)) for name, kind in kinds.items() if kind is not None}
        return {name: parts for name, (kind, parts) in shown.items() if len(parts) < len(part_types(kind))}

    @property
    def has_personal(self) -> bool:
        """Whether there is anything in its view that needs the scope for personal data."""
        return bool(self.personal_fields or self.partly_personal)

    def without_personal(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the fields of a view, or some of them, as JSON shows them without the scope for personal data:
        personal ones are absent."""
        shown = {name: value for name, value in row.items() if name not in self.personal_fields}
        parts = {name: public for name, public in self.partly_personal.items() if name in shown}
        return shown | {name: without_personal(row[name], public) for name, public in parts.items()}

    def hidden(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the fields of a view as GraphQL shows them without the scope for personal data: personal ones are
        null."""
        shown = {name: None if name in self.personal_fields else value for name, value in row.items()}
        return shown | {name: hidden(row[name]) for name in self.partly_personal}

    @cached_property
    def searched_fields(self) -> tuple[SearchedField, ...]:
        """What searches look in, beside the external id."""
        return tuple(self._searched(*path.partition(".")[::2]) for path in self.searched)

    def _searched(self, field: str, part: str) -> SearchedField:
        name, personal = f"{self.name}.{field}", field in self.personal_fields
        if not part:
            return SearchedField(name, field, None, is_number=False, personal=personal)
        kind = value_in(get_type_hints(self.view)[field])
        assert kind is not None
        is_number, is_hidden = part_types(kind)[part] == Phone, part not in public_parts(kind)
        return SearchedField(f"{name}.{part}", field, part, is_number=is_number, personal=personal or is_hidden)

    @cached_property
    def side_tables(self) -> tuple[SideTable, ...]:
        """What follows from its records, and is written with them."""
        entries = (SearchEntries(self.searched_fields),) if self.searched else ()
        timers = (RunningTimers(self.name, self.timers),) if self.timers else ()
        return (*entries, *timers, *self.more_side_tables)

    @cached_property
    def references(self) -> dict[str, Column[Any]]:
        """The columns that refer to a row of this service, each with the id column it refers to."""
        return {
            str(constraint.column_keys[1]): constraint.elements[1].column
            for constraint in sorted(self.table.foreign_key_constraints, key=lambda each: [*each.column_keys])
        }

    @cached_property
    def named(self) -> dict[str, Follows]:
        """The records that its fields name, whether or not it inherits fields from them."""
        return {name: Follows(target, ()) for name, target in self.references.items()} | dict(self.follows)

    @cached_property
    def on_sight(self) -> tuple[OnSight, ...]:
        """The fields that name records of other services."""
        nouns = {each.column: each.noun for each in self.relations}
        return tuple(
            OnSight(name, each.id, self.name, nouns.get(name, name.removesuffix("_id")))
            for name, each in self.follows.items()
            if each.on_sight
        )

    @cached_property
    def parts_on_sight(self) -> tuple[OnSight, ...]:
        """The parts of values that name records of other services, by their paths."""
        return tuple(
            OnSight(path, each.id, self.name, path.partition(".")[2].removesuffix("_id"))
            for path, each in self.parts_name.items()
            if each.on_sight
        )

    @cached_property
    def told(self) -> dict[str, Table]:
        """The fields that name customers, who may be merged, each with the table of customers."""
        found = {name: each.id.table for name, each in self.named.items() if f"told_{name}" in self.table.c}
        return {name: table for name, table in found.items() if "merged_into" in table.c}

    @cached_property
    def may_be_taken(self) -> frozenset[str]:
        """Required fields that may be left out where a record is named that has them."""
        taken = {name for each in self.follows.values() for name in each.takes}
        return frozenset(name for name in taken if not self.table.c[name].nullable)

    @cached_property
    def _with_named_parts(self) -> tuple[str, ...]:
        """The fields with values that name records."""
        return tuple({path.partition(".")[0]: None for path in self.parts_name})

    def stands_alone(self, given: Input) -> bool:
        """Whether it can be created from the input alone, without reading the records that it names."""
        names = any(getattr(given, name, None) is not None for name, each in self.follows.items() if each.is_inherited)
        names = names or any(getattr(given, name, None) for name in self._with_named_parts)
        return not names and all(getattr(given, name, None) is not None for name in self.may_be_taken)

    @property
    def is_customisable(self) -> bool:
        """Whether a tenant may define fields of its records."""
        return issubclass(self.aggregate, Customisable)

    @property
    def defines_fields(self) -> bool:
        """Whether its records are the definitions of custom fields."""
        return self.table.name == DEFINITIONS.name

    @property
    def is_administration(self) -> bool:
        """Whether its commands are for administrators, and so in the audit log."""
        return self.write_verb == "admin"

    @cached_property
    def encoders(self) -> dict[str, Callable[[Any], Any]]:
        """The columns whose values the driver does not write itself (see kith.db.statements.Statement)."""
        made = {name: encoder_of(self.table.c[name].type) for name in self.attributes}
        return {name: encode for name, encode in made.items() if encode is not None}

    @cached_property
    def decoders(self) -> dict[str, Callable[[Any], Any]]:
        """The columns whose values the driver reads as text."""
        made = {name: decoder_of(self.table.c[name].type) for name in self.attributes}
        return {name: decode for name, decode in made.items() if decode is not None}

    @cached_property
    def enums(self) -> list[type[Enum]]:
        """The enumerations that its view shows."""
        return [kind for name, kind in self.stored_enums.items() if name in self.view_fields]

    @cached_property
    def stored_enums(self) -> dict[str, type[Enum]]:
        """The columns that hold an enumeration's value as text, each with the enumeration."""
        types = {name: self.table.c[name].type for name in self.attributes}
        return {name: kind for name, each in types.items() if (kind := getattr(each, "enum_class", None)) is not None}
