"""What can be done with a task."""

from kith.nouns.inputs import UNSENT, Amendment, Input, NewInput
from kith.nouns.resource import Command
from kith.scalars import Code, Id, Instant, Text
from sales.tasks.rules import Task


class CreateTask(NewInput):
    title: Text
    customer_id: Id | None = None
    owner: Code | None = None
    due_at: Instant | None = None
    reason: Code | None = None
    explanation: Text | None = None
    playbook_id: Id | None = None
    run_id: Id | None = None


class AmendTask(Amendment):
    title: Text = UNSENT
    owner: Code | None = UNSENT
    due_at: Instant | None = UNSENT


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
