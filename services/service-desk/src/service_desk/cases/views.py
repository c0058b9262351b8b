"""How a case is seen."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from kith.nouns.resource import View
from service_desk.cases.rules import CaseChannel, CaseState, Priority


@dataclass(slots=True)
class CaseView(View):
    customer_id: UUID | None
    contact_id: UUID | None
    subject: str
    priority: Priority
    channel: CaseChannel
    category: str | None
    queue: str | None
    assignee: str | None
    state: CaseState
    pending_reason: str | None
    first_responded_at: datetime | None
    reopened_at: datetime | None
    reopened_count: int
    resolved_at: datetime | None
    closed_at: datetime | None
    sla_met: bool | None
    resolution_code: str | None
    explanation: str | None
    playbook_id: UUID | None
    run_id: UUID | None
