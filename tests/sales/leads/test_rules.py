from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from kith.errors import Invalid
from kith.events.leads import LeadAmended
from kith.ids import new_id
from kith.nouns.aggregate import AlreadyErased
from sales.leads.rules import Lead, LeadMoveNotAllowed, LeadState

DAY = datetime(2026, 3, 1, tzinfo=UTC)
LATER = DAY + timedelta(days=90)
HUBER: dict[str, Any] = {
    "name": "Ida Huber",
    "email": "ida@huber.example",
    "phone": "+43 1 5125 0",
    "company": "Huber",
    "title": "Chef",
}


def captured(**fields: Any) -> Lead:
    lead, _ = Lead.capture(id=new_id(), at=DAY, **{**HUBER, **fields})
    lead.updated_at = DAY
    return lead


def test_it_goes_from_new_to_qualified() -> None:
    lead = captured()
    assert lead.work(at=DAY).from_state == "new"
    event = lead.qualify(at=DAY)
    assert (event.from_state, event.state, lead.state) == ("working", "qualified", LeadState.QUALIFIED)


def test_one_that_is_none_says_why_until_it_comes_back() -> None:
    lead = captured()
    lead.disqualify(at=DAY, reason="no_budget")
    assert (lead.state, lead.unqualified_reason) == (LeadState.UNQUALIFIED, "no_budget")
    lead.recycle(at=DAY)
    assert (lead.state, lead.unqualified_reason) == (LeadState.NEW, None)


def test_one_that_is_none_is_not_worked_on_nor_qualified() -> None:
    lead = captured()
    lead.disqualify(at=DAY, reason="no_budget")
    for step in (lambda: lead.work(at=DAY), lambda: lead.qualify(at=DAY)):
        with pytest.raises(LeadMoveNotAllowed) as refused:
            step()
        assert "from: new" in str(refused.value)


def test_one_that_is_open_is_not_recycled() -> None:
    with pytest.raises(LeadMoveNotAllowed):
        captured().recycle(at=DAY)


def test_one_that_is_nurtured_comes_back_at_its_time_unless_somebody_is_before_it() -> None:
    lead = captured()
    lead.nurture(at=DAY, until=LATER)
    assert lead.next_recycling == LATER
    lead.archive(at=DAY)
    assert lead.next_recycling is None
    lead.restore(at=DAY)
    assert lead.next_recycling == LATER
    lead.work(at=DAY)
    assert (lead.next_recycling, lead.nurture_until) == (None, None)


def test_it_is_nurtured_until_a_later_time() -> None:
    with pytest.raises(Invalid) as refused:
        captured().nurture(at=DAY, until=DAY)
    assert refused.value.field == "until"


def test_it_is_assigned_to_another() -> None:
    eve = new_id()
    lead = captured()
    assert lead.assign(at=DAY, owner_id=eve, queue_id=None).owner_id == eve
    assert lead.assign(at=DAY, owner_id=None, queue_id=None).owner_id is None


def test_what_says_who_it_is_goes_for_good_and_nothing_is_written_again() -> None:
    lead = captured(source="fair", custom_personal={"nickname": "Idi"})
    lead.erase(at=DAY)
    assert [getattr(lead, name) for name in HUBER] == [None] * len(HUBER)
    assert (lead.custom_personal, lead.source) == ({}, "fair")
    for step in (lambda: lead.amend(at=DAY, name="Ida"), lambda: lead.work(at=DAY), lambda: lead.erase(at=DAY)):
        with pytest.raises(AlreadyErased):
            step()


def test_its_history_is_published_in_order() -> None:
    with pytest.raises(Invalid) as refused:
        captured().work(at=DAY - timedelta(seconds=1))
    assert refused.value.field == "occurred_at"


def test_no_event_tells_who_it_is() -> None:
    lead, event = Lead.capture(id=new_id(), at=DAY, **HUBER)
    lead.updated_at = DAY
    amended = lead.amend(at=DAY, name="Ada Huber", email="ada@huber.example")
    assert isinstance(amended, LeadAmended)
    assert amended.changed == ["email", "name"]
    assert b"uber" not in msgspec.json.encode([event, amended])
