"""What a process is, as a service declares it: steps elsewhere that can be undone, and then what is done here.

    Process("lead_conversion", LEADS, steps=(Creates("customer", "contacts", "customers", customer_of),), ends=ended,
            undone=released)

Each step has a key, so that it is done once however often it is tried. What is done here at the end is one transaction
with the record that the process is over: it needs no undoing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from kith.nouns.inputs import Input
from kith.nouns.resource import Command, Resource

Body = Mapping[str, Any]
"""As it is posted; fields that are None are left out."""


@dataclass(frozen=True)
class Run:
    """A process that runs, as its functions are given it."""

    id: UUID
    about_id: UUID
    about: Any
    """The record that it is about; None: it is not there any more."""
    params: Mapping[str, Any]
    """What was asked for, also what names people."""
    made: Mapping[str, UUID | None]
    """By step, the record that it has made; None: it was not needed."""


class LocalCommand(NamedTuple):
    """A command on a record of this service."""

    resource: Resource
    command: Command
    input: Input
    id: UUID | None = None
    """None: it creates one."""
    creates: UUID | None = None


@dataclass(frozen=True)
class Creates:
    """A step that creates a record of another service, whose external id is the step's key. It is undone by archiving
    the record, unless somebody has changed that since: then it is left."""

    name: str
    service: str
    plural: str
    body: Callable[[Run], Body | None]
    """None: there is nothing to create. Raises a DomainError that undoes the process."""

    def key(self, process: UUID) -> str:
        return f"process:{process}:{self.name}"


@dataclass(frozen=True)
class Process:
    kind: str
    about: Resource
    steps: Sequence[Creates]
    ends: Callable[[Run], Sequence[LocalCommand]]
    """What is done here when all steps are done, in one transaction. What refuses it undoes the process."""
    undone: Callable[[Run], Sequence[LocalCommand]]
    """What is done here when nothing is left of the steps."""
    within: timedelta = timedelta(minutes=15)
    """One that fails still so long after its first step is undone."""

    def step_after(self, made: Mapping[str, Any]) -> Creates | None:
        return next((each for each in self.steps if each.name not in made), None)
