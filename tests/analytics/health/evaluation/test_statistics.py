"""The statistics of backtests, against what plain counting says."""

from itertools import product
from random import Random

import numpy as np
import pytest

from analytics.health.evaluation.statistics import NOTHING, area_difference, area_of, roc_area, share, wilson


def some(seed: int, rows: int = 120) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Risks with ties, who churned, and whose row each is: three of a customer."""
    chance = Random(seed)
    risk = np.array([chance.randrange(12) for _ in range(rows)], float)
    churned = np.array([chance.random() < 0.1 + each / 20 for each in risk])
    return risk, churned, np.arange(rows) // 3


@pytest.mark.parametrize("seed", range(5))
def test_the_area_is_how_often_who_churned_had_the_greater_risk(seed: int) -> None:
    risk, churned, _ = some(seed)
    pairs = list(product(risk[churned], risk[~churned]))
    expected = sum((yes > no) + (yes == no) / 2 for yes, no in pairs) / len(pairs)
    found = roc_area(risk, churned)
    assert found is not None
    assert found.area == pytest.approx(expected, abs=1e-12)
    assert found.influence.sum() == pytest.approx(0, abs=1e-12)


def test_the_errors_come_from_drawing_customers_and_not_rows() -> None:
    """Against the spread over customers drawn anew, with replacement, many times."""
    risk, churned, customer = some(1, rows=900)
    other = -np.arange(risk.size) % 7 + risk / 3
    random, found = np.random.default_rng(3), []
    rows_of = np.arange(risk.size).reshape(-1, 3)
    for _ in range(800):
        rows = rows_of[random.integers(0, len(rows_of), len(rows_of))].ravel()
        one, two = roc_area(risk[rows], churned[rows]), roc_area(other[rows], churned[rows])
        assert one is not None
        assert two is not None
        warned = risk[rows] >= 6
        precision = churned[rows][warned].mean()
        found.append((one.area, one.area - two.area, precision))
    by_drawing = np.array(found).std(axis=0)
    placed, placed_other = roc_area(risk, churned), roc_area(other, churned)
    estimates = [
        area_of(placed, customer),
        area_difference(placed, placed_other, customer),
        share((risk >= 6) & churned, risk >= 6, customer),
    ]
    assert [each.standard_error for each in estimates] == pytest.approx(by_drawing.tolist(), rel=0.1)


def test_rows_that_repeat_a_customer_tell_no_more_than_one_of_them() -> None:
    risk, churned, _ = some(2)
    once = area_of(roc_area(risk, churned), np.arange(risk.size))
    thrice = area_of(roc_area(np.tile(risk, 3), np.tile(churned, 3)), np.tile(np.arange(risk.size), 3))
    assert (thrice.value, thrice.standard_error) == pytest.approx((once.value, once.standard_error))


def test_a_share_of_single_rows_has_the_error_of_the_textbook() -> None:
    part = np.arange(50) < 20
    found = share(part, np.ones(50, np.bool_), np.arange(50))
    assert (found.value, found.standard_error) == pytest.approx((0.4, (0.4 * 0.6 / 49) ** 0.5))
    assert share(part, np.zeros(50, np.bool_), np.arange(50)) == NOTHING


def test_wilsons_interval() -> None:
    """Newcombe, Statistics in Medicine 17 (1998), table I: 81 of 263, 15 of 148, 0 of 20."""
    assert wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(15 / 148, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0, 0.1611), abs=5e-5)
