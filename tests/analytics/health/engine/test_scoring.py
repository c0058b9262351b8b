import random
from itertools import pairwise

import numpy as np
import pytest
from tests.analytics.health.histories import (
    DAYS,
    History,
    Past,
    base_of,
    random_history,
    random_model,
    score_of,
)

from analytics.health.engine.base import FAR, UNITS, CustomerBase
from analytics.health.engine.scoring import AHEAD, Scorer
from analytics.health.explain.contributions import explain
from analytics.health.model.definition import BANDS, DAY, DEFAULT, Band, Curve, HealthModel, band_of
from analytics.health.model.inputs import Kind, input_of
from kith.ids import new_id

HOUR = DAY // 24


def order(day: float) -> Past:
    return Past(round(day * DAY), int(FAR), UNITS, new_id().bytes)


def open_case(day: float, until: float | None = None) -> Past:
    return Past(round(day * DAY), int(FAR) if until is None else round(until * DAY), UNITS, new_id().bytes)


def buyer(*days: float, cases: tuple[Past, ...] = ()) -> History:
    orders = [order(day) for day in days]
    return [orders, orders, list(cases)]


def scorer(*histories: History, model: HealthModel = DEFAULT) -> Scorer:
    return Scorer(model, base_of(model, list(histories)))


def scores(history: History, *days: float) -> list[float]:
    instants = np.array([round(day * DAY) for day in days])
    found: list[float] = scorer(history).score(instants, np.zeros(len(days), np.int64)).score.tolist()
    return found


def bands(one: Scorer, *days: float) -> list[Band | None]:
    instants = np.array([round(day * DAY) for day in days])
    return [band_of(int(each)) for each in one.bands(instants, np.zeros(len(days), np.int64))]


def test_a_curve_is_straight_between_its_points_and_flat_beyond() -> None:
    curve = Curve(((0, 100), (10, 50), (20, 0)))
    assert [curve.at(x) for x in (-5, 0, 5, 10, 15, 20, 99)] == [100, 100, 75, 50, 25, 0, 0]


def test_of_a_customer_nothing_is_known_there_is_no_score() -> None:
    scored, nothing = scorer(buyer()).score(DAY), scorer(buyer()).bands(DAY)
    assert np.isnan(scored.score[0])
    assert (scored.coverage[0], band_of(int(nothing[0]))) == (0, None)


def test_what_is_absent_leaves_its_weight_to_the_rest() -> None:
    scored = scorer(buyer(10)).score(round(10.5 * DAY))
    assert scored.present[:, 0].tolist() == [True, True, False]
    assert scored.coverage[0] == pytest.approx(0.8)
    assert scored.score[0] == pytest.approx((0.45 * (100 - 0.5 * 25 / 30) + 0.35 * 40) / 0.8)


@pytest.mark.parametrize(("absence", "points"), [("left_out", None), ("neutral", 50), ("zero", 0)])
def test_absence_counts_for_what_the_model_says(absence: str, points: float | None) -> None:
    fields = {"weight": 1, "curve": [[0, 80], [1000, 80]]}
    model = HealthModel.from_document(
        "m",
        1,
        {
            "measures": [
                {"id": "there", "input": "tenure", **fields},
                {"id": "absent", "input": "pulse", "absence": absence, **fields},
            ]
        },
    )
    scored = scorer([[order(1)], []], model=model).score(2 * DAY)
    assert scored.score[0] == (80 if points is None else (80 + points) / 2)
    assert scored.coverage[0] == 0.5


def test_an_event_at_an_instant_is_not_before_it_and_one_leaves_its_window_after_its_last_day() -> None:
    model = HealthModel.from_document(
        "m",
        1,
        {"measures": [{"id": "o", "input": "orders", "weight": 1, "window_days": 5, "curve": [[0, 0], [2, 100]]}]},
    )
    one = scorer([[order(10)]], model=model)
    at = np.array([10 * DAY, 10 * DAY + 1, 15 * DAY, 15 * DAY + 1])
    assert np.nan_to_num(one.score(at, np.zeros(4, np.int64)).score, nan=-1).tolist() == [-1, 50, 50, 0]


