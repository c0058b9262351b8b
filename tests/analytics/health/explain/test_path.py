"""A step is one that can be taken, and leads where it says: it is taken here, event by event, and scored anew."""

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from tests.analytics.health.histories import (
    DAYS,
    History,
    Past,
    base_of,
    random_history,
    random_model,
    score_of,
)
from tests.analytics.health_of_a_shop import SHOP

from analytics.health.engine.base import FAR, UNITS
from analytics.health.engine.facts import HealthFacts
from analytics.health.explain.acts import Act, RepeatedAct
from analytics.health.explain.contributions import Explanation, explain
from analytics.health.explain.path import Path, Step, Way, path, paths
from analytics.health.model.definition import BANDS, DAY, Band, HealthModel, Measure
from analytics.health.model.inputs import CASES, INPUTS, input_of
from kith.ids import new_id

READS: dict[Act, set[str]] = {
    Act.PURCHASE: {"purchase_recency", "orders", "revenue", "revenue_trend"},
    Act.EXCHANGE: {"engagement", "engagement_recency", "breadth"},
    Act.NEW_CONTACT: {"engagement", "engagement_recency", "breadth"},
    Act.CASE_OPENED: {"open_cases", "support", "complaints"},
    Act.CASE_RESOLVED: set(),
    Act.JUDGEMENT: {"pulse"},
    Act.READING: {"signal"},
}
"""Which inputs read the event that each act is."""


def done(model: HealthModel, history: History, scored: Explanation, step: Step, doing: RepeatedAct, at: int) -> History:
    """The history if it had been done a microsecond before."""
    aimed = next(each for each in scored.contributions if each.measure.id == step.measure.id)
    closed = {id.bytes for id in aimed.events[: doing.times]} if doing.act is Act.CASE_RESOLVED else set()
    found = []
    for measure, past in zip(model.measures, history, strict=True):
        kept = [each._replace(end=at - 1) if each.event in closed else each for each in past]
        if measure.input in READS[doing.act]:
            kept += [
                each for number in range(doing.times) if (each := _new(measure, past, doing, number, at)) is not None
            ]
        found.append(kept)
    return found


def _new(measure: Measure, past: list[Past], doing: RepeatedAct, number: int, at: int) -> Past | None:
    value = UNITS if doing.value is None or input_of(measure).reads is None else round(doing.value * UNITS)
    if measure.input == "breadth":
        window = round((measure.window_days or 90) * DAY)
        active = [each.value for each in past if at - window <= each.time < at]
        if doing.act is Act.EXCHANGE and not active:
            return None  # it names nobody
        value = active[0] if doing.act is Act.EXCHANGE else 10**9 + number
    return Past(at - 1, int(FAR), value, new_id().bytes)


def leads(scored: Explanation, way: Way, score: float) -> bool:
    """Over the border."""
    assert scored.band is not None
    return score >= way.border if BANDS.index(way.band) > BANDS.index(scored.band) else score < way.border


def gain(scored: Explanation, way: Way, score: float) -> float:
    assert scored.score is not None
    return (score - scored.score) * direction(scored, way)


def direction(scored: Explanation, way: Way) -> int:
    assert scored.band is not None
    return 1 if BANDS.index(way.band) > BANDS.index(scored.band) else -1


@settings(max_examples=150, deadline=None)
@given(some.integers(0, 2**32), some.floats(1, DAYS + 40))
def test_a_step_that_is_taken_leads_where_it_says(seed: int, day: float) -> None:
    dice = random.Random(seed)
    model = random_model(dice)
    history, at = random_history(dice, model), round(day * DAY)
    (scored,) = explain(model, base_of(model, [history]), at)
    found = path(scored)
    for way in (found.up, found.down):
        for step in way.steps if way else ():
            assert way is not None
            if step.doing is None:
                assert (step.to, step.score, step.crosses) == (None, None, False)
                continue
            taken = done(model, history, scored, step, step.doing, at)
            score = score_of(model, taken, at)
            assert score == pytest.approx(step.score, abs=1e-9)
            assert step.crosses == leads(scored, way, step.score or 0.0)
            (then,) = explain(model, base_of(model, [taken]), at)
            if abs((step.score or 0.0) - way.border) > 1e-6:
                assert then.band == step.band
            assert gain(scored, way, step.score or 0.0) > 0


@settings(max_examples=60, deadline=None)
@given(some.integers(0, 2**32), some.floats(1, DAYS + 40))
def test_no_smaller_step_crosses_the_border_and_where_none_does_none_leads_farther(seed: int, day: float) -> None:
    dice = random.Random(seed)
    model = random_model(dice)
    history, at = random_history(dice, model), round(day * DAY)
    (scored,) = explain(model, base_of(model, [history]), at)
    found = path(scored)
    for way in (found.up, found.down):
        for step in way.steps if way else ():
            assert way is not None
            others = possible(scored, step)
            scores = [
                (each, score_of(model, done(model, history, scored, step, each, at), at) or 0.0) for each in others
            ]
            for doing, score in scores:
                assert step.crosses or not leads(scored, way, score - direction(scored, way) * 1e-9)
                if not step.crosses:
                    assert (
                        gain(scored, way, score)
                        <= gain(scored, way, step.score if step.score is not None else scored.score or 0) + 1e-6
                    )
                elif step.doing is not None and doing.act is step.doing.act and doing.times < step.doing.times:
                    assert not leads(scored, way, score)


