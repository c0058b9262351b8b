from fractions import Fraction
from itertools import pairwise, product
from math import ceil
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.customer_value.rfm import SEGMENT, Scores, Segment, rfm, segment
from kith.errors import Invalid

customers = st.lists(
    st.tuples(st.integers(0, 20), st.integers(1, 8), st.integers(0, 500), st.sampled_from(["EUR", "USD", "GBP"])),
    max_size=60,
)
"""Day of the last purchase, purchases, revenue, and its currency."""
Row = tuple[int, int, int, str]


def scored(rows: list[Row]) -> Scores:
    return rfm(*(np.array([row[i] for row in rows]) for i in range(4)))


def fifth(value: Any, of: list[Any]) -> int:
    """Quintiles, by the mean rank of customers alike."""
    alike = [index for index, other in enumerate(sorted(of), start=1) if other == value]
    return ceil(Fraction(5 * sum(alike), len(alike) * len(of)))


@given(customers)
def test_scores_are_the_fifths_of_a_plain_sort(rows: list[Row]) -> None:
    found = scored(rows)
    for score, i in ((found.recency, 0), (found.frequency, 1)):
        assert score.tolist() == [fifth(row[i], [each[i] for each in rows]) for row in rows]
    assert found.monetary.tolist() == [fifth(row[2], [each[2] for each in rows if each[3] == row[3]]) for row in rows]
    assert found.segment.tolist() == [segment(*scores) for scores in zip(*found[:3], strict=True)]


@given(customers)
def test_equal_values_have_equal_scores_and_higher_values_no_lower_ones(rows: list[Row]) -> None:
    found = scored(rows)
    for score, i in ((found.recency, 0), (found.frequency, 1)):
        ranked = sorted(zip((row[i] for row in rows), score.tolist(), strict=True))
        for (low, its), (high, others) in pairwise(ranked):
            assert its == others if low == high else its <= others
    ranked_by_money = sorted(zip(((row[3], row[2]) for row in rows), found.monetary.tolist(), strict=True))
    for ((one, low), its), ((other, high), others) in pairwise(ranked_by_money):
        if one == other:
            assert its == others if low == high else its <= others


@given(customers, st.randoms(use_true_random=False))
def test_the_order_of_the_request_does_not_matter(rows: list[Row], random: Any) -> None:
    def score_of_each(rows: list[Row]) -> list[Any]:
        return sorted(zip(rows, *(each.tolist() for each in scored(rows)), strict=True))

    shuffled = rows[:]
    random.shuffle(shuffled)
    assert score_of_each(shuffled) == score_of_each(rows)


@pytest.mark.parametrize("n", [2, 5, 10, 23, 1001])
def test_customers_alike_have_one_score_and_one_name(n: int) -> None:
    found = rfm(np.ones(n), np.ones(n), np.ones(n))
    for score in found:
        assert len(set(score.tolist())) == 1


def test_ten_customers_alike_are_in_the_middle() -> None:
    found = rfm(np.ones(10), np.ones(10), np.ones(10))
    assert [set(score.tolist()) for score in found] == [{3}, {3}, {3}, {Segment.NEEDS_ATTENTION}]


@pytest.mark.parametrize("n", [5, 6, 23, 100, 1001])
def test_fifths_of_customers_that_all_differ_are_equal(n: int) -> None:
    sizes = np.bincount(rfm(np.arange(n), np.arange(n), np.arange(n)).frequency, minlength=6)[1:]
    assert sizes.max() - sizes.min() <= 1


def test_most_having_bought_once_does_not_make_them_frequent_buyers() -> None:
    found = rfm(np.arange(100), np.array([1] * 70 + [2] * 20 + [9] * 10), np.arange(100))
    assert [found.frequency[index] for index in (0, 75, 95)] == [2, 5, 5]


@pytest.mark.parametrize(("n", "scores"), [(0, []), (1, [5]), (2, [3, 5]), (3, [2, 4, 5]), (4, [2, 3, 4, 5])])
def test_of_few_customers_the_best_still_has_the_best_score(n: int, scores: list[int]) -> None:
    assert rfm(np.arange(n), np.arange(n), np.arange(n)).recency.tolist() == scores


def test_days_may_be_of_any_type_that_sorts() -> None:
    for days in (np.array(["2026-01-05", "2026-01-01", "2026-01-05"], "datetime64[D]"), [7.5, 1, 7.5]):
        assert rfm(days, [1, 2, 3], [1, 2, 3]).recency.tolist() == [5, 2, 5]


def test_every_combination_of_scores_has_a_segment_and_every_segment_a_combination() -> None:
    cells = {scores: segment(*scores) for scores in product(range(1, 6), repeat=3)}
    assert len(cells) == 125
    assert set(cells.values()) == set(Segment)
    assert set(SEGMENT) == set(product(range(1, 6), repeat=2))


@pytest.mark.parametrize(
    ("scores", "name"),
    [
        ((5, 5, 5), Segment.CHAMPIONS),
        ((4, 4, 4), Segment.LOYAL),
        ((5, 3, 2), Segment.POTENTIAL_LOYALISTS),
        ((5, 1, 1), Segment.NEW),
        ((4, 1, 1), Segment.PROMISING),
        ((3, 3, 3), Segment.NEEDS_ATTENTION),
        ((3, 1, 2), Segment.ABOUT_TO_SLEEP),
        ((2, 4, 3), Segment.AT_RISK),
        ((1, 5, 5), Segment.CANNOT_LOSE),
        ((2, 2, 2), Segment.HIBERNATING),
        ((1, 1, 1), Segment.LOST),
        ((1, 1, 5), Segment.AT_RISK),
        ((5, 3, 4), Segment.CHAMPIONS),
    ],
)
def test_segments_have_the_names_of_the_field(scores: tuple[int, int, int], name: Segment) -> None:
    assert segment(*scores) is name


@pytest.mark.parametrize("field", ["frequency", "monetary", "currency"])
def test_columns_of_unequal_length_are_refused(field: str) -> None:
    columns = {name: [1, 2] for name in ("last_purchase", "frequency", "monetary", "currency")}
    with pytest.raises(Invalid) as refused:
        rfm(**(columns | {field: [1, 2, 3]}))
    assert refused.value.field == field
