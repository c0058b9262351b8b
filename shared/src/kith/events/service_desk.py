"""What service-desk publishes."""

from typing import Any, ClassVar
from uuid import UUID

from msgspec import field

from kith.events.erasures import Confirmation
from kith.events.event import Amended, Event


class CaseEvent(Event, kw_only=True):
    """What every event of a case carries: the state of the case after it, so that no reader must look further back."""

    state: str
    priority: str
    channel: str
    category: str | None = None
    queue: str | None = None
    assignee_id: UUID | None = field(default=None, name="assignee")


class CaseOpened(CaseEvent, kw_only=True):
    type: ClassVar[str] = "service-desk.case.opened.v1"
    creates: ClassVar[bool] = True
    contact_id: UUID | None = None
    playbook_id: UUID | None = None
    """Of the playbook that had it opened; None: a person did."""
    run_id: UUID | None = None
    custom: dict[str, Any] = field(default_factory=dict)
    """Values of the fields that the tenant defines, by their codes; none that shows people."""


class CaseAmended(Amended):
    type: ClassVar[str] = "service-desk.case.amended.v1"
    qualifies: ClassVar[bool] = False
    category: str | None = None
    custom: dict[str, Any] = field(default_factory=dict)


class CaseStarted(CaseEvent, kw_only=True):
    type: ClassVar[str] = "service-desk.case.started.v1"
    from_state: str
    seconds_to_first_response: int | None = None
    """Of the event that was the first response; none on the later ones. So with CaseWaiting and CaseResolved."""


class CaseWaiting(CaseEvent, kw_only=True):
    type: ClassVar[str] = "service-desk.case.waiting.v1"
    from_state: str
    reason: str
    seconds_to_first_response: int | None = None


class CaseResolved(CaseEvent, kw_only=True):
    type: ClassVar[str] = "service-desk.case.resolved.v1"
    from_state: str
    seconds_to_resolve: int
    """By the clock, since it was opened or last reopened."""
    reopened_count: int = 0
    sla_met: bool | None = None
    resolution_code: str | None = None
    seconds_to_first_response: int | None = None


class CaseClosed(CaseEvent, kw_only=True):
    type: ClassVar[str] = "service-desk.case.closed.v1"
    from_state: str


class CaseReopened(CaseEvent, kw_only=True):
    type: ClassVar[str] = "service-desk.case.reopened.v1"
    starts_clock: ClassVar[bool] = True
    from_state: str
    reopened_count: int
    reason: str | None = None


class CaseEscalated(CaseEvent, kw_only=True):
    type: ClassVar[str] = "service-desk.case.escalated.v1"
    from_priority: str


class CaseAssigned(CaseEvent, kw_only=True):
    type: ClassVar[str] = "service-desk.case.assigned.v1"
    from_queue: str | None = None
    from_assignee_id: UUID | None = field(default=None, name="from_assignee")


class CaseArchived(Event):
    """It was put away: lists leave it out."""

    type: ClassVar[str] = "service-desk.case.archived.v1"
    qualifies: ClassVar[bool] = False


class CaseRestored(Event):
    type: ClassVar[str] = "service-desk.case.restored.v1"
    qualifies: ClassVar[bool] = False


class ErasureConfirmed(Confirmation):
    type: ClassVar[str] = "service-desk.erasure.confirmed.v1"
    creates: ClassVar[bool] = True
