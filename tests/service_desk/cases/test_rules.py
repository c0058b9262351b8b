"""The rules of a case."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from kith.errors import DomainError, Invalid
from kith.events.service_desk import CaseOpened
from service_desk.cases.rules import (
    Case,
    CaseAlreadyAssigned,
    CaseAlreadyClosed,
    CaseAlreadyResolved,
    CaseAlreadyStarted,
    CaseAlreadyWaiting,
    CaseChannel,
    CaseNotResolved,
    CaseState,
    Priority,
    PriorityNotHigher,
)

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
ID, CUSTOMER, CONTACT = UUID(int=1), UUID(int=2), UUID(int=3)
EVE, BOB = UUID(int=4), UUID(int=5)


def after(minutes: int) -> datetime:
    return NINE + timedelta(minutes=minutes)


def open_case(**fields: Any) -> tuple[Case, CaseOpened]:
    given = {
        "customer_id": CUSTOMER,
        "contact_id": CONTACT,
        "subject": "No light",
        "priority": Priority.MODERATE,
        "channel": CaseChannel.PHONE,
        **fields,
    }
    case, event = Case.open(id=ID, at=NINE, **given)
    case.created_at = case.updated_at = NINE
    return case, event


def case_in(state: CaseState) -> Case:
    """A case that came to this state in the ordinary way; its last change was an hour after nine."""
    case, _ = open_case()
    if state is CaseState.OPEN:
        case.start(at=after(60), assignee_id=None)
    elif state is CaseState.PENDING:
        case.wait(at=after(60), reason="parts")
    elif state in (CaseState.RESOLVED, CaseState.CLOSED):
        case.resolve(at=after(60), sla_met=True, resolution_code="fixed")
    if state is CaseState.CLOSED:
        case.close(at=after(60))
    case.updated_at = after(60)
    return case


Move = Callable[[Case, datetime], Any]

MOVES: dict[str, Move] = {
    "start": lambda case, at: case.start(at=at, assignee_id=None),
    "wait": lambda case, at: case.wait(at=at, reason="parts"),
    "wait for another reason": lambda case, at: case.wait(at=at, reason="customer"),
    "resolve": lambda case, at: case.resolve(at=at, sla_met=None, resolution_code=None),
    "close": lambda case, at: case.close(at=at),
    "reopen": lambda case, at: case.reopen(at=at, reason=None),
    "escalate": lambda case, at: case.escalate(at=at, priority=Priority.HIGH),
    "assign": lambda case, at: case.assign(at=at, assignee_id=EVE, queue=None),
}

NEW, OPEN, PENDING, RESOLVED, CLOSED = CaseState
RESOLVED_ALREADY, CLOSED_ALREADY = CaseAlreadyResolved, CaseAlreadyClosed

# What becomes of a case in each state: the state it goes to, or why it does not.
TABLE: dict[str, dict[CaseState, CaseState | type[DomainError]]] = {
    "start": {
        NEW: OPEN,
        OPEN: CaseAlreadyStarted,
        PENDING: OPEN,
        RESOLVED: RESOLVED_ALREADY,
        CLOSED: CLOSED_ALREADY,
    },
    "wait": {
        NEW: PENDING,
        OPEN: PENDING,
        PENDING: CaseAlreadyWaiting,
        RESOLVED: RESOLVED_ALREADY,
        CLOSED: CLOSED_ALREADY,
    },
    "wait for another reason": {PENDING: PENDING},
    "resolve": {
        NEW: RESOLVED,
        OPEN: RESOLVED,
        PENDING: RESOLVED,
        RESOLVED: RESOLVED_ALREADY,
        CLOSED: CLOSED_ALREADY,
    },
    "close": {
        NEW: CaseNotResolved,
        OPEN: CaseNotResolved,
        PENDING: CaseNotResolved,
        RESOLVED: CLOSED,
        CLOSED: CLOSED_ALREADY,
    },
    "reopen": {NEW: CaseNotResolved, OPEN: CaseNotResolved, PENDING: CaseNotResolved, RESOLVED: OPEN, CLOSED: OPEN},
    "escalate": {NEW: NEW, OPEN: OPEN, PENDING: PENDING, RESOLVED: RESOLVED_ALREADY, CLOSED: CLOSED_ALREADY},
    "assign": {NEW: NEW, OPEN: OPEN, PENDING: PENDING, RESOLVED: RESOLVED_ALREADY, CLOSED: CLOSED_ALREADY},
}

ALL = [(name, state, end) for name, ends in TABLE.items() for state, end in ends.items()]
ALLOWED = [(name, state, end) for name, state, end in ALL if isinstance(end, CaseState)]
REFUSED = [(name, state, end) for name, state, end in ALL if not isinstance(end, CaseState)]


@pytest.mark.parametrize(("name", "state", "end"), ALLOWED)
def test_a_case_moves(name: str, state: CaseState, end: CaseState) -> None:
    case = case_in(state)
    event = MOVES[name](case, after(61))
    assert (case.state, event.state) == (end, end)
    assert getattr(event, "from_state", state) == state


@pytest.mark.parametrize(("name", "state", "error"), REFUSED)
def test_a_case_refuses_to_move(name: str, state: CaseState, error: type[DomainError]) -> None:
    case = case_in(state)
    with pytest.raises(error):
        MOVES[name](case, after(61))
    assert case.state is state


@pytest.mark.parametrize(("name", "state", "end"), ALLOWED)
def test_no_move_goes_back_before_the_last_change(name: str, state: CaseState, end: CaseState) -> None:
    case = case_in(state)
    with pytest.raises(Invalid) as refused:
        MOVES[name](case, after(59))
    assert refused.value.field == "occurred_at"


@pytest.mark.parametrize(("name", "state", "end"), ALLOWED)
def test_every_event_tells_how_the_case_stands_after_it(name: str, state: CaseState, end: CaseState) -> None:
    case = case_in(state)
    case.category, case.queue = "lighting", "tier-2"
    event = MOVES[name](case, after(61))
    carried = ("state", "priority", "channel", "category", "queue", "assignee_id")
    assert [getattr(event, each) for each in carried] == [getattr(case, each) for each in carried]


def test_a_case_opens_as_new_and_tells_nothing_of_its_subject() -> None:
    case, event = open_case(category="lighting", queue="tier-1", assignee_id=EVE)
    assert (case.state, case.subject, case.relationship()) == (CaseState.NEW, "No light", CUSTOMER)
    assert msgspec.to_builtins(event) == {
        "state": "new",
        "priority": "moderate",
        "channel": "phone",
        "category": "lighting",
        "queue": "tier-1",
        "assignee": str(EVE),
        "contact_id": str(CONTACT),
    }


def test_who_starts_it_is_its_assignee() -> None:
    case, _ = open_case(assignee_id=EVE)
    assert case.start(at=after(1), assignee_id=BOB).assignee_id == case.assignee_id == BOB


def test_started_by_nobody_in_particular_it_stays_with_its_assignee() -> None:
    case, _ = open_case(assignee_id=EVE)
    assert case.start(at=after(1), assignee_id=None).assignee_id == case.assignee_id == EVE


@pytest.mark.parametrize("name", ["start", "wait", "resolve"])
def test_the_first_time_someone_does_something_is_the_first_response(name: str) -> None:
    case, _ = open_case()
    assert MOVES[name](case, after(2)).seconds_to_first_response == 120
    assert case.first_responded_at == after(2)


def test_there_is_one_first_response() -> None:
    case, _ = open_case()
    case.assign(at=after(1), assignee_id=EVE, queue=None)
    assert case.first_responded_at is None
    case.start(at=after(2), assignee_id=None)
    assert case.wait(at=after(3), reason="parts").seconds_to_first_response is None
    assert case.resolve(at=after(4), sla_met=None, resolution_code=None).seconds_to_first_response is None
    assert case.first_responded_at == after(2)


def test_it_waits_for_a_reason_as_long_as_it_waits() -> None:
    case, _ = open_case()
    assert case.wait(at=after(1), reason="parts").reason == case.pending_reason == "parts"
    assert case.wait(at=after(2), reason="customer").reason == case.pending_reason == "customer"
    case.start(at=after(3), assignee_id=None)
    assert case.pending_reason is None
    case.wait(at=after(4), reason="parts")
    case.resolve(at=after(5), sla_met=None, resolution_code=None)
    assert case.pending_reason is None


def test_a_resolution_tells_its_time_its_code_and_the_sla() -> None:
    case, _ = open_case()
    event = case.resolve(at=after(90), sla_met=False, resolution_code="replaced")
    assert (event.seconds_to_resolve, event.sla_met, event.resolution_code) == (5400, False, "replaced")
    assert (case.resolved_at, case.sla_met, case.resolution_code) == (after(90), False, "replaced")
    assert event.reopened_count == 0


def test_closing_leaves_the_resolution_as_it_is() -> None:
    case = case_in(CaseState.RESOLVED)
    case.close(at=after(120))
    assert (case.resolved_at, case.closed_at, case.sla_met) == (after(60), after(120), True)


def test_reopened_it_runs_a_new_clock() -> None:
    case = case_in(CaseState.CLOSED)
    event = case.reopen(at=after(1000), reason="dark again")
    assert (event.reopened_count, event.reason, case.reopened_count) == (1, "dark again", 1)
    again = case.resolve(at=after(1003), sla_met=True, resolution_code=None)
    assert (again.seconds_to_resolve, again.reopened_count) == (180, 1)
    case.reopen(at=after(2000), reason=None)
    assert case.reopened_count == 2
    assert case.resolve(at=after(2001), sla_met=True, resolution_code=None).seconds_to_resolve == 60


def test_reopened_it_is_neither_resolved_nor_closed() -> None:
    case = case_in(CaseState.CLOSED)
    case.reopen(at=after(61), reason=None)
    assert (case.resolved_at, case.closed_at, case.sla_met, case.resolution_code) == (None, None, None, None)


@pytest.mark.parametrize(
    ("priority", "higher"),
    [
        (Priority.LOW, Priority.MODERATE),
        (Priority.LOW, Priority.CRITICAL),
        (Priority.MODERATE, Priority.HIGH),
        (Priority.HIGH, Priority.CRITICAL),
    ],
)
def test_a_case_escalates_upwards_only(priority: Priority, higher: Priority) -> None:
    case, _ = open_case(priority=priority)
    event = case.escalate(at=after(1), priority=higher)
    assert (event.from_priority, event.priority, case.priority) == (priority, higher, higher)
    for not_higher in (higher, priority):
        with pytest.raises(PriorityNotHigher):
            case.escalate(at=after(2), priority=not_higher)


def test_assigned_to_a_person_it_stays_in_its_queue() -> None:
    case, _ = open_case(queue="tier-1", assignee_id=EVE)
    event = case.assign(at=after(1), assignee_id=BOB, queue=None)
    assert (case.assignee_id, case.queue) == (BOB, "tier-1")
    assert (event.from_assignee_id, event.from_queue, event.assignee_id, event.queue) == (EVE, "tier-1", BOB, "tier-1")


def test_assigned_to_a_queue_it_stays_with_its_person() -> None:
    case, _ = open_case(queue="tier-1", assignee_id=EVE)
    event = case.assign(at=after(1), assignee_id=None, queue="tier-2")
    assert (case.assignee_id, case.queue) == (EVE, "tier-2")
    assert (event.from_queue, event.queue) == ("tier-1", "tier-2")


def test_assigned_to_nobody_is_no_assignment() -> None:
    case, _ = open_case()
    with pytest.raises(Invalid) as refused:
        case.assign(at=after(1), assignee_id=None, queue=None)
    assert refused.value.field == "assignee_id"


def test_assigned_to_whom_it_is_with_is_refused() -> None:
    case, _ = open_case(queue="tier-1", assignee_id=EVE)
    with pytest.raises(CaseAlreadyAssigned):
        case.assign(at=after(1), assignee_id=EVE, queue="tier-1")
