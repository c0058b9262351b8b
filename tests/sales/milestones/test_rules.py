"""What becomes of a milestone: met by its date, or missed, and then met all the same or agreed for another date."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kith.errors import Invalid
from kith.events.goals import MilestoneMet
from kith.ids import new_id
from sales.goals.values import MOST_LINKS, Link, LinkKind
from sales.milestones.rules import Milestone, MilestoneClosed, MilestoneNotDue, MilestoneState

DAY = datetime(2026, 3, 1, tzinfo=UTC)
DUE = DAY + timedelta(days=30)
LATER = DUE + timedelta(days=5)


def agreed(**fields: Any) -> Milestone:
    it, _ = Milestone.create(id=new_id(), at=DAY, **{"title": "First team works with it", "due_at": DUE, **fields})
    it.updated_at = DAY
    return it


def missed() -> Milestone:
    it = agreed()
    it.miss(at=DUE)
    return it


def test_it_is_met_by_its_date_with_what_shows_it() -> None:
    it = agreed()
    event = it.meet(at=DUE, evidence="https://example.org/report")
    assert isinstance(event, MilestoneMet)
    assert (event.state, event.kept) == ("met", 1)
    assert (it.met_at, it.next_miss) == (DUE, None)
    assert it.links == [Link(kind=LinkKind.EVIDENCE, url="https://example.org/report")]


def test_it_is_missed_at_its_date_and_not_before() -> None:
    it = agreed()
    assert it.next_miss == DUE
    with pytest.raises(MilestoneNotDue):
        it.miss(at=DUE - timedelta(microseconds=1))
    assert it.miss(at=LATER).kept == 0
    assert (it.state.value, it.missed_at) == ("missed", DUE)
    assert it.next_miss is None, "once"
    with pytest.raises(MilestoneClosed):
        it.miss(at=LATER)


def test_that_a_date_was_not_kept_counts_once() -> None:
    met = missed().meet(at=LATER, evidence=None)
    assert isinstance(met, MilestoneMet)
    assert met.kept is None, "it counted when it was missed"
    both = agreed().meet(at=LATER, evidence=None)
    assert isinstance(both, tuple)
    before, met = both
    assert (before.kept, met.kept) == (0, None), "nobody has missed it before"


@pytest.mark.parametrize(
    ("command", "given", "state"),
    [("move", {"due_at": LATER + timedelta(days=1)}, "open"), ("drop", {"reason": None}, "dropped")],
)
def test_who_is_quicker_than_the_timer_has_missed_it_all_the_same(
    command: str, given: dict[str, Any], state: str
) -> None:
    it = agreed()
    missed, then = getattr(it, command)(at=LATER, **given)
    assert (missed.kept, missed.state, then.state) == (0, "missed", state)
    assert it.missed_at == DUE
    assert not isinstance(getattr(agreed(), command)(at=DUE, **given), tuple), "its date is not over"


def test_for_another_date_it_is_open_again() -> None:
    it = missed()
    with pytest.raises(Invalid) as refused:
        it.move(at=LATER, due_at=LATER)
    assert refused.value.field == "due_at"
    it.move(at=LATER, due_at=LATER + timedelta(days=1))
    assert it.next_miss == LATER + timedelta(days=1)
    met = it.meet(at=LATER, evidence=None)
    assert isinstance(met, MilestoneMet)
    assert met.kept == 1
    for again in (lambda: it.move(at=LATER, due_at=LATER + timedelta(days=9)), lambda: it.drop(at=LATER, reason=None)):
        with pytest.raises(MilestoneClosed):
            again()


def test_one_that_is_dropped_is_not_missed_and_may_be_agreed_again() -> None:
    it = agreed()
    it.drop(at=DAY, reason="other_plans")
    assert it.reason == "other_plans"
    assert it.next_miss is None
    with pytest.raises(MilestoneClosed):
        it.meet(at=DAY, evidence=None)
    it.move(at=DAY, due_at=DUE)
    assert it.state is MilestoneState.OPEN
    assert it.reason is None


def test_a_case_study_is_linked_to_one_that_was_met() -> None:
    it = agreed()
    it.meet(at=DAY, evidence=None)
    study = Link(kind=LinkKind.CASE_STUDY, url="https://example.org/study")
    it.amend(at=LATER, links=[study])
    assert (it.links, it.state.value) == ([study], "met")


def test_it_has_no_more_links_than_a_request_may_send() -> None:
    it = agreed(links=[Link(kind=LinkKind.DOCUMENT, url="https://example.org/")] * MOST_LINKS)
    with pytest.raises(Invalid) as refused:
        it.meet(at=DAY, evidence="https://example.org/report")
    assert (refused.value.field, it.state) == ("evidence", MilestoneState.OPEN)