def possible(scored: Explanation, step: Step) -> list[RepeatedAct]:  # noqa: PLR0911 - a case per input
    """What else might be done about the measure."""
    measure = step.measure
    aimed = next(each for each in scored.contributions if each.measure.id == measure.id)
    match measure.input:
        case "purchase_recency" | "orders":
            amounts = [each for each in scored.contributions if each.measure.input in ("revenue", "revenue_trend")]
            amount = (
                next((each.last_value for each in amounts if each.last_value is not None), 0.0) if amounts else None
            )
            return [RepeatedAct.on(measure, Act.PURCHASE, times, amount) for times in range(1, 45)]
        case "revenue" | "revenue_trend":
            return [RepeatedAct.on(measure, Act.PURCHASE, value=each / 2) for each in range(1, 120)]
        case "engagement":
            return [RepeatedAct.on(measure, Act.EXCHANGE, times) for times in range(1, 45)]
        case "breadth":
            return [RepeatedAct.on(measure, Act.NEW_CONTACT, times) for times in range(1, 45)]
        case "open_cases":
            opened = [RepeatedAct.on(measure, Act.CASE_OPENED, times) for times in range(1, 45)]
            return opened + [RepeatedAct.on(measure, Act.CASE_RESOLVED, n) for n in range(1, len(aimed.events) + 1)]
        case "pulse":
            return [RepeatedAct.on(measure, Act.JUDGEMENT, value=float(each)) for each in range(101)]
        case "signal":
            return [RepeatedAct.on(measure, Act.READING, value=each / 2) for each in range(-90, 90)]
    return []


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
    assert found.explanation.band is Band.STEADY
    assert found.up is not None
    assert found.down is not None
    assert (found.up.band, found.up.border, found.down.band, found.down.border) == (Band.HEALTHY, 72, Band.AT_RISK, 38)
    assert found.up.points == pytest.approx(72 - (found.explanation.score or 0))
    assert found.down.points < 0


def test_a_purchase_makes_its_recency_0_and_is_an_order_more() -> None:
    """After 100 days with three orders: 0.45 * 100 and 0.35 * 75 of 0.8, as of a fourth order just now."""
    found = silent_buyer(100)
    assert found.explanation.score == pytest.approx((0.45 * (50 - 40 * 10 / 90) + 0.35 * (40 + 35 * 2 / 3)) / 0.8)
    for id, to in (("recency", 0.0), ("frequency", 4.0)):
        step = steps(found.up)[id]
        assert step.doing is not None
        assert (step.doing.act, step.doing.times, step.to) == (Act.PURCHASE, 1, to)
        assert step.score == pytest.approx((0.45 * 100 + 0.35 * 75) / 0.8)
        assert (step.crosses, step.band) == (True, Band.HEALTHY)


LATE_AND_AGAIN = [
    {"id": "late", "input": "sla_breaches", "weight": 1, "curve": [[0, 100], [50, 0]]},
    {"id": "again", "input": "reopened_cases", "weight": 1, "curve": [[0, 100], [50, 0]]},
]


def customer_with_cases(open_ones: int, resolved: int) -> dict[str, Step]:
    """The steps down of a customer, one of whose cases was once resolved too late, and reopened."""
    model = HealthModel.from_document("m", 1, {"measures": LATE_AND_AGAIN, "bands": {"steady": 30, "healthy": 60}})
    ids = [new_id().bytes for _ in range(2 * resolved)]
    past = [Past(0, int(FAR), UNITS, new_id().bytes) for _ in range(open_ones)]
    past += [Past(0, DAY, UNITS, id) for id in ids[:resolved]] + [Past(DAY, int(FAR), 0, id) for id in ids[resolved:]]
    once = [Past(DAY, int(FAR), UNITS, new_id().bytes)]
    (cases,) = base_of(HealthModel("cases", 1, (CASES,)), [[past]]).series
    base = replace(base_of(model, [[once, once]]), cases=cases)
    return steps(path(explain(model, base, 2 * DAY)[0]).down)


@pytest.mark.parametrize(("open_ones", "resolved"), [(1, 0), (0, 2), (2, 3), (0, 30)])
def test_only_as_many_cases_are_resolved_as_stand_open_and_reopened_as_are_resolved(
    open_ones: int, resolved: int
) -> None:
    found = customer_with_cases(open_ones, resolved)
    doings = [found[id].doing for id in ("late", "again")]
    assert [each.times if each else 0 for each in doings] == [open_ones, resolved]


