from collections.abc import Callable
from typing import Any

import pytest

from kith_local.replay.commands import CASES, CONTACTS, CUSTOMERS, USERS, Mapped, Reference
from kith_local.replay.desk import LOG, Decision, map_desk

Desk = Callable[..., Mapped]
FIRST = {
    "number": "INC1",
    "incident_state": "New",
    "made_sla": "TRUE",
    "caller_id": "Caller 7",
    "opened_at": "29-02-2016 01:16",
    "sys_updated_at": "29-02-2016 01:23",
    "contact_type": "Phone",
    "location": "Location 143",
    "category": "Category 55",
    "u_symptom": "Symptom 72",
    "priority": "3 - Moderate",
    "assignment_group": "Group 56",
    "assigned_to": "?",
    "closed_code": "code 5",
    "resolved_at": "?",
    "closed_at": "?",
}


@pytest.fixture
def desk(rows: Callable[..., Any]) -> Desk:
    """Of one case, by default: each entry says what it changes of the entry before."""

    def mapped(*entries: dict[str, str]) -> Mapped:
        lines, row = [], FIRST
        for entry in entries:
            row = row | entry
            lines.append(",".join(row[column] for column in LOG.columns))
        return map_desk({LOG.name: rows(LOG, *lines)})

    return mapped


def at(minute: int, state: str, **more: str) -> dict[str, str]:
    return {"incident_state": state, "sys_updated_at": f"01-03-2016 10:{minute:02}", **more}


def course(mapped: Mapped) -> list[tuple[str | None, str]]:
    return [(command.verb, command.at.strftime("%d %H:%M:%S")) for command in mapped.commands[CASES]]


def test_a_case_opens_at_opened_at_for_its_caller(desk: Desk) -> None:
    commands = desk({}).commands
    (location,), (caller,), (case,) = commands[CUSTOMERS], commands[CONTACTS], commands[CASES]
    assert (location.external_id, location.at, location.fields["kind"]) == ("Location 143", case.at, "organisation")
    assert (caller.external_id, caller.at) == ("Caller 7", case.at)
    assert caller.fields == {"customer_id": Reference(CUSTOMERS, "Location 143"), "name": "Caller 7"}
    assert case.at.isoformat() == "2016-02-29T01:16:00+00:00"
    assert case.fields == {
        "customer_id": Reference(CUSTOMERS, "Location 143"),
        "contact_id": Reference(CONTACTS, "Caller 7"),
        "subject": "Category 55, Symptom 72",
        "priority": "moderate",
        "channel": "phone",
        "category": "Category 55",
        "queue": "Group 56",
    }


def test_a_caller_nobody_knows_is_no_contact(desk: Desk) -> None:
    mapped = desk({"caller_id": "?"})
    assert CONTACTS not in mapped.commands
    assert mapped.commands[CASES][0].fields["customer_id"] == Reference(CUSTOMERS, "Location 143")
    assert mapped.decisions[Decision.NO_CALLER] == 1


def test_a_caller_of_several_locations_has_a_role_at_each(desk: Desk) -> None:
    later = {"number": "INC2", "location": "Location 9", "opened_at": "29-02-2016 09:00"}
    mapped = desk({}, later)
    first, second = Reference(CUSTOMERS, "Location 143"), Reference(CUSTOMERS, "Location 9")
    (caller,) = mapped.commands[CONTACTS]
    assert caller.fields["roles"] == [
        {"customer_id": first, "primary": True},
        {"customer_id": second, "primary": False},
    ]
    assert [case.fields["customer_id"] for case in mapped.commands[CASES]] == [first, second]
    assert mapped.decisions[Decision.SEVERAL_LOCATIONS] == 1


def test_a_case_of_no_location_is_of_its_callers(desk: Desk) -> None:
    mapped = desk({"location": "?"}, {"number": "INC2", "location": "Location 9"})
    assert [case.fields["customer_id"].external_id for case in mapped.commands[CASES]] == ["Location 9"] * 2
    assert mapped.decisions[Decision.NO_LOCATION] == 1


def test_a_caller_of_no_location_is_of_one_that_is_not_known(desk: Desk) -> None:
    commands = desk({"location": "?"}).commands
    assert [each.external_id for each in commands[CUSTOMERS]] == ["Location not known"]
    assert commands[CONTACTS][0].fields["customer_id"] == Reference(CUSTOMERS, "Location not known")


def test_a_case_that_moves_stays_where_it_was_opened(desk: Desk) -> None:
    mapped = desk({}, at(5, "Active", location="Location 9"))
    assert [each.external_id for each in mapped.commands[CUSTOMERS]] == ["Location 143"]
    assert mapped.decisions[Decision.MOVED] == 1


def test_a_caller_exists_from_its_earliest_case(desk: Desk) -> None:
    mapped = desk({}, {"number": "INC2", "opened_at": "28-02-2016 01:16"})
    assert [customer.at.day for customer in mapped.commands[CUSTOMERS]] == [28]


def test_changes_of_state_are_transitions_at_the_audit_rows_time(desk: Desk) -> None:
    mapped = desk({}, at(1, "Active"), at(2, "Awaiting User Info"), at(3, "Active"), at(4, "Resolved"), at(5, "Closed"))
    assert course(mapped)[1:] == [
        ("start", "01 10:01:00"),
        ("wait", "01 10:02:00"),
        ("start", "01 10:03:00"),
        ("resolve", "01 10:04:00"),
        ("close", "01 10:05:00"),
    ]
    assert mapped.commands[CASES][2].fields == {"reason": "user info"}


