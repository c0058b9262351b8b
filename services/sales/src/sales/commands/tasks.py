"""What can be done with a task."""

from uuid import UUID

from pydantic import AwareDatetime

from kith.inputs import UNSENT, Amendment, Code, Input, NewInput, Text
from kith.resource import Command
from sales.domain.task import Task


class CreateTask(NewInput):
    title: Text
    customer_id: UUID | None = None
    owner: Code | None = None
    due_at: AwareDatetime | None = None
    reason: Code | None = None
    explanation: Text | None = None
    playbook_id: UUID | None = None
    run_id: UUID | None = None


class AmendTask(Amendment):
    title: Text = UNSENT
    owner: Code | None = UNSENT
    due_at: AwareDatetime | None = UNSENT


class CompleteTask(Input):
    outcome: Code | None = None


class CancelTask(Input):
    outcome: Code | None = None


class ReopenTask(Input):
    pass


COMMANDS = (
    Command("create", CreateTask, Task.create),
    Command("amend", AmendTask, Task.amend),
    Command("complete", CompleteTask, Task.complete),
    Command("cancel", CancelTask, Task.cancel),
    Command("reopen", ReopenTask, Task.reopen),
)
