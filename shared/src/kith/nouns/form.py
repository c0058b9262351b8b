"""The form of a noun and its parts: view, commands, relations."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from inspect import signature
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import Column, ColumnElement, Table
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.nouns.aggregate import Aggregate, unshared
from kith.nouns.inputs import Input, NewInput
from kith.nouns.side_tables import SideTable
from kith.timers.declared import Timer
from kith.values import personal

__all__ = ["ArchivableView", "Attempt", "Check", "Command", "Follows", "Form", "One", "Timer", "View", "personal"]


@dataclass(slots=True)
class View:
    """Base of every view, with the fields that all aggregates have. A field is the column of the same name."""

    id: UUID
    external_id: str | None
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(slots=True)
class ArchivableView(View):
    archived_at: datetime | None


@dataclass(frozen=True)
class Together:
    """A command that changes two records of its noun. The rule gets the second one as `other`, and returns an event of
    each; None for the second if that stays as it is."""

    other: Callable[[Input, Aggregate | None], UUID | None]
    """Returns the id of the other record, given the input, and the first record if it was loaded."""
    before: Callable[[AsyncConnection, str], Awaitable[None]]
    """Given the tenant; called before the records are locked."""
    after: Callable[[AsyncConnection, str, Mapping[UUID, Aggregate]], Awaitable[None]]
    """Given the first records as they were before, by id; called when all are written."""
    shares_fields: bool = False
    """Whether the rule gets as `shared` the codes of the custom fields that both records may have the same value of."""


@dataclass(frozen=True)
class Also:
    """What a command creates of a noun of its service in its transaction: both happen, or neither does."""

    to: "Form | None"
    """None: its own."""
    input: Callable[[Any, datetime], Input | None]
    """Returns the input that creates it, given the record and the instant of the command; None where nothing is to be
    created. Whether, and what it names, follows from the record as it was before."""
    named: str
    """The rule's parameter that gets the id of the other record, if one is created."""


@dataclass(frozen=True)
class Command:
    """One use case: a verb, its input, and the rule that decides."""

    name: str
    input: type[Input]
    rule: Callable[..., Any]
    erases: bool = False
    """Whether what it takes from the record goes from remembered answers, too."""
    of_archived: bool = False
    """Whether it may be given for a record that is archived, as one that erases may."""
    together: Together | None = None
    """Of one that changes two records."""
    also: Also | None = None
    """Of one that creates a record of another noun."""

    @property
    def creates(self) -> bool:
        return issubclass(self.input, NewInput)

    @cached_property
    def parameters(self) -> frozenset[str]:
        """The rule's. Beside its input it is given what it has parameters for: `tenant`, the name; `actor`, who has
        given the command (kith.events.actors); and what the form supplies."""
        return frozenset(signature(self.rule).parameters)

    def arguments(self, given: Input, tenant: str, actor: str, supply: "Supply | None" = None) -> dict[str, Any]:
        """Returns the arguments of the rule, but for the id and the time."""
        beside = {"tenant": tenant, "actor": actor, **(supply.arguments(given) if supply is not None else {})}
        return unshared(given.fields()) | {name: each for name, each in beside.items() if name in self.parameters}


@dataclass(frozen=True)
class Follows:
    """A record that names another one inherits the fields it does not give itself, and may not contradict it."""

    id: Column[Any]
    """The id column of the table that has the other record."""
    takes: tuple[str, ...]
    """Columns of that table, which are fields of this record too."""
    lends: tuple[str, ...] = ()
    """As `takes`, of a record that is created; it may have others of its own."""
    or_one_of: ColumnElement[Any] | None = None
    """A JSON array of ids that the record may have as well in the field that it takes; null where they are not known,
    and so any."""
    on_sight: bool = False
    """The other record belongs to another service: it may be named before its event has arrived here. Until then the
    reference is noted as unconfirmed (kith.nouns.unconfirmed)."""

    @property
    def is_inherited(self) -> bool:
        """Whether a record has fields of the one that it names."""
        return bool(self.takes or self.lends)

    def allowed(self, field: str, record: Any) -> list[Any]:
        """Returns what records that name this row may have in a field that they take from it; with None, anything."""
        own = getattr(record, field)
        if self.or_one_of is None:
            return [own]
        return [own, None] if record.or_one_of is None else [own, *map(UUID, record.or_one_of)]


