"""Case: a customer's request, and how it went until it was settled."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self, TypeVar
from uuid import UUID

from kith.error_codes import ErrorCode
from kith.errors import Conflict, Invalid
from kith.events.service_desk import (
    CaseAmended,
    CaseArchived,
    CaseAssigned,
    CaseClosed,
    CaseEscalated,
    CaseEvent,
    CaseOpened,
    CaseReopened,
    CaseResolved,
    CaseRestored,
    CaseStarted,
    CaseWaiting,
)
from kith.nouns.aggregate import Archivable, CustomerOwned, Customisable, NamesContact

E = TypeVar("E", bound=CaseEvent)


class CaseState(StrEnum):
    NEW = "new"
    OPEN = "open"
    PENDING = "pending"
    RESOLVED = "resolved"
    CLOSED = "closed"


class Priority(StrEnum):
    """The most urgent first."""

    CRITICAL = "critical"
    HIGH = "high"
    MODERATE = "moderate"
    LOW = "low"

    def outranks(self, other: "Priority") -> bool:
        order = list(Priority)
        return order.index(self) < order.index(other)


class CaseChannel(StrEnum):
    """How the request came in."""

    EMAIL = "email"
    PHONE = "phone"
    CHAT = "chat"
    SMS = "sms"
    POST = "post"
    VISIT = "visit"
    WEB = "web"
    SOCIAL = "social"
    PLAYBOOK = "playbook"
    """Nobody requested it: analytics saw a reason to look after the customer."""


class CaseAlreadyStarted(Conflict):
    code = ErrorCode.CASE_ALREADY_STARTED

    def __init__(self, case: "Case") -> None:
        super().__init__(f"Case {case.id} is being worked on already.")


class CaseAlreadyWaiting(Conflict):
    code = ErrorCode.CASE_ALREADY_WAITING

    def __init__(self, case: "Case") -> None:
        super().__init__(f"Case {case.id} waits for {case.pending_reason} already.", field="reason")


class CaseAlreadyResolved(Conflict):
    code = ErrorCode.CASE_ALREADY_RESOLVED

    def __init__(self, case: "Case") -> None:
        super().__init__(f"Case {case.id} was resolved already.")


class CaseAlreadyClosed(Conflict):
    code = ErrorCode.CASE_ALREADY_CLOSED

    def __init__(self, case: "Case") -> None:
        super().__init__(f"Case {case.id} was closed already.")


class CaseNotResolved(Conflict):
    code = ErrorCode.CASE_NOT_RESOLVED

    def __init__(self, case: "Case") -> None:
        super().__init__(f"Case {case.id} is {case.state}: resolve it first.")


class PriorityNotHigher(Conflict):
    code = ErrorCode.PRIORITY_NOT_HIGHER

    def __init__(self, case: "Case", priority: Priority) -> None:
        super().__init__(f"Case {case.id} is {case.priority}: {priority} is not higher.", field="priority")


class CaseAlreadyAssigned(Conflict):
    code = ErrorCode.CASE_ALREADY_ASSIGNED

    def __init__(self, case: "Case") -> None:
        super().__init__(f"Case {case.id} is with them already.")


@dataclass(kw_only=True, eq=False)
class Case(Archivable, Customisable, CustomerOwned, NamesContact):
    """A customer's question or complaint, from its opening to its resolution."""

    subject: str | None
    """None: it was erased."""
    priority: Priority
    channel: CaseChannel
    category: str | None = None
    queue: str | None = None
    """The group it is assigned to."""
    assignee_id: UUID | None = None
    state: CaseState = CaseState.NEW
    pending_reason: str | None = None
    first_responded_at: datetime | None = None
    """When someone first did something about it: started it, put it on wait, or resolved it at once."""
    reopened_at: datetime | None = None
    """The last time; from then on a new resolution clock runs."""
    reopened_count: int = 0
    resolved_at: datetime | None = None
    closed_at: datetime | None = None
    sla_met: bool | None = None
    resolution_code: str | None = None
    explanation: str | None = None
    """Where it is explained why a playbook opened it: a path in another service's API."""
    playbook_id: UUID | None = None
    run_id: UUID | None = None

    @classmethod
    def open(cls, *, id: UUID, at: datetime, **fields: Any) -> tuple[Self, CaseOpened]:
        it = cls(id=id, **fields)
        return it, it._event(CaseOpened, contact_id=it.contact_id)

    def amend(self, *, at: datetime, **fields: Any) -> CaseAmended:
        """Only the fields sent change; one sent as null is cleared. One that is closed stays as it is."""
        if self.state is CaseState.CLOSED:
            raise CaseAlreadyClosed(self)
        self.ensure_not_before_last_change(at)
        return CaseAmended.of_changed(self, self.set(fields))

    def start(self, *, at: datetime, assignee_id: UUID | None) -> CaseStarted:
        """Someone works on it: who, if said; else whom it was assigned to."""
        self._must_be_unresolved(at)
        if self.state is CaseState.OPEN:
            raise CaseAlreadyStarted(self)
        self.assignee_id = assignee_id or self.assignee_id
        responded = self._respond(at)
        return self._move(CaseState.OPEN, CaseStarted, seconds_to_first_response=responded)

    def wait(self, *, at: datetime, reason: str) -> CaseWaiting:
        """It cannot go on until something happens. It may come to wait for another reason."""
        self._must_be_unresolved(at)
        if reason == self.pending_reason:
            raise CaseAlreadyWaiting(self)
        responded = self._respond(at)
        return self._move(CaseState.PENDING, CaseWaiting, reason=reason, seconds_to_first_response=responded)

    def resolve(self, *, at: datetime, sla_met: bool | None, resolution_code: str | None) -> CaseResolved:
        self._must_be_unresolved(at)
        self.resolved_at, self.sla_met, self.resolution_code = at, sla_met, resolution_code
        responded = self._respond(at)
        return self._move(
            CaseState.RESOLVED,
            CaseResolved,
            seconds_to_resolve=_seconds(self.reopened_at or self.created_at, at),
            reopened_count=self.reopened_count,
            sla_met=sla_met,
            resolution_code=resolution_code,
            seconds_to_first_response=responded,
        )

    def close(self, *, at: datetime) -> CaseClosed:
        """The customer is content, or has been silent long enough: nothing more is expected."""
        if self.state is CaseState.CLOSED:
            raise CaseAlreadyClosed(self)
        self._must_be_resolved(at)
        self.closed_at = at
        return self._move(CaseState.CLOSED, CaseClosed)

    def reopen(self, *, at: datetime, reason: str | None) -> CaseReopened:
        """It was not settled after all. A new resolution clock runs; the time it lay closed counts for nobody."""
        self._must_be_resolved(at)
        self.reopened_at, self.reopened_count = at, self.reopened_count + 1
        self.resolved_at = self.closed_at = self.sla_met = self.resolution_code = None
        return self._move(CaseState.OPEN, CaseReopened, reopened_count=self.reopened_count, reason=reason)

    def escalate(self, *, at: datetime, priority: Priority) -> CaseEscalated:
        self._must_be_unresolved(at)
        if not priority.outranks(self.priority):
            raise PriorityNotHigher(self, priority)
        before, self.priority = self.priority, priority
        return self._event(CaseEscalated, from_priority=before)

    def assign(self, *, at: datetime, assignee_id: UUID | None, queue: str | None) -> CaseAssigned:
        """To a person, a group or both; what is not said stays as it is."""
        self._must_be_unresolved(at)
        if assignee_id is None and queue is None:
            raise Invalid("Say whom it is assigned to: an assignee, a queue or both.", field="assignee_id")
        before = self.assignee_id, self.queue
        self.assignee_id, self.queue = assignee_id or self.assignee_id, queue or self.queue
        if (self.assignee_id, self.queue) == before:
            raise CaseAlreadyAssigned(self)
        return self._event(CaseAssigned, from_assignee_id=before[0], from_queue=before[1])

    def archive(self, *, at: datetime) -> CaseArchived:
        """It is left out of lists, and is not changed until it is restored. What happened stays
        counted. Only one that is resolved or closed is archived."""
        self._must_be_resolved(at)
        self.put_away(at)
        return CaseArchived()

    def restore(self, *, at: datetime) -> CaseRestored:
        """It is in lists again, as it was."""
        self.take_back(at)
        return CaseRestored()

    def _must_be_unresolved(self, at: datetime) -> None:
        if self.state is CaseState.RESOLVED:
            raise CaseAlreadyResolved(self)
        if self.state is CaseState.CLOSED:
            raise CaseAlreadyClosed(self)
        self.ensure_not_before_last_change(at)

    def _must_be_resolved(self, at: datetime) -> None:
        if self.state not in (CaseState.RESOLVED, CaseState.CLOSED):
            raise CaseNotResolved(self)
        self.ensure_not_before_last_change(at)

    def _respond(self, at: datetime) -> int | None:
        """How long it took, if this is the first response."""
        if self.first_responded_at is not None:
            return None
        self.first_responded_at = at
        return _seconds(self.created_at, at)

    def _move(self, state: CaseState, event: type[E], **values: Any) -> E:
        before, self.state = self.state, state
        self.pending_reason = values["reason"] if state is CaseState.PENDING else None
        return self._event(event, from_state=before, **values)

    def _event(self, event: type[E], **values: Any) -> E:
        """Returns the event, with the case's state after it."""
        return event.of(self, **values)


def _seconds(start: datetime, end: datetime) -> int:
    return int((end - start).total_seconds())