def test_rows_that_change_nothing_are_counted(desk: Desk) -> None:
    mapped = desk({}, at(1, "New"), at(2, "Active"), at(3, "Active"))
    assert mapped.decisions[Decision.ENTRY] == 3
    assert mapped.decisions[Decision.TRANSITION] == 1


@pytest.mark.parametrize(
    ("states", "verbs"),
    [
        (["Active"], ["start"]),
        (["Resolved"], ["resolve"]),
        (["Awaiting Vendor"], ["wait"]),
        (["Closed"], ["resolve", "close"]),
        (["Resolved", "Active"], ["resolve", "reopen"]),
        (["Resolved", "New"], ["resolve", "reopen"]),
        (["Resolved", "Awaiting Problem"], ["resolve", "reopen", "wait"]),
        (["Closed", "Resolved"], ["resolve", "close", "reopen", "resolve"]),
        (["Awaiting Problem", "Awaiting User Info"], ["wait", "wait"]),
        (["Active", "New", "Active"], ["start"]),
        (["Active", "New", "Resolved"], ["start", "resolve"]),
    ],
)
def test_every_change_of_state_has_its_commands(desk: Desk, states: list[str], verbs: list[str]) -> None:
    mapped = desk(*(at(minute, state) for minute, state in enumerate(states)))
    assert [verb for verb, _ in course(mapped)[1:]] == verbs
    assert not mapped.rejected


def test_a_time_before_the_cases_last_is_raised_to_it(desk: Desk) -> None:
    mapped = desk({}, at(9, "Active"), at(4, "Resolved"))
    assert course(mapped)[1:] == [("start", "01 10:09:00"), ("resolve", "01 10:09:00")]
    assert mapped.decisions[Decision.TIME_BACK] == 1


def test_the_same_command_twice_in_a_minute_stays_two(desk: Desk) -> None:
    mapped = desk({}, at(1, "Awaiting User Info"), at(1, "Awaiting Vendor"), at(1, "Active"))
    assert course(mapped)[1:] == [("wait", "01 10:01:00"), ("wait", "01 10:01:01"), ("start", "01 10:01:01")]
    assert mapped.decisions[Decision.SAME_MINUTE] == 1
    assert mapped.decisions[Decision.TIME_BACK] == 0


def test_the_sla_is_as_the_cases_last_row_knows_it(desk: Desk) -> None:
    mapped = desk({}, at(1, "Resolved"), at(2, "Closed", made_sla="FALSE"))
    assert mapped.commands[CASES][1].fields == {"resolution_code": "code 5", "sla_met": False}
    assert mapped.decisions[Decision.BREACHED] == 1


def test_a_resolution_that_was_reopened_has_no_verdict(desk: Desk) -> None:
    mapped = desk({}, at(1, "Resolved"), at(2, "Active"), at(3, "Resolved"), at(4, "Closed"))
    assert [each.fields["sla_met"] for each in mapped.commands[CASES] if each.verb == "resolve"] == [None, True]
    assert mapped.decisions[Decision.NO_VERDICT] == mapped.decisions[Decision.REOPENED] == 1


def test_assignment_and_a_higher_priority_are_commands_of_their_own(desk: Desk) -> None:
    mapped = desk(
        {}, at(1, "Active", assigned_to="Resolver 1", priority="1 - Critical"), at(2, "Active", assigned_to="?")
    )
    _, escalated, assigned, started = mapped.commands[CASES]
    assert (escalated.verb, escalated.fields) == ("escalate", {"priority": "critical"})
    assert (assigned.verb, assigned.fields) == ("assign", {"assignee_id": Reference(USERS, "Resolver 1")})
    assert started.verb == "start"


def test_a_settled_case_is_changed_only_after_it_is_reopened(desk: Desk) -> None:
    late = at(2, "Resolved", assigned_to="Resolver 1")
    mapped = desk({}, at(1, "Resolved"), late)
    assert [verb for verb, _ in course(mapped)] == [None, "resolve"]
    assert mapped.decisions[Decision.ASSIGNED_UNSAID] == 1
    reopened = desk({}, at(1, "Resolved"), late, at(3, "Active"))
    assert [verb for verb, _ in course(reopened)] == [None, "resolve", "reopen", "assign"]
    assert reopened.decisions[Decision.ASSIGNED_UNSAID] == 0


def test_a_lower_priority_and_another_category_are_counted_as_not_said(desk: Desk) -> None:
    mapped = desk({}, at(1, "New", priority="4 - Low", category="Category 1"))
    assert len(mapped.commands[CASES]) == 1
    assert mapped.decisions[Decision.PRIORITY_UNSAID] == mapped.decisions[Decision.CATEGORY_UNSAID] == 1


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"incident_state": "-100"}, "incident_state: is no state of a case"),
        ({"sys_updated_at": "2016-02-29"}, "sys_updated_at: is no time like %d-%m-%Y %H:%M"),
        ({"priority": "9"}, "priority: is none of critical, high, moderate, low"),
        (
            {"contact_type": "Pigeon"},
            "contact_type: is none of phone, ivr, email, self service, direct opened",
        ),
    ],
)
def test_a_bad_entry_is_reported_and_the_rest_goes_on(desk: Desk, bad: dict[str, str], reason: str) -> None:
    mapped = desk({}, bad, FIRST | at(2, "Active"))
    assert [(each.origin.line, each.reason) for each in mapped.rejected] == [(3, reason)]
    assert [verb for verb, _ in course(mapped)] == [None, "start"]