def test_silence_lowers_the_score() -> None:
    fallen = scores(buyer(10, 49), 50, 80, 140, 250)
    assert fallen == sorted(fallen, reverse=True)
    assert bands(scorer(buyer(10, 49)), 250) == [Band.AT_RISK]


def test_an_open_case_lowers_the_score_until_it_is_resolved() -> None:
    opened = open_case(60)
    resolved = [open_case(60, 62), Past(62 * DAY, int(FAR), 0, new_id().bytes)]
    with_open, with_resolved = (scorer(buyer(50, cases=tuple(each))).score(65 * DAY) for each in ([opened], resolved))
    assert (with_open.points[2, 0], with_resolved.points[2, 0]) == (20, 100)


def test_the_instant_at_which_silence_changes_the_band_is_known_beforehand() -> None:
    one = scorer(buyer(0))
    now = one.bands(DAY)
    (change,) = one.next_change(DAY, now, DAY + AHEAD)
    assert [one.score(instant).score[0] < 68 for instant in (int(change) - 1, int(change))] == [False, True]
    assert bands(one, 1) == [Band.STEADY if one.score(DAY).score[0] < 70 else Band.HEALTHY]
    assert scores(buyer(0), change / DAY)[0] == pytest.approx(68, abs=1e-6)


def test_a_score_on_the_border_does_not_flap() -> None:
    """Two points of hysteresis: at 39 who came from above is steady still, and who came from below is not yet."""
    model = HealthModel.from_document(
        "m",
        1,
        {
            "measures": [
                {"id": "c", "input": "signal", "aggregate": "latest", "weight": 1, "curve": [[0, 0], [100, 100]]}
            ],
            "hysteresis": 2,
        },
    )

    def values(*amounts: float) -> History:
        days = enumerate(amounts, 1)
        return [[Past(day * DAY, int(FAR), round(value * UNITS), new_id().bytes) for day, value in days]]

    from_above, from_below = (
        scorer(values(60, 39, 37.9, 41.9, 42), model=model),
        scorer(values(20, 39, 42), model=model),
    )
    steady, at_risk = Band.STEADY, Band.AT_RISK
    assert bands(from_above, 1.5, 2.5, 3.5, 4.5, 5.5) == [steady, steady, at_risk, at_risk, steady]
    assert bands(from_below, 1.5, 2.5, 3.5) == [at_risk, at_risk, steady]
    # From healthy at once to 39: past the border above, and within the strip of the one below, so steady.
    assert bands(scorer(values(90, 39), model=model), 1.5, 2.5) == [Band.HEALTHY, steady]
    # Who begins within the strip is on its own side of the border.
    assert bands(scorer(values(39), model=model), 1.5) == [at_risk]
    assert bands(scorer(values(41), model=model), 1.5) == [steady]


def test_contributions_name_their_events_and_add_up() -> None:
    history = buyer(0, 10, 20, cases=(open_case(15),))
    base = base_of(DEFAULT, [history])
    (why,) = explain(DEFAULT, base, 21 * DAY)
    assert why.score is not None
    assert sum(each.contribution for each in why.contributions) == pytest.approx(why.score, abs=1e-9)
    orders, cases = [each.event for each in history[0]], [each.event for each in history[2]]
    assert [[id.bytes for id in each.events] for each in why.contributions] == [orders[-1:], orders, cases]


@pytest.mark.parametrize("seed", range(25))
def test_scores_are_the_same_as_by_reading_one_event_after_the_other(seed: int) -> None:
    dice = random.Random(seed)
    model = random_model(dice)
    histories = [random_history(dice, model) for _ in range(dice.choice([1, 3, 20]))]
    one = scorer(*histories, model=model)
    for _ in range(5):
        instants = [dice.randint(0, (DAYS + 40) * DAY) for _ in histories]
        scored = one.score(np.array(instants))
        expected = [score_of(model, history, at) for history, at in zip(histories, instants, strict=True)]
        assert [None if np.isnan(each) else each for each in scored.score] == pytest.approx(expected, abs=1e-6)
        known = ~np.isnan(scored.score)
        assert scored.contribution.sum(axis=0)[known] == pytest.approx(scored.score[known], abs=1e-9)


