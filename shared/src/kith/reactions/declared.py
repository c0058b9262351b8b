"""What a service says of its reactions: `On(OpportunityLost).do(QUOTES, "withdraw", to=open_quotes)`."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.events.envelope import Envelope
from kith.events.event import Event
from kith.nouns.inputs import Input
from kith.nouns.resource import Command, Resource

E = TypeVar("E", bound=Event)
Records = Callable[[AsyncConnection, Envelope, E], Awaitable[Select[UUID]]]
"""Selects the ids of the tenant's records that are given a command, as things are when it is asked."""


@dataclass(frozen=True)
class Reaction:
    """A command that records of a service are given because something happened."""

    event: type[Event]
    resource: Resource
    command: Command
    to: Records[Any]
    input: Callable[[Envelope], Input]
    again: bool
    """Whether it is looked once more for such records, when no transaction is open any more that began before."""


@dataclass(frozen=True)
class On(Generic[E]):
    """The event that something follows from."""

    event: type[E]

    def do(
        self,
        resource: Resource,
        command: str,
        *,
        to: Records[E],
        input: Callable[[Envelope], Input] | None = None,
        again: bool = False,
    ) -> Reaction:
        """Returns the reaction that gives the command, one of the APIs' or an internal one, to these records; its input
        is empty, unless a function makes it."""
        (found,) = (each for each in resource.all_commands if each.name == command)
        return Reaction(self.event, resource, found, to, input or (lambda _: found.input()), again)
