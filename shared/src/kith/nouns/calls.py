"""What is asked of a noun, a command and what it takes, and what became of it."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from kith.error_codes import ErrorCode
from kith.errors import Conflict, DomainError, Invalid
from kith.nouns.aggregate import Aggregate
from kith.nouns.fingerprints import as_spelt, fingerprint, is_odd
from kith.nouns.inputs import Input
from kith.nouns.resource import Command, Resource, View


class Status(StrEnum):
    ACCEPTED = "accepted"
    UNCHANGED = "unchanged"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Call:
    """A command to carry out, and on what. One that creates names nothing: its input has the external id."""

    command: Command
    input: Input
    id: UUID | None = None
    external_id: str | None = None
    expected_version: int | None = None
    remembered: bool = False
    """Sent again, it is recognised and not done again (calls that create are, by their external id)."""

    sent: bytes = b""
    """Its body as it was spelt, where that is known: earlier versions took it for another if it was spelt otherwise."""

    def fingerprint(self, resource: Resource) -> int:
        return fingerprint(f"{resource.plural}/{self.command.name}/{self.id}", self.input)

    def as_spelt(self) -> "Call":
        """As an earlier version had it, with the fingerprint and the key of then."""
        return replace(self, input=as_spelt(self.input, self.sent)) if is_odd(self.sent) else self

    def key(self, resource: Resource) -> str:
        return f"{resource.plural}/{self.external_id or self.id}/{self.command.name}/{self.input.occurred_at}"


class Outcome(NamedTuple):
    status: Status
    aggregate: Aggregate | None = None
    error: DomainError | None = None
    events: int = 0


class Answer(NamedTuple):
    """Of a single command: how the aggregate looks now, and when it was recorded."""

    view: View
    recorded_at: datetime


class InFlight(Conflict):
    code = ErrorCode.IDEMPOTENCY_KEY_IN_FLIGHT


class KeyReused(Invalid):
    code = ErrorCode.IDEMPOTENCY_KEY_REUSED