def test_where_no_step_is_enough_the_best_one_says_how_far_it_gets() -> None:
    orders = {"id": "orders", "input": "orders", "weight": 1, "curve": [[0, 0], [2, 50]]}
    pulse = {"id": "pulse", "input": "pulse", "weight": 1, "curve": [[0, 0], [100, 60]], "absence": "zero"}
    model = HealthModel.from_document("m", 1, {"measures": [orders, pulse], "bands": {"steady": 60, "healthy": 80}})
    base = base_of(model, [[[Past(0, int(FAR), UNITS, new_id().bytes)], []]])
    up = path(explain(model, base, DAY)[0]).up
    assert up is not None
    assert not any(each.crosses for each in up.steps)
    assert up.best is not None
    assert (up.best.measure.id, up.best.score, up.best.band) == ("pulse", 12.5 + 30, Band.AT_RISK)
    assert steps(up)["orders"].score == 25


def test_counts_go_by_whole_numbers_and_cases_are_closed_one_by_one() -> None:
    up = steps(silent_buyer(100, cases=2).up)
    assert up["open_cases"].doing is not None
    assert (up["open_cases"].doing.act, up["open_cases"].doing.times, up["open_cases"].to) == (Act.CASE_RESOLVED, 2, 0)
    down = steps(silent_buyer(10, cases=0).down)
    assert down["open_cases"].now is None, "a customer who never had a case may have one"
    assert down["open_cases"].to is not None
    assert down["open_cases"].to == int(down["open_cases"].to)
    assert down["recency"].doing is None, "nothing that happens makes a purchase longer ago"


def test_what_silence_does_is_shown_by_its_instant() -> None:
    """Below 38 * 0.8 = 0.45 * s + 0.35 * (40 + 70 / 3) falls recency at 15.7 points, on the 167th day."""
    orders = [Past(day * DAY, int(FAR), UNITS, new_id().bytes) for day in range(3)]
    base = base_of(SHOP, [[orders, orders, []]])
    at = (2 + 100) * DAY
    (found,) = paths(HealthFacts.by(SHOP, base), at, HealthFacts.by(SHOP, base).everybody())
    assert found.down is not None
    assert found.up is not None
    assert (found.up.silent_at, found.down.band) == (None, Band.AT_RISK)
    points = (38 * 0.8 - 0.35 * (40 + 70 / 3)) / 0.45
    days = 90 + 90 * (50 - points) / 40
    assert found.down.silent_at is not None
    assert (found.down.silent_at - 2 * DAY) / DAY == pytest.approx(days, abs=1e-6)
    assert explain(SHOP, base, found.down.silent_at)[0].band is Band.AT_RISK
    assert explain(SHOP, base, found.down.silent_at - 1)[0].band is Band.STEADY


def test_at_the_top_there_is_no_way_up_and_where_nothing_is_known_no_way_at_all() -> None:
    best = silent_buyer(1)
    assert best.explanation.band is Band.HEALTHY
    assert best.up is None
    assert best.down is not None
    nobody = path(explain(SHOP, base_of(SHOP, [[[], [], []]]), DAY)[0])
    assert (nobody.up, nobody.down) == (None, None)


def test_what_no_service_tells_of_is_no_way() -> None:
    measures: list[dict[str, Any]] = [
        {"id": "tenure", "input": "tenure", "weight": 1, "curve": [[0, 50], [9, 50]]},
        {"id": "nps", "input": "nps", "weight": 9, "curve": [[0, 0], [9, 100]]},
    ]
    model = HealthModel.from_document("m", 1, {"measures": measures})
    base = base_of(model, [[[Past(0, int(FAR), UNITS, new_id().bytes)], []]])
    assert not INPUTS["nps"].published
    found = steps(path(explain(model, base, DAY)[0]).up)
    assert {id: (step.doing, step.to) for id, step in found.items()} == {"tenure": (None, None), "nps": (None, None)}


def test_a_tier_is_one_that_there_is() -> None:
    values = {"bronze": 1, "silver": 2, "gold": 3}
    measure = {"id": "t", "input": "loyalty_tier", "weight": 1, "curve": [[1, 20], [3, 90]], "values": values}
    model = HealthModel.from_document("m", 1, {"measures": [measure]})
    base = base_of(model, [[[Past(0, int(FAR), UNITS, new_id().bytes)]]])
    found = path(explain(model, base, DAY)[0])
    assert found.explanation.band is Band.AT_RISK
    step = steps(found.up)["t"]
    assert step.doing is not None
    assert (step.doing.act, step.doing.word, step.to) == (Act.TIER, "silver", 2)
    same = path(found.explanation, same=lambda tier: tier != "silver")
    assert steps(same.up)["t"].to == 3, "by another model it would be another"
