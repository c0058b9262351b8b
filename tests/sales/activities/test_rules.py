from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from kith.errors import Invalid, NothingAmended
from kith.events.activities import ActivityPlanned, ActivityRecorded
from kith.ids import new_id
from sales.activities.rules import (
    Activity,
    ActivityDirection,
    ActivityKind,
    ActivityNotPlanned,
    ActivityState,
    ActivityStillPlanned,
)

DAY = datetime(2026, 3, 1, tzinfo=UTC)
LATER = DAY + timedelta(days=2)
CALL: dict[str, Any] = {"kind": ActivityKind.CALL, "direction": ActivityDirection.OUTBOUND}


def recorded(**fields: Any) -> Activity:
    it, _ = Activity.record(id=new_id(), at=DAY, **{**CALL, **fields})
    it.updated_at = DAY
    return it


def planned(**fields: Any) -> Activity:
    return recorded(planned_for=LATER, **fields)


def hold(it: Activity, at: datetime = LATER) -> Any:
    return it.hold(at=at, outcome=None, duration_seconds=None)


def test_what_took_place_counts_as_an_exchange_and_what_is_planned_does_not() -> None:
    _, took_place = Activity.record(id=new_id(), at=DAY, **CALL)
    it, to_come = Activity.record(id=new_id(), at=DAY, planned_for=LATER, **CALL)
    it.updated_at = DAY
    assert (type(took_place), type(to_come)) == (ActivityRecorded, ActivityPlanned)
    assert (took_place.qualifies, to_come.qualifies, hold(it).qualifies) == (True, False, True)


def test_one_that_took_place_says_when() -> None:
    it = planned()
    assert (it.state, it.held_at) == (ActivityState.PLANNED, None)
    hold(it)
    assert (it.state, it.held_at, it.planned_for) == (ActivityState.HELD, LATER, LATER)
    assert (recorded().state, recorded().held_at) == (ActivityState.HELD, DAY)


def test_a_call_says_from_which_side_it_came() -> None:
    with pytest.raises(Invalid) as refused:
        recorded(direction=None)
    assert refused.value.field == "direction"


def test_an_inquiry_comes_from_the_customer() -> None:
    assert recorded(kind=ActivityKind.INQUIRY, direction=None).direction is ActivityDirection.INBOUND
    with pytest.raises(Invalid) as refused:
        recorded(kind=ActivityKind.INQUIRY, direction=ActivityDirection.OUTBOUND)
    assert refused.value.field == "direction"


def test_a_meeting_may_come_from_neither_side() -> None:
    assert recorded(kind=ActivityKind.MEETING, direction=None).direction is None


def test_what_is_not_said_when_it_is_held_stays_as_it_was_planned() -> None:
    it = planned(duration_seconds=1800)
    it.hold(at=LATER, outcome="interested", duration_seconds=None)
    assert (it.duration_seconds, it.outcome) == (1800, "interested")


@pytest.mark.parametrize(
    "step",
    [
        hold,
        lambda it: it.miss(at=LATER, outcome=None),
        lambda it: it.cancel(at=LATER, outcome=None),
        lambda it: it.remind(at=LATER),
        lambda it: it.reschedule(at=LATER, planned_for=LATER, remind_at=None),
    ],
)
def test_one_that_took_place_takes_no_more_steps(step: Callable[[Activity], Any]) -> None:
    with pytest.raises(ActivityNotPlanned):
        step(recorded())


def test_one_that_was_missed_is_planned_again() -> None:
    it = planned()
    it.miss(at=LATER, outcome="no_show")
    event = it.reschedule(at=LATER, planned_for=LATER + timedelta(days=7), remind_at=None)
    assert (it.state, it.outcome) == (ActivityState.PLANNED, None)
    assert (event.state, event.planned_for) == ("planned", LATER + timedelta(days=7))


def test_its_owner_is_reminded_once_of_each_time_it_is_planned_for() -> None:
    it = planned(remind_at=LATER - timedelta(hours=1))
    assert it.next_reminder == LATER - timedelta(hours=1)
    it.remind(at=LATER - timedelta(hours=1))
    assert it.next_reminder is None
    it.reschedule(at=LATER, planned_for=LATER, remind_at=LATER - timedelta(hours=1))
    assert it.next_reminder == LATER - timedelta(hours=1)
    it.cancel(at=LATER, outcome=None)
    assert it.next_reminder is None


def test_nobody_is_reminded_of_what_took_place() -> None:
    with pytest.raises(Invalid) as refused:
        recorded(remind_at=LATER)
    assert refused.value.field == "remind_at"


def test_one_that_is_planned_is_not_archived() -> None:
    with pytest.raises(ActivityStillPlanned):
        planned().archive(at=LATER)


def test_its_history_is_published_in_order() -> None:
    before = DAY - timedelta(seconds=1)
    for step in (lambda: hold(planned(), before), lambda: recorded().amend(at=before, outcome="interested")):
        with pytest.raises(Invalid) as refused:
            step()
        assert refused.value.field == "occurred_at"


def test_an_amendment_changes_something() -> None:
    with pytest.raises(NothingAmended):
        recorded(outcome="interested").amend(at=DAY, outcome="interested")


def test_no_event_tells_its_subject() -> None:
    it, event = Activity.record(id=new_id(), at=DAY, subject="Ms Huber's delay", **CALL)
    it.updated_at = DAY
    amended = it.amend(at=DAY, subject="Mr Huber's delay")
    assert amended.changed == ["subject"]
    assert b"Huber" not in msgspec.json.encode([event, amended])
