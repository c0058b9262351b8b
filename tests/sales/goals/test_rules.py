from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kith.errors import Invalid, NothingAmended
from kith.ids import new_id
from sales.goals.rules import Goal, GoalClosed, GoalState, GoalStillOpen
from sales.goals.values import MOST_RESULTS, Link, LinkKind

DAY = datetime(2026, 3, 1, tzinfo=UTC)
STUDY = Link(kind=LinkKind.CASE_STUDY, url="https://example.org/study", title="Half the time")


def agreed(**fields: Any) -> Goal:
    it, _ = Goal.create(id=new_id(), at=DAY, **{"title": "Answer sooner", **fields})
    it.updated_at = DAY
    return it


def test_links_are_replaced_as_a_whole() -> None:
    it = agreed(links=[STUDY])
    it.amend(at=DAY, links=[])
    assert it.links == []
    with pytest.raises(NothingAmended):
        it.amend(at=DAY, links=[])


def test_one_that_is_closed_is_open_again_only_by_reopening_it() -> None:
    it = agreed()
    with pytest.raises(GoalStillOpen):
        it.reopen(at=DAY)
    assert it.drop(at=DAY, reason="other_plans").reason == "other_plans"
    for close in (lambda: it.achieve(at=DAY), lambda: it.drop(at=DAY, reason=None)):
        with pytest.raises(GoalClosed):
            close()
    it.reopen(at=DAY)
    assert (it.state, it.reason, it.closed_at) == (GoalState.OPEN, None, None)
    it.achieve(at=DAY)
    assert (it.state, it.closed_at) == (GoalState.ACHIEVED, DAY)


def test_results_are_shared_one_by_one_also_of_a_goal_that_was_achieved() -> None:
    it = agreed()
    it.share_result(at=DAY, result="A third of the time", url=None)
    it.achieve(at=DAY)
    it.share_result(at=DAY + timedelta(days=1), result="Half of it", url="https://example.org/half")
    assert [(each.result, each.shared_at) for each in it.results] == [
        ("A third of the time", DAY),
        ("Half of it", DAY + timedelta(days=1)),
    ]
    it.results = it.results[:1] * MOST_RESULTS
    with pytest.raises(Invalid):
        it.share_result(at=DAY, result="Once more", url=None)


def test_nothing_happens_to_it_before_its_last_change() -> None:
    with pytest.raises(Invalid):
        agreed().achieve(at=DAY - timedelta(seconds=1))
