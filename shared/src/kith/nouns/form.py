"""What the form of a noun is filled in with: its view, its commands, what it names, and the form itself."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Table
from sqlalchemy.ext.asyncio import AsyncConnection

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
    """A field that shows only to actors with the scope for personal data; elsewhere it is absent. Such fields are a
    view's last."""
    return field(default=None, metadata={"personal": True})


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
    """A record that names another one of the service takes from it what it does not say, and may not contradict it."""

    id: Column[Any]
    """Of the record, in the table that has it."""
    takes: tuple[str, ...]
    """Columns of that table, and fields of the dealing."""
    on_sight: bool = False
    """Another service has the record: one that we have not heard of yet may be named all the same."""


@dataclass(frozen=True)
class One:
    """A to-one relation: each record of the form has one of another. Shown as a field of both sides in GraphQL."""

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
class Form:
    """What is declared of a noun; kith.nouns.resource derives the rest of it."""

    name: str
    """One, in words joined by underscores: `health_model`."""
    plural: str
    aggregate: type[Aggregate]
    table: Table
    view: type[View]
    commands: tuple[Command, ...]
    filters: tuple[str, ...] = ()
    unindexed: Mapping[str, str] = field(default_factory=dict)
    """Filters that have no index of their own, each with the reason."""
    unpublished: Mapping[str, str] = field(default_factory=dict)
    """Fields that the event of the command that sets them does not carry, each with the reason."""
    insert_only: bool = False
    """It is only ever created, often, by a rule that does not look at the time, and needs no `checks`: one statement
    does it."""
    singleton: Callable[[str], Aggregate] | None = None
    """There is one per tenant, named by no id; this is how it stands, at version 0, before anybody has changed it."""
    follows: Mapping[str, Follows] = field(default_factory=dict)
    """By the field that names another record."""
    relations: tuple[One, ...] = ()
    write_verb: str = "write"
    """Of the scope that its commands need."""
    checks: Callable[[AsyncConnection, str, Sequence[Input]], Awaitable[Check]] | None = None
    """What its rules cannot see: for the inputs of a tenant's request, looks at other rows, and returns the check that
    is called after each rule. What it accepts is done: it may count on that, for what comes later in the request."""
