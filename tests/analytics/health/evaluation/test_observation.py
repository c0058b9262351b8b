"""A backtest's observations against plain counting, one customer after the other."""

from random import Random

import numpy as np
import pytest

from analytics.health.evaluation.observation import AFTER_ALL, Ended, Events, Outcome, Rule
from analytics.health.model.definition import DAY

WINDOW, HORIZON = 9 * DAY, 5 * DAY


def histories(seed: int) -> list[list[int]]:
    """Times of the events of some customers, on whole days, so that borders are met."""
    dice = Random(seed)
    return [sorted(dice.randrange(60) * DAY for _ in range(dice.choice([0, 1, 2, 6]))) for _ in range(40)]


def events(times: list[list[int]]) -> Events:
    """Given in no order."""
    rows = [(index, time) for index, of in enumerate(times) for time in of]
    Random(1).shuffle(rows)
    return Events.of(
        len(times), np.array([index for index, _ in rows], np.int64), np.array([time for _, time in rows], np.int64)
    )


@pytest.mark.parametrize("seed", range(4))
def test_who_was_active_and_what_came_of_it(seed: int) -> None:
    """By two rules, each customer by its own: the windows differ, and which events qualify."""
    times, others = histories(seed), histories(seed + 100)
    rules = [Rule(events(times), WINDOW), Rule(events(others), 2 * WINDOW)]
    rule_of = np.arange(40) % 2
    for now in (0, 20 * DAY, 33 * DAY, 59 * DAY, 90 * DAY):
        outcome = Outcome.of(rules, rule_of, now, HORIZON)
        for index in range(40):
            mine, window = ((times, WINDOW), (others, 2 * WINDOW))[index % 2]

            def active(when: int, mine: list[int] = mine[index], window: int = window) -> bool:
                return any(when - window <= time < when for time in mine)

            assert outcome.active[index] == active(now)
            assert outcome.churned[index] == (not any(now <= time < now + HORIZON for time in mine[index]))
            assert outcome.lapsed[index] == (not active(now + HORIZON))
            if active(now):
                assert outcome.quiet[index] == (now - max(time for time in mine[index] if time < now)) / DAY
            assert outcome.frequency[index] == sum(time < now for time in mine[index])


def test_with_a_horizon_of_the_window_both_outcomes_are_one() -> None:
    outcome = Outcome.of([Rule(events(histories(5)), WINDOW)], np.zeros(40, np.int64), 30 * DAY, WINDOW)
    assert (outcome.churned == outcome.lapsed)[outcome.active].all()
    assert outcome.churned[outcome.active].any()
    assert not outcome.churned[outcome.active].all()


@pytest.mark.parametrize("seed", range(4))
def test_spans_that_ended(seed: int) -> None:
    times = histories(seed)
    starts, ends = 15 * DAY, 50 * DAY
    expected = {
        (index, last)
        for index, of in enumerate(times)
        for last in of
        if starts < last + WINDOW <= ends and not any(last < time <= last + WINDOW for time in of)
    }
    whole = np.arange(40)
    found = Ended.of([Rule(events(times), WINDOW)], np.zeros(40, np.int64), starts, ends, whole)
    assert set(zip(found.customer.tolist(), found.last_event.tolist(), strict=True)) == expected
    assert (found.ends_at == found.last_event + WINDOW).all()


def test_nobody_and_nothing() -> None:
    found = events([[], []])
    assert (found.first_from(0) == AFTER_ALL).all()
    assert not Outcome.of([Rule(found, WINDOW)], np.zeros(2, np.int64), 0, HORIZON).active.any()
