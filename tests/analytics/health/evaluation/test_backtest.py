"""A backtest's judgement against plain counting, one customer after the other."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from tests.analytics.conftest import at

from analytics.health.evaluation.backtest import calibration, report
from analytics.health.evaluation.baselines import best, comparison, halves
from analytics.health.evaluation.judging import curve, judged, recency_curve
from analytics.health.evaluation.lead_times import LEAD_BINS, lead_times
from analytics.health.evaluation.observation import Ended, Entered, Observed, Part
from analytics.health.model.definition import DAY

WINDOW = 9 * DAY


@pytest.mark.parametrize("seed", range(4))
def test_a_warning_counts_from_when_it_last_came_to_be_at_risk_and_only_if_it_still_is(seed: int) -> None:
    dice = Random(seed)
    changes = [(dice.randrange(6), dice.randrange(100) * DAY, dice.random() < 0.5) for _ in range(40)]
    changes = list({(who, when): (who, when, risk) for who, when, risk in changes}.values())
    spans = [(dice.randrange(8), dice.randrange(100) * DAY) for _ in range(30)]
    leads = []
    for who, end in spans:
        before = sorted((when, risk) for whose, when, risk in changes if whose == who and when < end)
        if before and before[-1][1]:
            leads.append((end - before[-1][0]) / DAY)
    customer, ends = (np.array(column, np.int64) for column in zip(*spans, strict=True))
    whose, when, risk = (np.array(column) for column in zip(*changes, strict=True))
    found = lead_times(Ended(customer, ends - WINDOW, ends), Entered(whose, when, risk))
    assert (found.ended, found.warned) == (30, len(leads))
    assert found.without_warning.value == pytest.approx(1 - len(leads) / 30)
    assert found.median == pytest.approx(np.median(leads))
    assert found.median_after_last_event == pytest.approx(np.median([WINDOW / DAY - lead for lead in leads]))
    of_bins = [sum(low <= lead < low + 10 for lead in leads) for low in LEAD_BINS[:-1]]
    assert [each.customers for each in found.bins] == [*of_bins, sum(lead >= LEAD_BINS[-1] for lead in leads)]


def test_nobody_warned_is_reported_as_that() -> None:
    none = np.zeros(0, np.int64)
    found = lead_times(Ended(np.array([3]), np.array([0]), np.array([DAY])), Entered(none, none, none.astype(np.bool_)))
    assert (found.ended, found.warned, found.median, found.without_warning.value) == (1, 0, None, 1)


def observed(rows: int = 400, instants: int = 8, seed: int = 1) -> Observed:
    """A score that predicts churn somewhat, and days without an event that predict it less."""
    random = np.random.default_rng(seed)
    score = random.uniform(0, 100, rows)
    score[::40] = np.nan
    churned = random.random(rows) < np.nan_to_num(1 - score / 100, nan=0.5)
    return Observed(
        customer=np.arange(rows) // 3,
        instant=np.arange(rows) % instants,
        score=score,
        coverage=np.ones(rows),
        at_risk=score < 30,
        quiet=np.where(churned, 40, 20) + random.uniform(0, 60, rows),
        frequency=random.integers(1, np.where(churned, 6, 14)),
        churned=churned,
        lapsed=churned,
    )


def test_precision_recall_and_the_curve() -> None:
    seen = observed()
    scored = seen.where(~np.isnan(seen.score))
    points = {each.threshold: each for each in curve(scored, int(seen.churned.sum()))}
    for threshold in (1, 30, 77, 100):
        warned = seen.score < threshold
        hits, rule = int((warned & seen.churned).sum()), judged("", warned, seen)
        assert (rule.warned, rule.churned) == (points[threshold].warned, hits) == (int(warned.sum()), hits)
        assert rule.precision.value == points[threshold].precision == pytest.approx(hits / warned.sum())
        assert rule.recall.value == points[threshold].recall == pytest.approx(hits / seen.churned.sum())
        harmonic = 2 / (warned.sum() / hits + seen.churned.sum() / hits)
        assert rule.f1 == pytest.approx(points[threshold].f1) == pytest.approx(harmonic)
    for point in recency_curve(seen)[::7]:
        rule = judged("", seen.quiet >= point.threshold, seen)
        assert (rule.warned, rule.precision.value, rule.recall.value) == (point.warned, point.precision, point.recall)


def test_tenths_have_everybody_once_and_rise() -> None:
    seen = observed()
    scored = seen.where(~np.isnan(seen.score))
    found = calibration(scored)
    assert len(found) == 10
    assert sum(each.rows for each in found) == len(scored)
    assert sum(each.churned for each in found) == scored.churned.sum()
    assert all(one.highest < other.lowest for one, other in pairwise(found))
    assert all(each.low <= each.rate <= each.high for each in found)
    assert found[0].rate > found[-1].rate
    alike = calibration(Observed(**{**vars(scored), "score": np.full(len(scored), 50.0)}))
    assert [each.rows for each in alike] == [len(scored)], "equal scores are not torn apart"


def test_what_is_learnt_was_known_before_the_first_instant_compared() -> None:
    instants = [at("2011-01-01") + timedelta(days=30) * index for index in range(8)]
    assert halves(instants, timedelta(days=60)) == ([0, 1, 2], [4, 5, 6, 7])
    assert halves(instants, timedelta(days=90)) == ([0, 1], [4, 5, 6, 7])
    assert halves(instants, timedelta(days=150))[0] == []
    assert halves(instants[:1], timedelta(days=30)) == ([], [])


def test_the_rules_compared_are_the_ones_learnt() -> None:
    seen = observed(4000)
    instants = [at("2011-01-01") + timedelta(days=30) * index for index in range(8)]
    found = comparison(seen, instants, timedelta(days=90))
    assert found is not None
    assert (found.learnt_at, found.compared_at) == (instants[:2], instants[4:])
    known = ~np.isnan(seen.score)
    learn, test = seen.where(known & (seen.instant < 2)), seen.where(known & (seen.instant >= 4))
    border, best_score, best_days, as_many = found.rules
    threshold = max(range(1, 101), key=lambda each: judged("", learn.score < each, learn).f1 or 0)
    assert best_score == judged(f"score < {threshold}", test.score < threshold, test)
    days = max(range(1, 100), key=lambda each: judged("", learn.quiet >= each, learn).f1 or 0)
    assert best_days == judged(f"no event for {days} days", test.quiet >= days, test)
    assert as_many.warned == best_score.warned
    assert border == judged("at risk", test.at_risk, test)
    areas = [each.value or 0 for each in (found.roc_area, found.roc_area_of_recency)]
    assert found.difference.value == pytest.approx(areas[0] - areas[1])
    assert found.brier is not None
    rate = learn.churned.mean()
    assert found.brier.base == pytest.approx(((rate - test.churned) ** 2).mean())
    assert found.brier.model < found.brier.base
    assert comparison(seen, instants, timedelta(days=150)) is None


def test_a_model_is_held_against_the_strongest_of_the_simplest_rules() -> None:
    seen = observed(4000)
    instants = [at("2011-01-01") + timedelta(days=30) * index for index in range(8)]
    found = comparison(seen, instants, timedelta(days=90))
    assert found is not None
    frequency, recency = found.baselines
    assert (frequency.name, recency.name) == ("frequency", "recency")
    assert (frequency.roc_area.value or 0) > (recency.roc_area.value or 0)
    assert (recency.roc_area, recency.difference) == (found.roc_area_of_recency, found.difference)
    assert found.rules[2:] == recency.rules

    known = ~np.isnan(seen.score)
    learn, test = seen.where(known & (seen.instant < 2)), seen.where(known & (seen.instant >= 4))
    pairs = [
        (one < other) + (one == other) / 2
        for one in test.frequency[test.churned].tolist()
        for other in test.frequency[~test.churned].tolist()
    ]
    assert frequency.roc_area.value == pytest.approx(sum(pairs) / len(pairs))
    assert frequency.difference.value == pytest.approx((found.roc_area.value or 0) - sum(pairs) / len(pairs))
    events = max(range(1, 15), key=lambda each: judged("", learn.frequency < each, learn).f1 or 0)
    fewer, as_many = frequency.rules
    assert fewer == judged(f"fewer than {events} events", test.frequency < events, test)
    warned = found.rules[1].warned
    assert as_many.rule == "at most as many, of the fewest events"
    assert as_many.warned <= warned < as_many.warned + (test.frequency == np.sort(test.frequency)[warned]).sum()
    assert found.brier is not None
    assert frequency.brier < recency.brier == found.brier.recency < found.brier.base


def test_a_model_that_ranks_no_better_than_frequency_is_reported_as_that() -> None:
    """The score is that number itself, in other words."""
    instants = [at("2011-01-01") + timedelta(days=30) * index for index in range(8)]
    none = np.zeros(0, np.int64)
    nobody = (Ended(none, none, none), Entered(none, none, none.astype(np.bool_)))

    def notes(seen: Observed) -> list[str]:
        return report(("a model", 1), instants, timedelta(days=90), Part(seen, *nobody), ["a note"]).notes

    seen = observed(4000)
    assert notes(seen) == ["a note"], "it is better"
    first, note = notes(replace(seen, score=seen.frequency.astype(np.float64)))
    assert first == "a note"
    assert note.startswith("No better than frequency alone: ")
    assert "a difference of 0.000 ± 0.000" in note


def test_the_first_of_equal_thresholds_is_the_best() -> None:
    churned = np.array([True, True, False])
    assert best(np.array([10.0, 10.0, 50.0]), churned, range(1, 60), below=True) == 11
    assert best(np.array([30.0, 30.0, 5.0]), churned, range(1, 60), below=False) == 6