@dataclass(frozen=True)
class One:
    """A to-one relation: each record of the form has one of another. Shown as a field of both sides in GraphQL."""

    name: str
    """The field that shows the related record: `referrer`."""
    by: str = ""
    """The column that has its id; by default `<name>_id`."""
    to: str = ""
    """The noun of the related record, of this service or of another one; by default `name`."""
    many: str = ""
    """The field of the other side that lists these records, newest first; none by default."""
    words: str = "Newest first."
    """The description of that list."""
    one_sided: bool = False
    """Whether only the other side has a field of it: the column may have ids of several nouns."""

    @property
    def column(self) -> str:
        return self.by or f"{self.name}_id"

    @property
    def noun(self) -> str:
        return self.to or self.name


Attempt = tuple[Input, Aggregate | None]
"""An input, and the record that it is to change. None: it creates one, or there is none."""
Check = Callable[[Input, Aggregate], None]
"""Given an input, and the record as the rule has left it. Raises the DomainError with which the input is refused."""


class Supply(Protocol):
    """What rules are given that they cannot see: of other rows, which are read, or locked, for the inputs of a
    tenant's request."""

    def arguments(self, given: Input) -> Mapping[str, Any]:
        """Returns arguments of the rule beside its input: those that it has parameters for are used."""
        ...

    def accepted(self, given: Input, record: Aggregate) -> None:
        """Is told that the input takes effect: later ones of the request may count on that."""
        ...

    async def flush(self) -> None:
        """Writes what follows, in the request's transaction."""
        ...


@dataclass(frozen=True)
class Supplies:
    """Several, as one."""

    each: Sequence[Supply]

    def arguments(self, given: Input) -> Mapping[str, Any]:
        return {name: value for supply in self.each for name, value in supply.arguments(given).items()}

    def accepted(self, given: Input, record: Aggregate) -> None:
        for supply in self.each:
            supply.accepted(given, record)

    async def flush(self) -> None:
        for supply in self.each:
            await supply.flush()


@dataclass(frozen=True)
class Form:
    """The declaration of a noun; kith.nouns.resource derives the rest of it."""

    name: str
    """In the singular, words joined by underscores: `health_model`."""
    plural: str
    aggregate: type[Aggregate]
    table: Table
    view: type[View]
    commands: tuple[Command, ...]
    internal: tuple[Command, ...] = ()
    """Commands that only the service itself gives: the steps of its processes (kith.processes). No API has them."""
    filters: tuple[str, ...] = ()
    """The fields that lists are filtered and sorted by, beside those of all nouns."""
    searched: tuple[str, ...] = ()
    """The texts that searches look in beside the external id, the most telling first: fields, or parts of the values
    that a field holds, as in `emails.address`."""
    unindexed: Mapping[str, str] = field(default_factory=dict)
    """Filters that have no index of their own, each with the reason."""
    unpublished: Mapping[str, str] = field(default_factory=dict)
    """Fields, or parts of the values of one, as in `lines.description`, that the event of the command that sets them
    does not carry, each with the reason."""
    insert_only: bool = False
    """Declares that it is only created, often, by a rule that ignores the time and needs no `checks`: one statement
    does it. What it `supplies` is for inputs whose parts name records, which are created as those of others are."""
    singleton: Callable[[str], Aggregate] | None = None
    """Declares that there is one per tenant, without an id in the API; returns its initial state, at version 0."""
    follows: Mapping[str, Follows] = field(default_factory=dict)
    """By the field that names another record."""
    parts_name: Mapping[str, Follows] = field(default_factory=dict)
    """Parts of values that name records which have to be there, as in `roles.customer_id`. A value has what it takes
    from the record in parts of the same name."""
    relations: tuple[One, ...] = ()
    reference_data: bool = False
    """Whether who may read some records of the service reads all of these. Other nouns whose table says nothing of
    owners (kith.db.owned) are read by the whole scope alone; by it alone all of them are written."""
    more_side_tables: tuple[SideTable, ...] = ()
    """What follows from its records beside what they are searched by (kith.nouns.side_tables)."""
    timers: tuple[Timer, ...] = ()
    """The commands that its records are given by themselves (kith.timers)."""
    write_verb: str = "write"
    """The verb of the scope that its commands need."""
    checks: Callable[[AsyncConnection, str, Sequence[Attempt]], Awaitable[Check]] | None = None
    """Checks what its rules cannot see: reads other rows for the inputs of a tenant's request, and returns the check
    that is called after each rule. An input that it accepts takes effect: it may count on that for later ones of the
    request."""
    supplies: Callable[[AsyncConnection, str, Sequence[Attempt]], Awaitable[Supply]] | None = None
    """Looks up what its rules are given beside the inputs of a tenant's request."""
    on_erase: Callable[[AsyncConnection, str, Any, Sequence[Aggregate]], Awaitable[None]] | None = None
    """Is given the noun and a tenant's records that are erased, as they were, in the transaction that erases them."""

    @property
    def all_commands(self) -> tuple[Command, ...]:
        return (*self.commands, *self.internal)
