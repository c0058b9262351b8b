"""What would help does help, a bit less does not, and what cannot help is not promised."""

import math
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from tests.analytics.domain.health.histories import DAYS, Past, base_of, random_history, random_model
from tests.analytics.health_of_a_shop import SHOP

from analytics.domain.health.base import FAR, UNITS
from analytics.domain.health.difference import counts
from analytics.domain.health.explain import Explanation, explain
from analytics.domain.health.inputs import INPUTS, Kind, input_of
from analytics.domain.health.model import BANDS, DAY, Band, HealthModel
from analytics.domain.health.path import Path, Step, Way, path, range_of
from kith.ids import new_id

BIT = 1e-9


def scored_with(told: Explanation, id: str, x: float) -> float:
    """The score if that measure alone read x, added up anew."""
    weighted = [
        (each.measure.weight, each.measure.curve.at(x) if each.measure.id == id else each.score)
        for each in told.contributions
        if each.measure.id == id or counts(each)
    ]
    return sum(weight * points for weight, points in weighted) / sum(weight for weight, _ in weighted)


def leads(told: Explanation, way: Way, score: float, *, by: float) -> bool:
    """Over the border, and so far beyond it: two ways of adding up may differ in the last bit."""
    assert told.band is not None
    return score >= way.border + by if BANDS.index(way.band) > BANDS.index(told.band) else score < way.border - by


@settings(max_examples=150, deadline=None)
@given(some.integers(0, 2**32), some.floats(0, DAYS + 40))
def test_a_step_crosses_the_border_and_a_bit_less_does_not(seed: int, day: float) -> None:
    dice = random.Random(seed)
    model = random_model(dice)
    (told,) = explain(model, base_of(model, [random_history(dice, model)]), round(day * DAY))
    found = path(told)
    for way in (found.up, found.down):
        for step in way.steps if way else ():
            hold_step(told, way, step)


def hold_step(told: Explanation, way: Way | None, step: Step) -> None:
    assert way is not None
    id, within = step.measure.id, range_of(step.measure)
    if input_of(step.measure).kind is Kind.STANDING and step.now is None:
        within = within._replace(low=1.0)  # one that is opened and closed helps nobody
    grid = [n / 4 for n in range(-10, 200)] if not within.whole else [float(n) for n in range(60)]
    possible = [
        x for x in grid if within.low <= x <= within.high and leads(told, way, scored_with(told, id, x), by=BIT)
    ]
    if step.to is None:
        ends = step.measure.curve.points[0][0], step.measure.curve.points[-1][0]
        could = [x for x in possible if step.now is not None or ends[0] <= x <= ends[1]]
        assert not could or not INPUTS[step.measure.input].published
        return
    assert within.low <= step.to <= within.high
    assert leads(told, way, scored_with(told, id, step.to), by=-BIT)
    assert step.score == pytest.approx(scored_with(told, id, step.to), abs=1e-9)
    if step.now is None:
        assert all(step.to <= x + 1e-6 for x in possible if x >= step.measure.curve.points[0][0])
        return
    bit = 1.0 if within.whole else 1e-6
    assert abs(step.to - step.now) > bit / 2
    less = step.to - math.copysign(bit, step.to - step.now)
    assert not leads(told, way, scored_with(told, id, less), by=BIT)
    assert all(abs(step.to - step.now) <= abs(x - step.now) + 1e-6 for x in possible)


def silent_buyer(days: float, *, cases: int = 0) -> Path:
    orders = [Past(day * DAY, int(FAR), UNITS, new_id().bytes) for day in range(3)]
    opened = [Past(2 * DAY, int(FAR), UNITS, new_id().bytes) for _ in range(cases)]
    base = base_of(SHOP, [[orders, orders, opened]])
    return path(explain(SHOP, base, round((2 + days) * DAY))[0])


def steps(way: Way | None) -> dict[str, Step]:
    assert way is not None
    return {each.measure.id: each for each in way.steps}


def test_the_way_up_and_the_way_down_lie_beyond_the_hysteresis() -> None:
    found = silent_buyer(100)
    assert found.told.band is Band.STEADY
    assert found.up is not None
    assert found.down is not None
    assert (found.up.band, found.up.border, found.down.band, found.down.border) == (Band.HEALTHY, 72, Band.AT_RISK, 38)
    assert found.up.points == pytest.approx(72 - (found.told.score or 0))
    assert found.down.points < 0


def test_the_curve_is_read_backwards() -> None:
    """0.45 * s + 0.35 * 66.67 must come to 38 * 0.8, so recency may fall to 15.7 points: 167 days by its curve."""
    recency = steps(silent_buyer(100).down)["recency"]
    frequency = 40 + 35 * 2 / 3
    points = (38 * 0.8 - 0.35 * frequency) / 0.45
    assert recency.to == pytest.approx(90 + 90 * (50 - points) / 40)
    assert recency.points_to == pytest.approx(points)


def test_counts_go_by_whole_numbers_and_what_cannot_do_it_says_so() -> None:
    up = steps(silent_buyer(100, cases=2).up)
    assert up["frequency"].to is None
    down = steps(silent_buyer(10, cases=0).down)
    assert down["open_cases"].now is None, "whoever never had a case may have one"
    assert down["open_cases"].to is not None
    assert down["open_cases"].to == int(down["open_cases"].to)


def test_at_the_top_there_is_no_way_up_and_where_nothing_is_known_no_way_at_all() -> None:
    best = silent_buyer(1)
    assert best.told.band is Band.HEALTHY
    assert best.up is None
    assert best.down is not None
    nobody = path(explain(SHOP, base_of(SHOP, [[[], [], []]]), DAY)[0])
    assert (nobody.up, nobody.down) == (None, None)


def test_what_no_service_tells_of_is_no_way() -> None:
    measures: list[dict[str, Any]] = [
        {"id": "tenure", "input": "tenure", "weight": 1, "curve": [[0, 50], [9, 50]]},
        {"id": "usage", "input": "usage", "weight": 9, "curve": [[0, 0], [9, 100]]},
    ]
    model = HealthModel.told("m", 1, {"measures": measures})
    base = base_of(model, [[[Past(0, int(FAR), UNITS, new_id().bytes)], []]])
    assert not INPUTS["usage"].published
    assert {id: step.to for id, step in steps(path(explain(model, base, DAY)[0]).up).items()} == {
        "tenure": None,
        "usage": None,
    }


def test_a_tier_is_one_of_those_there_are() -> None:
    values = {"bronze": 1, "silver": 2, "gold": 3}
    told = {"id": "t", "input": "loyalty_tier", "weight": 1, "curve": [[1, 20], [3, 90]], "values": values}
    model = HealthModel.told("m", 1, {"measures": [told]})
    base = base_of(model, [[[Past(0, int(FAR), UNITS, new_id().bytes)]]])
    found = path(explain(model, base, DAY)[0])
    assert found.told.band is Band.AT_RISK
    assert steps(found.up)["t"].to == 2
    assert replace(model.measures[0]).values == values