@pytest.mark.parametrize("seed", range(25))
def test_bands_change_when_they_are_said_to_and_at_no_other_time(seed: int) -> None:
    """Which bands there are at an instant follows from that instant alone; when they change, from going from one change
    to the next. Both must agree, and the changes be the ones of a score walked through hour by hour."""
    dice = random.Random(1000 + seed)
    model = random_model(dice)
    histories = [random_history(dice, model) for _ in range(3)]
    one, end = scorer(*histories, model=model), (DAYS + 40) * DAY
    changes = one.changes(-1, end)
    for index, history in enumerate(histories):
        mine = np.flatnonzero(changes.customer == index)
        events = {each.time + 1 for of_measure in history for each in of_measure}
        events |= {
            each.end + 1
            for measure, of_measure in zip(model.measures, history, strict=True)
            for each in of_measure
            if input_of(measure).kind is Kind.STANDING and each.end < FAR
        }
        walk = np.array(sorted({*range(0, end, 3 * HOUR), *events}))
        bands = one.bands(walk, np.full(len(walk), index))
        story = np.concatenate(([-1], changes.band[mine]))[np.searchsorted(changes.at[mine], walk, side="right")]
        assert bands.tolist() == story.tolist()
        assert _walked(model, one.score(walk, np.full(len(walk), index)).score.tolist(), bands.tolist())
        ends = np.append(changes.at[mine][1:] - 1, end)[: len(mine)]
        here = np.full(len(mine), index)
        assert one.since(ends, one.bands(ends, here), here).tolist() == changes.at[mine].tolist()
        before = one.bands(changes.at[mine] - 1, np.full(len(mine), index))
        assert before.tolist() == changes.from_band[mine].tolist()
        assert [bool(each) for each in changes.silent[mine]] == [int(at) not in events for at in changes.at[mine]]


def _walked(model: HealthModel, scores: list[float], bands: list[int]) -> bool:
    """The bands as a walk along the scores would have them, from one to the next; an hour is walked over at a
    time, so a score may have been out and in again: then the next one is only held to its own strip."""
    h, borders = model.hysteresis, (-np.inf, *model.borders, np.inf)
    for score, band in zip(scores, bands, strict=True):
        assert np.isnan(score) == (band < 0)
        assert band < 0 or borders[band] - h <= score < borders[band + 1] + h
    for (_, before), (score, band) in pairwise(zip(scores, bands, strict=True)):
        if min(before, band) >= 0 and borders[before] - h <= score < borders[before + 1] + h:
            assert abs(band - before) <= 1
    return len(BANDS) == 3


def test_nothing_that_fades_never_bends() -> None:
    """Orders of value 0 are real."""
    measure = {"id": "r", "input": "revenue", "half_life_days": 7, "weight": 1, "curve": [[0, 10], [9, 90]]}
    one = scorer([[order(1)._replace(value=0)]], model=HealthModel.from_document("m", 1, {"measures": [measure]}))
    assert one.bends(np.array([2 * DAY]), np.array([0]))[0] > 1000 * DAY


def test_scored_alone_or_with_others_the_score_is_the_same_to_the_last_bit() -> None:
    dice = random.Random(5)
    model = random_model(dice)
    histories = [random_history(dice, model) for _ in range(50)]
    together, at = scorer(*histories, model=model), 50 * DAY
    alone = [scorer(history, model=model).score(at).score[0] for history in histories]
    assert np.array_equal(together.score(at).score, alone, equal_nan=True)


def test_there_is_nothing_to_say_of_nobody() -> None:
    one = Scorer(DEFAULT, base_of(DEFAULT, []))
    assert len(one.base) == 0 == len(one.score(DAY).score) == len(one.changes(0, DAY).at)
    assert isinstance(one.base, CustomerBase)
