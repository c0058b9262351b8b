"""Task: something that a colleague is to do about a customer."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from kith.error_codes import ErrorCode
from kith.errors import Conflict, Invalid
from kith.events.sales import (
    TaskAmended,
    TaskArchived,
    TaskCancelled,
    TaskCompleted,
    TaskCreated,
    TaskReminded,
    TaskReopened,
    TaskRestored,
    TaskTicked,
)
from kith.nouns.aggregate import Archivable, CustomerOwned, Customisable
from sales.tasks.values import ChecklistItem, Recurrence, numbered


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
    checklist: list[ChecklistItem] | None = field(default_factory=list)
    """None: there is none, or it was erased."""
    recurrence: str | None = None
    """The rule of RFC 5545 by which it recurs: the one that follows is made when this one is done or cancelled."""
    time_zone: str | None = None
    """In whose days it recurs; None: in those of UTC."""
    recurs_from: datetime | None = None
    """When the first of the series was due."""
    occurrence: int | None = None
    """Its number in the series."""
    previous_id: UUID | None = None
    next_id: UUID | None = None
    """Of the series."""

    @classmethod
    def create(cls, *, id: UUID, at: datetime, **fields: Any) -> tuple[Self, TaskCreated]:
        it = cls(id=id, **fields)
        it.checklist = numbered(it.checklist or ())
        if it.occurrence is None:
            it._begin_series()
        return it, TaskCreated.of(it)

    def amend(self, *, at: datetime, **fields: Any) -> TaskAmended:
        """Only the fields sent change; one sent as null is cleared."""
        self._must_be_open(at)
        if fields.get("checklist") is not None:
            fields["checklist"] = numbered(fields["checklist"], self.checklist or ())
        changed = {*self.set(fields)}
        if changed & {"recurrence", "time_zone"}:
            changed |= self._begin_series()
        return TaskAmended.of_changed(self, sorted(changed))

    def tick(self, *, at: datetime, item: int, done: bool) -> TaskTicked:
        """An item of its checklist is done, or is to be done after all."""
        self._must_be_open(at)
        if not any(each.item == item for each in self.checklist or ()):
            raise Invalid(f"There is no item {item}.", field="item")
        self.checklist = [replace(each, done=done) if each.item == item else each for each in self.checklist or ()]
        return TaskTicked.of(self, item=item, done=done, left=sum(not each.done for each in self.checklist))

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

    def complete(self, *, at: datetime, outcome: str | None, next_id: UUID | None = None) -> TaskCompleted:
        """The next one of its series is made, if there is one."""
        self._close(TaskState.DONE, at, outcome, next_id)
        return TaskCompleted.of(self)

    def cancel(self, *, at: datetime, outcome: str | None, next_id: UUID | None = None) -> TaskCancelled:
        """It is not to be done any more. The next one of its series is made, if there is one: who ends a series clears
        its recurrence first."""
        self._close(TaskState.CANCELLED, at, outcome, next_id)
        return TaskCancelled.of(self)

    def following(self, at: datetime) -> tuple[int, datetime] | None:
        """Returns the next one of its series, by number and due date: the first after `at`, and none of those that were
        passed over. None: it does not recur, or was the last one, or its words were erased."""
        if self.recurrence is None or self.recurs_from is None or self.occurrence is None or self.title is None:
            return None
        zone = self.time_zone or "UTC"
        return Recurrence.of(self.recurrence, zone).next_after(self.occurrence, at, self.recurs_from, zone)

    def reopen(self, *, at: datetime) -> TaskReopened:
        if self.state is TaskState.OPEN:
            raise TaskStillOpen(self)
        self.ensure_not_before_last_change(at)
        left, self.state, self.outcome, self.closed_at = self.state, TaskState.OPEN, None, None
        if self.next_id is not None:  # which carries the series on
            self.recurrence = None
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

    def _begin_series(self) -> set[str]:
        """It is the first of its series, if it recurs. Returns the fields that this sets."""
        if self.recurrence is None:
            self.recurs_from = self.occurrence = None
        elif self.due_at is None:
            raise Invalid("What recurs is due at some time.", field="due_at")
        else:
            Recurrence.of(self.recurrence, self.time_zone or "UTC")
            self.recurs_from, self.occurrence = self.due_at, 1
        return {"recurs_from", "occurrence"}

    def _close(self, state: TaskState, at: datetime, outcome: str | None, next_id: UUID | None) -> None:
        self._must_be_open(at)
        if self.following(at) is not None:
            self.next_id = next_id
        self.state, self.outcome, self.closed_at = state, outcome, at

    def _must_be_open(self, at: datetime) -> None:
        if self.state is not TaskState.OPEN:
            raise TaskAlreadyClosed(self)
        self.ensure_not_before_last_change(at)
