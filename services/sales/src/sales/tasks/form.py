"""The form of a task: what can be done with it, its table, and how it is seen."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field
from sqlalchemy import TEXT, Column, Index, Integer, Uuid

from kith.db.owned import owned_by
from kith.db.tables import ERASED_TOO, FORMER, Moment, Structured, aggregate_table, one_of
from kith.nouns.inputs import UNSENT, Amendment, Archive, CustomValues, Input, NewInput, Restore
from kith.nouns.resource import Also, ArchivableView, Command, Follows, One, Resource, Timer, personal
from kith.nouns.value_inputs import Values
from kith.scalars import Code, Flag, Id, Instant, Text, Whole, Zone
from sales.tables import CUSTOMER, USER, known_runs, metadata
from sales.tasks.rules import Task, TaskPriority, TaskState
from sales.tasks.values import MOST_ITEMS, MOST_NUMBER, ChecklistItem


class CreateTask(NewInput):
    title: Text
    kind: Code | None = None
    priority: TaskPriority = TaskPriority.NORMAL
    customer_id: Id | None = None
    owner_id: Id | None = None
    due_at: Instant | None = None
    remind_at: Instant | None = None
    reason: Code | None = None
    explanation: Text | None = None
    playbook_id: Id | None = None
    run_id: Id | None = None
    checklist: Annotated[list[ChecklistItem], Values(MOST_ITEMS)] = Field(default_factory=list)
    recurrence: Code | None = Field(
        default=None, description="RFC 5545: FREQ, INTERVAL, and COUNT or UNTIL, as in FREQ=MONTHLY;COUNT=6"
    )
    time_zone: Zone | None = None
    custom: CustomValues = Field(default_factory=dict)
    custom_personal: CustomValues = Field(default_factory=dict)


class NextTask(CreateTask):
    """What follows in a series: nobody sends it."""

    recurs_from: Instant
    occurrence: int
    previous_id: Id


class AmendTask(Amendment):
    title: Text = UNSENT
    kind: Code | None = UNSENT
    priority: TaskPriority = UNSENT
    owner_id: Id | None = UNSENT
    due_at: Instant | None = UNSENT
    remind_at: Instant | None = UNSENT
    checklist: Annotated[list[ChecklistItem], Values(MOST_ITEMS)] = UNSENT
    recurrence: Code | None = UNSENT
    time_zone: Zone | None = UNSENT
    custom: CustomValues = UNSENT
    custom_personal: CustomValues = UNSENT


class TickTask(Input):
    item: Annotated[int, Whole(1, MOST_NUMBER)]
    done: Flag = True


class RemindOfTask(Input):
    pass


class CompleteTask(Input):
    outcome: Code | None = None


class CancelTask(Input):
    outcome: Code | None = None


class ReopenTask(Input):
    pass


tasks = aggregate_table(
    "tasks",
    metadata,
    Column("title", TEXT, comment="null: it was erased"),
    Column("kind", TEXT),
    Column("priority", one_of(TaskPriority), nullable=False, server_default=TaskPriority.NORMAL),
    Column("owner", TEXT, info={FORMER: "owner_id"}),
    Column("owner_id", Uuid),
    Column("due_at", Moment),
    Column("remind_at", Moment),
    Column("reminded_at", Moment),
    Column("state", one_of(TaskState), nullable=False),
    Column("reason", TEXT),
    Column("explanation", TEXT, info={ERASED_TOO: True}),
    Column("playbook_id", Uuid),
    Column("run_id", Uuid),
    Column("outcome", TEXT),
    Column("closed_at", Moment),
    Column("checklist", Structured(list[ChecklistItem] | None), comment="null: there is none, or it was erased"),
    Column("recurrence", TEXT),
    Column("time_zone", TEXT),
    Column("recurs_from", Moment),
    Column("occurrence", Integer),
    Column("previous_id", Uuid),
    Column("next_id", Uuid),
    customer_owned=True,
    archivable=True,
    customisable=True,
    listed_by=("owner", "owner_id", "state", "due_at", "playbook_id"),
)
owned_by(tasks, "owner_id")
Index("tasks_by_run", tasks.c.tenant_id, tasks.c.run_id, postgresql_where=tasks.c.run_id.is_not(None))


@dataclass(slots=True)
class TaskView(ArchivableView):
    customer_id: UUID | None
    kind: str | None
    priority: TaskPriority
    owner_id: UUID | None
    due_at: datetime | None
    remind_at: datetime | None
    reminded_at: datetime | None
    state: TaskState
    reason: str | None
    explanation: str | None
    playbook_id: UUID | None
    run_id: UUID | None
    outcome: str | None
    closed_at: datetime | None
    recurrence: str | None
    time_zone: str | None
    recurs_from: datetime | None
    occurrence: int | None
    previous_id: UUID | None
    next_id: UUID | None
    custom: dict[str, Any]
    title: str | None = personal()
    checklist: list[ChecklistItem] | None = personal()
    custom_personal: dict[str, Any] | None = personal()


def next_of(task: Task, at: datetime) -> NextTask | None:
    """Returns what follows a task in its series, the same as it, with a checklist that is to be done again."""
    if (following := task.following(at)) is None:
        return None
    occurrence, due_at = following
    lead = None if task.remind_at is None or task.due_at is None else task.due_at - task.remind_at
    kept = ("title", "kind", "priority", "customer_id", "owner_id", "recurrence", "time_zone", "recurs_from", "custom")
    return NextTask.model_construct(
        occurred_at=at,
        **{name: getattr(task, name) for name in (*kept, "custom_personal")},
        due_at=due_at,
        remind_at=None if lead is None else due_at - lead,
        checklist=[replace(each, done=False) for each in task.checklist or ()],
        occurrence=occurrence,
        previous_id=task.id,
    )


FOLLOWED = Also(None, next_of, named="next_id")
TASKS = Resource(
    "task",
    "tasks",
    Task,
    tasks,
    TaskView,
    (
        Command("create", CreateTask, Task.create),
        Command("amend", AmendTask, Task.amend),
        Command("tick", TickTask, Task.tick),
        Command("remind", RemindOfTask, Task.remind),
        Command("complete", CompleteTask, Task.complete, also=FOLLOWED),
        Command("cancel", CancelTask, Task.cancel, also=FOLLOWED),
        Command("reopen", ReopenTask, Task.reopen),
        Command("archive", Archive, Task.archive),
        Command("restore", Restore, Task.restore, of_archived=True),
    ),
    filters=("customer_id", "owner_id", "state", "due_at", "run_id", "playbook_id", "kind", "priority"),
    unindexed=dict.fromkeys(
        ("kind", "priority"), "They are asked of tasks that are open, of one owner: these are few."
    ),
    searched=("title",),
    timers=(Timer("remind", at="next_reminder"),),
    unpublished={"explanation": "A path that follows from the run."},
    follows={
        "customer_id": CUSTOMER,
        "owner_id": USER,
        "run_id": Follows(known_runs.c.id, ("customer_id", "playbook_id"), on_sight=True),
    },
    relations=(One("customer", many="tasks"), One("owner", to="user", many="tasks")),
)
