"""The line is the score: at every instant between its points, whatever happened."""

import random
from bisect import bisect_right
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from tests.analytics.health.histories import DAYS, Past, base_of, random_history, random_model
from tests.analytics.health_of_a_shop import SHOP

from analytics.health.engine.base import FAR, UNITS, CustomerBase
from analytics.health.engine.facts import HealthFacts
from analytics.health.explain import history as drawn
from analytics.health.explain.contributions import explain
from analytics.health.explain.history import History, Point, TooManyPoints, TooManyTogether, histories, history
from analytics.health.model.definition import DAY, HealthModel
from kith.ids import new_id


def on_the_line(points: tuple[Point, ...], at: int) -> float | None:
    index = bisect_right(points, at, key=lambda each: each.at) - 1
    before = points[index]
    if before.at == at:
        return before.score
    after = points[index + 1]
    if before.score is None or after.score is None:
        assert before.score is after.score, "whether anything is known does not change between two points"
        return None
    return before.score + (after.score - before.score) * (at - before.at) / (after.at - before.at)


def score(model: HealthModel, base: CustomerBase, at: int) -> float | None:
    return explain(model, base, at)[0].score


@settings(max_examples=25, deadline=None)
@given(some.integers(0, 2**32))
def test_between_two_points_the_score_lies_on_the_line(seed: int) -> None:
    dice = random.Random(seed)
    model = random_model(dice)
    base = base_of(model, [random_history(dice, model)])
    first, last = dice.randint(0, 20 * DAY), dice.randint(21 * DAY, (DAYS + 60) * DAY)
    found = history(model, base, 0, first, last)
    assert (found.points[0].at, found.points[-1].at) == (first, last)
    assert all(a.at < b.at for a, b in pairwise(found.points))
    fades = any(each.half_life_days for each in model.measures)
    instants = [point.at for point in found.points] if fades else [dice.randint(first, last) for _ in range(12)]
    for at in instants[:20]:
        expected = score(model, base, at)
        line = on_the_line(found.points, at)
        assert line == (pytest.approx(expected, abs=1e-5) if expected is not None else None)
    held_to_bands(model, base, found, [*(dice.randint(first, last) for _ in range(6)), last])


def held_to_bands(model: HealthModel, base: CustomerBase, found: History, instants: list[int]) -> None:
    """The band at an instant is the one that the last change before it led to."""
    for at in instants:
        before = [each.band for each in found.changes if each.at <= at]
        assert explain(model, base, at)[0].band == (before[-1] if before else found.band)


def test_a_line_that_nobody_could_look_at_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawn, "MAX_POINTS", 10)
    orders = [Past(day * DAY, int(FAR), UNITS, new_id().bytes) for day in range(20)]
    base = base_of(SHOP, [[orders, orders, []]])
    assert len(history(SHOP, base, 0, 0, 3 * DAY).points) <= 10
    with pytest.raises(TooManyPoints):
        history(SHOP, base, 0, 0, DAYS * DAY)


def test_one_line_that_bends_too_often_does_not_keep_the_others_from_being_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    often = [Past(day * DAY, int(FAR), UNITS, new_id().bytes) for day in range(20)]
    facts = HealthFacts.by(SHOP, base_of(SHOP, [[often, often, []], [often[:1], often[:1], []]]))
    with monkeypatch.context() as patched:
        patched.setattr(drawn, "MAX_POINTS", 10)
        first, second = histories(facts, 0, DAYS * DAY, facts.everybody())
    assert isinstance(first, TooManyPoints)
    assert isinstance(second, History)
    assert second == histories(facts, 0, DAYS * DAY, facts.everybody())[1]
    monkeypatch.setattr(drawn, "MAX_TOGETHER", 20)
    with pytest.raises(TooManyTogether):
        histories(facts, 0, DAYS * DAY, facts.everybody())
