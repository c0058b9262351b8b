"""The form a noun is filled into: its rules, table, inputs and view. Both APIs are derived from it.

    Resource("opportunity", "opportunities", Opportunity, tables.opportunities, OpportunityView, COMMANDS,
             filters=("customer_id", "stage"))

From this come, over REST, `GET` one and a list, `POST` one, `POST ../{id}:win` and `POST ..:bulk`; over GraphQL the
queries `opportunity` and `opportunities` and the mutations `openOpportunity`, `winOpportunity`.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import Enum
from functools import cached_property
from inspect import cleandoc
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Table
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.db.tables import Structured
from kith.nouns.aggregate import Aggregate
from kith.nouns.inputs import Input, NewInput


@dataclass(slots=True)
class View:
    """Base of every view: what is the same of all aggregates. A field is the column of the same name."""

    id: UUID
    external_id: str | None
    version: int
    created_at: datetime
    updated_at: datetime


def personal() -> Any:
    """A field that shows only to those who hold the scope for personal data; elsewhere it is absent."""
    return field(metadata={"personal": True})


@dataclass(frozen=True)
class Command:
    """One use case: a verb, what it takes, and the rule that decides."""

    name: str
    input: type[Input]
    rule: Callable[..., Any]

    @property
    def creates(self) -> bool:
        return issubclass(self.input, NewInput)


@dataclass(frozen=True)
class Follows:
    """A dealing that names another record of ours takes of it what it does not say, and may not say otherwise."""

    id: Column[Any]
    """Of the record, in the table that has it."""
    takes: tuple[str, ...]
    """Columns of that table, and fields of the dealing."""
    on_sight: bool = False
    """Another service has the record: one that we have not heard of yet may be named all the same."""


@dataclass(frozen=True)
class One:
    """A relation: each of these has one of those. Shown as a field of both sides in GraphQL."""

    name: str
    """The field that shows it: `referrer`."""
    by: str = ""
    """The column that has its id; `<name>_id`, if not given."""
    to: str = ""
    """The noun that it is, of this service or of another one; `name`, if not given."""
    many: str = ""
    """The field of the other side that lists these, newest first; none, if not given."""
    words: str = "Newest first."
    """What is said of that list."""

    @property
    def column(self) -> str:
        return self.by or f"{self.name}_id"

    @property
    def noun(self) -> str:
        return self.to or self.name


Check = Callable[[Input], None]
"""Raises the DomainError that stands in the way of an input."""


@dataclass(frozen=True)
class Resource:
    name: str
    """One, in words joined by underscores: `health_model`."""
    plural: str
    aggregate: type[Aggregate]
    table: Table
    view: type[View]
    commands: tuple[Command, ...]
    filters: tuple[str, ...] = ()
    insert_only: bool = False
    """It is only ever created, often, by a rule that does not look at the time: one statement does it."""
    singleton: Callable[[str], Aggregate] | None = None
    """There is one per tenant, named by no id; this is how it stands, at version 0, before anybody has changed it."""
    follows: Mapping[str, Follows] = field(default_factory=dict)
    """By the field that names another record."""
    relations: tuple[One, ...] = ()
    write_verb: str = "write"
    """Of the scope that its commands need."""
    checks: Callable[[AsyncConnection, str, Sequence[Input]], Awaitable[Check]] | None = None
    """What its rules cannot see: for the inputs of a tenant's request, looks at other rows, and answers the check that
    is asked after each rule. What it accepts is done: it may count on that, for what comes later in the request."""

    @property
    def path(self) -> str:
        """Of the collection: `health-models`."""
        return self.plural.replace("_", "-")

    @property
    def words(self) -> str:
        """`health model`"""
        return self.name.replace("_", " ")

    @property
    def described(self) -> str:
        """In the words of its aggregate."""
        return cleandoc(self.aggregate.__doc__ or "").partition("\n\n")[0]

    @cached_property
    def create(self) -> Command:
        """The one command that makes a new one."""
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
    def view_fields(self) -> tuple[str, ...]:
        return tuple(f.name for f in fields(self.view))

    @cached_property
    def personal_fields(self) -> frozenset[str]:
        return frozenset(f.name for f in fields(self.view) if f.metadata.get("personal"))

    @cached_property
    def references(self) -> dict[str, Column[Any]]:
        """Columns that name a row elsewhere in this service, each with the id column it names."""
        return {
            str(constraint.column_keys[1]): constraint.elements[1].column
            for constraint in self.table.foreign_key_constraints
        }

    @cached_property
    def named(self) -> dict[str, Follows]:
        """What its fields name, whether or not it takes anything of that."""
        return {name: Follows(target, ()) for name, target in self.references.items()} | dict(self.follows)

    @cached_property
    def may_be_taken(self) -> frozenset[str]:
        """Fields that it must have, and need not be sent where something is named that has them."""
        taken = {name for each in self.follows.values() for name in each.takes}
        return frozenset(name for name in taken if not self.table.c[name].nullable)

    def stands_alone(self, given: Input) -> bool:
        """Whether it can be made of what was sent, without a look at what that names."""
        names = any(getattr(given, name, None) is not None for name in self.follows)
        return not names and all(getattr(given, name, None) is not None for name in self.may_be_taken)

    @cached_property
    def is_plain(self) -> bool:
        """Whether all columns are such as the driver itself reads and writes (see kith.db.connections.Statement)."""
        return not any(isinstance(column.type, Structured) for column in self.table.c)

    @cached_property
    def enums(self) -> list[type[Enum]]:
        """The enumerations its view shows."""
        return [kind for name, kind in self.stored_enums.items() if name in self.view_fields]

    @cached_property
    def stored_enums(self) -> dict[str, type[Enum]]:
        """Columns that hold an enumeration's value as text, each with the enumeration."""
        types = {name: self.table.c[name].type for name in self.attributes}
        return {name: kind for name, each in types.items() if (kind := getattr(each, "enum_class", None)) is not None}

    @cached_property
    def filter_types(self) -> dict[str, Any]:
        """What a list may be filtered by, each with its type."""
        return {
            name: getattr(self.table.c[name].type, "enum_class", None) or self.table.c[name].type.python_type
            for name in self.filters
        }
