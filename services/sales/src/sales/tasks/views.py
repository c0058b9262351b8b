"""How a task is seen."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from kith.nouns.resource import View
from sales.tasks.rules import TaskState


@dataclass(slots=True)
class TaskView(View):
    customer_id: UUID | None
    title: str
    owner: str | None
    due_at: datetime | None
    state: TaskState
    reason: str | None
    explanation: str | None
    playbook_id: UUID | None
    run_id: UUID | None
    outcome: str | None
    closed_at: datetime | None
