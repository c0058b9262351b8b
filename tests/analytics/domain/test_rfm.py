from fractions import Fraction
from itertools import product
from math import ceil
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.domain.rfm import SEGMENT, Segment, rfm, segment
from kith.domain import Invalid

customers = st.lists(
    st.tuples(st.integers(0, 10_000), st.integers(0, 20), st.integers(1, 8), st.integers(0, 500)),
    unique_by=lambda each: each[0],
    max_size=60,
)
"""Id, day of the last purchase, purchases, revenue."""


def fifth(value: Any, of: list[Any]) -> int:
    """As METRICS.md has it: quintiles, ties broken by customer id."""
    return ceil(Fraction(5 * (sorted(of).index(value) + 1), len(of)))


@given(customers)
def test_scores_are_the_fifths_of_a_plain_sort(rows: list[tuple[int, int, int, int]]) -> None:
    found = rfm(*(np.array([row[i] for row in rows]) for i in range(4)))
    for score, i in ((found.recency, 1), (found.frequency, 2), (found.monetary, 3)):
        keys = [(row[i], row[0]) for row in rows]
        assert score.tolist() == [fifth(key, keys) for key in keys]
    assert found.segment.tolist() == [segment(*scores) for scores in zip(*found[:3], strict=True)]


@given(customers, st.randoms(use_true_random=False))
def test_the_order_asked_in_does_not_matter(rows: list[tuple[int, int, int, int]], random: Any) -> None:
    def by_customer(rows: list[tuple[int, int, int, int]]) -> dict[int, tuple[Any, ...]]:
        found = rfm(*(np.array([row[i] for row in rows]) for i in range(4)))
        return dict(zip((row[0] for row in rows), zip(*found, strict=True), strict=True))

    before = by_customer(rows)
    random.shuffle(rows)
    assert by_customer(rows) == before


@pytest.mark.parametrize("n", [5, 6, 23, 100, 1001])
def test_fifths_are_equal_even_where_all_customers_are_alike(n: int) -> None:
    found = rfm(np.arange(n), np.ones(n), np.ones(n), np.ones(n))
    sizes = np.bincount(found.frequency, minlength=6)[1:]
    assert sizes.max() - sizes.min() <= 1
    assert (np.diff(found.frequency) >= 0).all()  # those alike in order of their id


@pytest.mark.parametrize(("n", "scores"), [(0, []), (1, [5]), (2, [3, 5]), (3, [2, 4, 5]), (4, [2, 3, 4, 5])])
def test_of_few_customers_the_best_still_has_the_best_score(n: int, scores: list[int]) -> None:
    assert rfm(np.arange(n), np.arange(n), np.arange(n), np.arange(n)).recency.tolist() == scores


def test_ids_may_be_of_any_type_that_sorts_and_days_too() -> None:
    days = np.array(["2026-01-05", "2026-01-01", "2026-01-05"], "datetime64[D]")
    for ids in (["b", "a", "a2"], [b"b", b"a", b"a2"], [7, 1, 3]):
        assert rfm(ids, days, [1, 2, 3], [1, 2, 3]).recency.tolist() == [5, 2, 4]


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


@pytest.mark.parametrize("field", ["last_purchase", "frequency", "monetary"])
def test_columns_of_unequal_length_are_refused(field: str) -> None:
    columns: dict[str, list[int]] = {"last_purchase": [1, 2], "frequency": [1, 2], "monetary": [1, 2]}
    columns[field] = [1]
    with pytest.raises(Invalid) as refused:
        rfm([1, 2], **columns)
    assert refused.value.field == field


def test_a_customer_that_comes_twice_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        rfm([1, 2, 1], [1, 2, 3], [1, 2, 3], [1, 2, 3])
    assert refused.value.field == "customer"
