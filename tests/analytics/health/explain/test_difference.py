"""What changed adds up, whatever happened and whichever models there are."""

import random

from hypothesis import given, settings
from hypothesis import strategies as some
from tests.analytics.health.histories import DAYS, Past, base_of, random_history, random_model
from tests.analytics.health_of_a_shop import SHOP

from analytics.health.engine.base import FAR, UNITS, CustomerBase
from analytics.health.explain.contributions import Explanation, explain
from analytics.health.explain.difference import ChangeKind, Difference, difference
from analytics.health.model.definition import DAY, HealthModel
from kith.ids import new_id

TINY = 1e-9


def order(day: float) -> Past:
    return Past(round(day * DAY), int(FAR), UNITS, new_id().bytes)


def buyer(*days: float, case: tuple[float, float] | None = None) -> CustomerBase:
    orders = [order(day) for day in days]
    cases = [Past(round(case[0] * DAY), round(case[1] * DAY), UNITS, new_id().bytes)] if case else []
    return base_of(SHOP, [[orders, orders, cases]])


def explained(base: CustomerBase, day: float, model: HealthModel = SHOP) -> Explanation:
    return explain(model, base, round(day * DAY))[0]


def between(base: CustomerBase, first: float, second: float) -> Difference:
    return difference(explained(base, first), explained(base, second))


@settings(max_examples=100, deadline=None)
@given(some.integers(0, 2**32), some.integers(0, DAYS + 40), some.integers(0, DAYS + 40), some.booleans())
def test_parts_add_up_to_the_score_and_changes_to_its_change(
    seed: int, first: int, second: int, another_model: bool
) -> None:
    dice = random.Random(seed)
    model = random_model(dice)
    base = base_of(model, [random_history(dice, model)])
    later = random_model(dice) if another_model else model
    base_later = base_of(later, [random_history(dice, later)]) if another_model else base
    before, after = explained(base, first, model), explained(base_later, second, later)
    for each in (before, after):
        assert abs(sum(part.contribution for part in each.contributions) - (each.score or 0.0)) <= TINY
    found = difference(before, after)
    change = (after.score or 0.0) - (before.score or 0.0)
    assert abs(found.change - change) <= TINY
    assert abs(sum(each.change for each in found.changes) - change) <= TINY
    assert abs(sum(each.change for each in found.groups) - change) <= TINY
    assert {each.measure.id for each in found.changes} == {each.id for each in (*model.measures, *later.measures)}


def test_the_greatest_change_comes_first_with_the_events_behind_it() -> None:
    orders = buyer(0, 1, 10)
    found = between(orders, 11, 140)
    recency, frequency, cases = found.changes
    assert [each.measure.id for each in found.changes] == ["recency", "frequency", "open_cases"]
    assert recency.change < -30
    assert (recency.course, frequency.course, cases.course) == (ChangeKind.CHANGED, ChangeKind.SAME, ChangeKind.SAME)
    assert recency.came_in == recency.fell_out == ()
    a_year_on = between(orders, 11, 370)
    fallen = next(each for each in a_year_on.changes if each.measure.id == "frequency")
    assert fallen.before is not None
    assert fallen.fell_out == fallen.before.events[:2]


def test_an_event_that_came_in_is_named() -> None:
    found = between(buyer(0, 100), 99, 101)
    recency = next(each for each in found.changes if each.measure.id == "recency")
    assert recency.before is not None
    assert recency.after is not None
    assert (recency.came_in, recency.fell_out) == (recency.after.events, recency.before.events)


def test_a_measure_that_came_takes_from_the_share_of_the_others() -> None:
    found = {each.measure.id: each for each in between(buyer(0, case=(50, 60)), 50, 50.0001).changes}
    assert found["open_cases"].course is ChangeKind.CAME
    assert found["open_cases"].by_input > 10
    for other in ("recency", "frequency"):
        assert found[other].by_share < -3
        assert abs(found[other].by_input) < 0.01


def test_before_anything_is_known_the_whole_score_is_the_change() -> None:
    found = between(buyer(10), 5, 11)
    assert (found.before.score, found.change) == (None, found.after.score)
    assert {each.course for each in found.changes} == {ChangeKind.CAME, ChangeKind.SAME}
