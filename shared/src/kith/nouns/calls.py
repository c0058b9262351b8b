"""A call of a command on a noun, and its outcome."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from kith.error_codes import ErrorCode
from kith.errors import Conflict, DomainError, Invalid
from kith.http.auth import Actor
from kith.nouns.aggregate import Aggregate
from kith.nouns.fingerprints import as_defaulted, as_spelt, fingerprint, is_odd
from kith.nouns.inputs import Input
from kith.nouns.resource import Command, Resource, View
from kith.reach import Reach


class By(NamedTuple):
    """Who carries out commands."""

    actor: str
    """As events and histories name it: see kith.events.actors."""
    reach: Reach
    """Whose records it may change."""


class Status(StrEnum):
    ACCEPTED = "accepted"
    UNCHANGED = "unchanged"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Call:
    """A command to carry out, and its target. One that creates has no target: its input has the external id."""

    command: Command
    input: Input
    id: UUID | None = None
    external_id: str | None = None
    expected_version: int | None = None
    once: str = ""
    """The key under which it is remembered, where it does not follow from its target and its instant."""
    remembered: bool = False
    """Whether a repetition is recognised and not carried out again (calls that create are recognised by their external
    id)."""

    creates: UUID | None = None
    """The id of the record that it creates, if that is named already (kith.nouns.form.Also)."""
    sent: bytes = b""
    """The raw body, if known: earlier versions took another spelling of the same input for another call."""

    def fingerprint(self, resource: Resource) -> int:
        return fingerprint(f"{resource.plural}/{self.command.name}/{self.id}", self.input)

    def as_spelt(self) -> "Call":
        """Returns the call as an earlier version parsed it, with the fingerprint and the key of that version."""
        return replace(self, input=as_spelt(self.input, self.sent)) if is_odd(self.sent) else self

    def fingerprints(self, resource: Resource) -> frozenset[int]:
        """Returns its fingerprint, and those that earlier versions took."""
        before = replace(self, input=as_defaulted(self.input))
        return frozenset(each.fingerprint(resource) for each in (self, before, before.as_spelt()))

    def key(self, resource: Resource) -> str:
        target = self.external_id or self.id
        return self.once or f"{resource.plural}/{target}/{self.command.name}/{self.input.occurred_at}"


def ensure_permitted(actor: Actor, service: str, calls: Iterable[Call]) -> None:
    """Raises Forbidden for an input that needs a scope which the actor has not."""
    for needed in {needed for call in calls for needed in call.input.needs}:
        actor.require(needed if ":" in needed else f"{service}:{needed}")


class Outcome(NamedTuple):
    status: Status
    aggregate: Aggregate | None = None
    error: DomainError | None = None
    events: int = 0


class Answer(NamedTuple):
    """The answer to a single command: the aggregate's state after it, and when it was recorded."""

    view: View
    recorded_at: datetime


class InFlight(Conflict):
    code = ErrorCode.IDEMPOTENCY_KEY_IN_FLIGHT


class KeyReused(Invalid):
    code = ErrorCode.IDEMPOTENCY_KEY_REUSED
