from datetime import UTC, datetime, timedelta

import pytest

from kith.errors import Invalid, NothingAmended
from kith.ids import new_id
from sales.lead_queues.rules import LeadQueue

DAY = datetime(2026, 3, 1, tzinfo=UTC)
EVE, JOE = new_id(), new_id()


def created() -> LeadQueue:
    it, _ = LeadQueue.create(id=new_id(), at=DAY, code="vienna", members=[EVE])
    it.updated_at = DAY
    return it


def test_its_members_are_sent_whole() -> None:
    it = created()
    event = it.amend(at=DAY, members=[EVE, JOE])
    assert (event.changed, event.members, it.members) == (["members"], [EVE, JOE], [EVE, JOE])


def test_an_amendment_changes_something_and_is_not_before_the_last_change() -> None:
    with pytest.raises(NothingAmended):
        created().amend(at=DAY, members=[EVE])
    with pytest.raises(Invalid):
        created().amend(at=DAY - timedelta(seconds=1), code="graz")
