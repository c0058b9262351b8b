from collections.abc import Callable
from typing import Any

import pytest

from kith_local.replay.bank import CALLS, Decision, map_bank
from kith_local.replay.commands import (
    CONSENTS,
    CONTACTS,
    CUSTOMERS,
    FIELD_DEFINITIONS,
    TOUCHPOINTS,
    Mapped,
    Reference,
)

Bank = Callable[..., Mapped]
CLIENT = "69,technician,married,high.school,no,unknown,yes"


@pytest.fixture
def bank(rows: Callable[..., Any]) -> Bank:
    return lambda *lines: map_bank({CALLS.name: rows(CALLS, *lines)})


def test_a_row_is_a_person_and_a_call(bank: Bank) -> None:
    mapped = bank(f"{CLIENT},mar,tue,37,22,nonexistent,no")
    (customer,), (call,) = mapped.commands[CUSTOMERS], mapped.commands[TOUCHPOINTS]
    assert list(mapped.commands) == [FIELD_DEFINITIONS, CUSTOMERS, CONTACTS, CONSENTS, TOUCHPOINTS]
    assert (customer.external_id, call.external_id) == ("client-1", "call-1")
    assert customer.fields == {"kind": "person", "name": "Client 1", "segment": "technician"}
    assert call.fields == {
        "customer_id": Reference(CUSTOMERS, "client-1"),
        "contact_id": Reference(CONTACTS, "client-1"),
        "channel": "phone",
        "direction": "outbound",
        "outcome": "declined",
        "duration_seconds": 37,
        "attempts": 22,
        "campaign": "term-deposit",
        "responded": False,
    }


def test_what_is_personal_is_the_contacts_and_hidden(bank: Bank) -> None:
    commands = bank(f"{CLIENT},mar,tue,37,22,nonexistent,no").commands
    (contact,), (consent,) = commands[CONTACTS], commands[CONSENTS]
    assert contact.fields["custom_personal"] == {
        "age": 69,
        "marital": "married",
        "education": "high.school",
        "credit_default": False,
        "personal_loan": True,
    }
    assert all(each.fields["personal"] for each in commands[FIELD_DEFINITIONS])
    assert consent.fields == {
        "contact_id": Reference(CONTACTS, "client-1"),
        "purpose": "term-deposit",
        "channel": "phone",
        "state": "given",
    }


def test_who_subscribed_has_responded(bank: Bank) -> None:
    (call,) = bank(f"{CLIENT},mar,tue,37,1,nonexistent,yes").commands[TOUCHPOINTS]
    assert (call.fields["outcome"], call.fields["responded"]) == ("subscribed", True)


def test_calls_take_turns_over_the_months_such_weekdays(bank: Bank) -> None:
    mapped = bank(*[f"{CLIENT},mar,tue,37,1,nonexistent,no"] * 6)
    # March 2010 has five Tuesdays.
    assert [call.at.day for call in mapped.commands[TOUCHPOINTS]] == [9, 16, 23, 30, 2, 9]
    assert {call.at.strftime("%Y %b %a %H:%M") for call in mapped.commands[TOUCHPOINTS]} == {"2010 Mar Tue 12:00"}


def test_an_earlier_campaign_is_counted_and_not_sent(bank: Bank) -> None:
    mapped = bank(f"{CLIENT},mar,tue,37,1,success,no")
    assert len(mapped.commands[TOUCHPOINTS]) == mapped.decisions[Decision.EARLIER] == 1


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (
            f"{CLIENT},märz,tue,37,1,success,no",
            "month: is none of jan, feb, mar",
        ),
        (f"{CLIENT},mar,someday,37,1,success,no", "day_of_week: is none of mon"),
        (
            f"{CLIENT},mar,tue,-1,1,success,no",
            "duration: is no whole number",
        ),
        (f"{CLIENT},mar,tue,1,1,success,maybe", "y: is none of yes, no"),
        (
            "old,technician,married,high.school,no,no,yes,mar,tue,1,1,success,no",
            "age: is no whole number",
        ),
        ("69,technician,widowed,high.school,no,no,yes,mar,tue,1,1,success,no", "marital: is none of divorced, married"),
        ("69,technician,married,high.school,no,maybe,yes,mar,tue,1,1,success,no", "housing: is none of no, yes"),
    ],
)
def test_a_bad_row_is_reported_and_the_rest_goes_on(bank: Bank, bad: str, reason: str) -> None:
    mapped = bank(bad, f"{CLIENT},mar,tue,37,1,nonexistent,no")
    (rejected,) = mapped.rejected
    assert rejected.reason.startswith(reason)
    assert [call.external_id for call in mapped.commands[TOUCHPOINTS]] == ["call-2"]
