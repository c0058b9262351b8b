"""Task: something that a colleague is to do about a customer."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from kith.error_codes import ErrorCode
from kith.errors import Conflict
from kith.events.sales import (
    TaskAmended,
    TaskArchived,
    TaskCancelled,
    TaskCompleted,
    TaskCreated,
    TaskReminded,
    TaskReopened,
    TaskRestored,
)
from kith.nouns.aggregate import Archivable, CustomerOwned, Customisable


class TaskState(StrEnum):
    OPEN = "open"
    DONE = "done"
    CANCELLED = "cancelled"


class TaskPriority(StrEnum):
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    URGENT = "urgent"


class TaskAlreadyClosed(Conflict):
    code = ErrorCode.TASK_ALREADY_CLOSED

    def __init__(self, task: "Task") -> None:
        super().__init__(f"Task {task.id} is {task.state} already.")


class TaskStillOpen(Conflict):
    code = ErrorCode.TASK_STILL_OPEN

    def __init__(self, task: "Task") -> None:
        super().__init__(f"Task {task.id} is open.")


@dataclass(kw_only=True, eq=False)
class Task(Archivable, Customisable, CustomerOwned):
    """Something that somebody is to do for a customer."""

    title: str | None
    """None: it was erased."""
    kind: str | None = None
    priority: TaskPriority = TaskPriority.NORMAL
    owner_id: UUID | None = None
    due_at: datetime | None = None
    remind_at: datetime | None = None
    """When its owner is to be reminded of it."""
    reminded_at: datetime | None = None
    state: TaskState = TaskState.OPEN
    reason: str | None = None
    """Why there is one: the trigger, if a playbook requested it."""
    explanation: str | None = None
    """Where the reason is explained: a path in another service's API."""
    playbook_id: UUID | None = None
    run_id: UUID | None = None
    outcome: str | None = None
    """What came of it, once it is closed."""
    closed_at: datetime | None = None

    @classmethod
    def create(cls, *, id: UUID, at: datetime, **fields: Any) -> tuple[Self, TaskCreated]:
        it = cls(id=id, **fields)
        return it, TaskCreated.of(it)

    def amend(self, *, at: datetime, **fields: Any) -> TaskAmended:
        """Only the fields sent change; one sent as null is cleared."""
        self._must_be_open(at)
        return TaskAmended.of_changed(self, self.set(fields))

    @property
    def next_reminder(self) -> datetime | None:
        """None: there is none to come."""
        at, last = self.remind_at, self.reminded_at
        is_to_come = at is not None and (last is None or at > last)
        return at if is_to_come and self.state is TaskState.OPEN else None

    def remind(self, *, at: datetime) -> TaskReminded:
        """Its owner is reminded of it. At `remind_at` that is done of itself."""
        self._must_be_open(at)
        self.reminded_at = at
        return TaskReminded.of(self)

    def complete(self, *, at: datetime, outcome: str | None) -> TaskCompleted:
        self._close(TaskState.DONE, at, outcome)
        return TaskCompleted.of(self)

    def cancel(self, *, at: datetime, outcome: str | None) -> TaskCancelled:
        """It is not to be done any more."""
        self._close(TaskState.CANCELLED, at, outcome)
        return TaskCancelled.of(self)

    def reopen(self, *, at: datetime) -> TaskReopened:
        if self.state is TaskState.OPEN:
            raise TaskStillOpen(self)
        self.ensure_not_before_last_change(at)
        left, self.state, self.outcome, self.closed_at = self.state, TaskState.OPEN, None, None
        return TaskReopened.of(self, from_state=left)

    def archive(self, *, at: datetime) -> TaskArchived:
        """It is left out of lists, and is not changed until it is restored. What happened stays
        counted. Only one that is done or cancelled is archived."""
        if self.state is TaskState.OPEN:
            raise TaskStillOpen(self)
        self.put_away(at)
        return TaskArchived()

    def restore(self, *, at: datetime) -> TaskRestored:
        """It is in lists again, as it was."""
        self.take_back(at)
        return TaskRestored()

    def _close(self, state: TaskState, at: datetime, outcome: str | None) -> None:
        self._must_be_open(at)
        self.state, self.outcome, self.closed_at = state, outcome, at

    def _must_be_open(self, at: datetime) -> None:
        if self.state is not TaskState.OPEN:
            raise TaskAlreadyClosed(self)
        self.ensure_not_before_last_change(at)
