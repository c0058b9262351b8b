from collections.abc import Callable
from typing import Any

import pytest

from kith_local.replay.bank import CALLS, Decision, map_bank
from kith_local.replay.commands import CUSTOMERS, TOUCHPOINTS, Mapped, Reference

Bank = Callable[..., Mapped]


@pytest.fixture
def bank(rows: Callable[..., Any]) -> Bank:
    return lambda *lines: map_bank({CALLS.name: rows(CALLS, *lines)})


def test_a_row_is_a_person_and_a_call(bank: Bank) -> None:
    mapped = bank("technician,mar,tue,37,22,nonexistent,no")
    (customer,), (call,) = mapped.commands[CUSTOMERS], mapped.commands[TOUCHPOINTS]
    assert (customer.external_id, call.external_id) == ("client-1", "call-1")
    assert customer.fields == {"kind": "person", "name": "Client 1", "segment": "technician"}
    assert call.fields == {
        "customer_id": Reference(CUSTOMERS, "client-1"),
        "channel": "phone",
        "direction": "outbound",
        "outcome": "declined",
        "duration_seconds": 37,
        "attempts": 22,
        "campaign": "term-deposit",
        "responded": False,
    }


def test_who_subscribed_has_responded(bank: Bank) -> None:
    (call,) = bank("technician,mar,tue,37,1,nonexistent,yes").commands[TOUCHPOINTS]
    assert (call.fields["outcome"], call.fields["responded"]) == ("subscribed", True)


def test_calls_take_turns_over_the_months_such_weekdays(bank: Bank) -> None:
    mapped = bank(*["technician,mar,tue,37,1,nonexistent,no"] * 6)
    # March 2010 has five Tuesdays.
    assert [call.at.day for call in mapped.commands[TOUCHPOINTS]] == [9, 16, 23, 30, 2, 9]
    assert {call.at.strftime("%Y %b %a %H:%M") for call in mapped.commands[TOUCHPOINTS]} == {"2010 Mar Tue 12:00"}


def test_an_earlier_campaign_is_counted_and_not_sent(bank: Bank) -> None:
    mapped = bank("technician,mar,tue,37,1,success,no")
    assert len(mapped.commands[TOUCHPOINTS]) == mapped.decisions[Decision.EARLIER] == 1


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("technician,märz,tue,37,1,success,no", "month: is none of jan, feb, mar"),
        ("technician,mar,someday,37,1,success,no", "day_of_week: is none of mon"),
        ("technician,mar,tue,-1,1,success,no", "duration: is no whole number, zero or more"),
        ("technician,mar,tue,1,1,success,maybe", "y: is none of yes, no"),
    ],
)
def test_a_bad_row_is_reported_and_the_rest_goes_on(bank: Bank, bad: str, reason: str) -> None:
    mapped = bank(bad, "technician,mar,tue,37,1,nonexistent,no")
    (rejected,) = mapped.rejected
    assert rejected.reason.startswith(reason)
    assert [call.external_id for call in mapped.commands[TOUCHPOINTS]] == ["call-2"]
