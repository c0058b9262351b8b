from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from kith.errors import Invalid, NothingAmended
from kith.ids import new_id
from sales.tasks.rules import Task, TaskAlreadyClosed, TaskState, TaskStillOpen
from sales.tasks.values import ChecklistItem

DAY = datetime(2026, 3, 1, tzinfo=UTC)
EVE = new_id()


def created(**fields: Any) -> Task:
    task, _ = Task.create(id=new_id(), at=DAY, **{"title": "Call them", **fields})
    task.updated_at = DAY
    return task


def test_a_completed_task_says_when_and_what_came_of_it() -> None:
    task = created()
    event = task.complete(at=DAY, outcome="called_back")
    assert (task.state, task.closed_at, task.outcome) == (TaskState.DONE, DAY, "called_back")
    assert (event.state, event.outcome) == ("done", "called_back")


def test_a_cancelled_task_can_be_opened_again_as_if_it_had_not_been() -> None:
    task = created()
    task.cancel(at=DAY, outcome="no_longer_needed")
    event = task.reopen(at=DAY)
    assert (task.state, task.closed_at, task.outcome) == (TaskState.OPEN, None, None)
    assert (event.from_state, event.state) == ("cancelled", "open")


def test_a_closed_task_takes_no_more_steps() -> None:
    task = created()
    task.complete(at=DAY, outcome=None)
    for step in (
        lambda: task.complete(at=DAY, outcome=None),
        lambda: task.cancel(at=DAY, outcome=None),
        lambda: task.amend(at=DAY, owner_id=EVE),
    ):
        with pytest.raises(TaskAlreadyClosed):
            step()


def test_an_open_task_is_not_reopened() -> None:
    with pytest.raises(TaskStillOpen):
        created().reopen(at=DAY)


def test_its_history_is_published_in_order() -> None:
    with pytest.raises(Invalid) as refused:
        created().complete(at=DAY - timedelta(seconds=1), outcome=None)
    assert refused.value.field == "occurred_at"


def test_an_amendment_changes_something() -> None:
    with pytest.raises(NothingAmended):
        created(owner_id=EVE).amend(at=DAY, owner_id=EVE)


def test_no_event_tells_its_title() -> None:
    task, event = Task.create(id=new_id(), at=DAY, title="Call Ms Huber")
    task.updated_at = DAY
    amended = task.amend(at=DAY, title="Call Mr Huber")
    assert amended.changed == ["title"]
    assert b"Huber" not in msgspec.json.encode([event, amended])


def test_items_of_a_checklist_have_numbers_and_are_ticked_by_them() -> None:
    task = created(
        checklist=[ChecklistItem(text="Ring"), ChecklistItem(text="Write", item=7), ChecklistItem(text="Go")]
    )
    assert [each.item for each in task.checklist or ()] == [8, 7, 9]
    event = task.tick(at=DAY, item=7, done=True)
    assert (event.item, event.done, event.left) == (7, True, 2)
    task.amend(at=DAY, checklist=[ChecklistItem(text="Write!", item=7), ChecklistItem(text="Fly")])
    assert [(each.item, each.done) for each in task.checklist or ()] == [(7, True), (10, False)]
    with pytest.raises(Invalid, match="no item 1"):
        task.tick(at=DAY, item=1, done=True)
    with pytest.raises(Invalid, match="the number 7"):
        task.amend(at=DAY, checklist=[ChecklistItem(text="a", item=7), ChecklistItem(text="b", item=7)])


def test_a_series_begins_when_it_is_due_and_anew_with_another_rule() -> None:
    with pytest.raises(Invalid) as refused:
        created(recurrence="FREQ=DAILY")
    assert refused.value.field == "due_at"
    task = created(recurrence="FREQ=DAILY", due_at=DAY)
    task.amend(at=DAY, due_at=DAY + timedelta(hours=5))  # this one alone
    assert task.following(DAY) == (2, DAY + timedelta(days=1))
    event = task.amend(at=DAY, recurrence="FREQ=WEEKLY")
    assert (event.recurs_from, event.occurrence) == (DAY + timedelta(hours=5), 1)
    assert task.following(DAY) == (2, DAY + timedelta(days=7, hours=5))
    task.amend(at=DAY, recurrence=None)
    assert (task.following(DAY), task.recurs_from) == (None, None)
