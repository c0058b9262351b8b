"""RFM: recency, frequency and monetary value of each customer, in fifths of all customers, and the segments that
follow."""

from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kith.errors import Invalid

FIFTHS = 5


class Segment(StrEnum):
    """The segments, by their common names."""

    CHAMPIONS = "champions"
    LOYAL = "loyal"
    POTENTIAL_LOYALISTS = "potential_loyalists"
    NEW = "new"
    PROMISING = "promising"
    NEEDS_ATTENTION = "needs_attention"
    ABOUT_TO_SLEEP = "about_to_sleep"
    AT_RISK = "at_risk"
    CANNOT_LOSE = "cannot_lose"
    HIBERNATING = "hibernating"
    LOST = "lost"


SEGMENTS = """
    R   FM: 1          2                    3                    4          5
    5   new            potential_loyalists  potential_loyalists  champions  champions
    4   promising      potential_loyalists  potential_loyalists  loyal      loyal
    3   about_to_sleep about_to_sleep       needs_attention      loyal      loyal
    2   hibernating    hibernating          at_risk              at_risk    cannot_lose
    1   lost           lost                 at_risk              at_risk    cannot_lose
"""
"""By recency, and by the mean of frequency and monetary, a half counting up: so 4 for 3 and 4, 3 for 1 and 5.

The grid is the one in common use; its lowest corner, often all "hibernating", is divided by recency.
"""

SEGMENT: dict[tuple[int, int], Segment] = {
    (int(row.split()[0]), fm): Segment(name)
    for row in SEGMENTS.strip().splitlines()[1:]
    for fm, name in enumerate(row.split()[1:], start=1)
}
"""By the recency score and the mean of the other two."""

_NAMES = np.array(list(Segment), dtype=object)
_GRID = np.array([[list(Segment).index(SEGMENT[r, fm]) for fm in range(1, 6)] for r in range(1, 6)])


class Scores(NamedTuple):
    """One element per customer, in the order of the input; 1 to 5, and 5 is best."""

    recency: NDArray[np.int64]
    frequency: NDArray[np.int64]
    monetary: NDArray[np.int64]
    segment: NDArray[np.object_]
    """Values of Segment."""


def rfm(
    last_purchase: ArrayLike, frequency: ArrayLike, monetary: ArrayLike, currency: ArrayLike | None = None
) -> Scores:
    """Returns the scores and the segment of each customer who has bought.

    One element per customer, in any order: the day or instant of its last purchase; the number of purchases; the
    revenue; and its currency, as a number or a code. Revenue is compared within a currency only: without exchange rates
    amounts in different ones have no order.

    Raises Invalid, naming the array, if the arrays differ in length.
    """
    r_values, f_values, m_values = (np.asarray(each) for each in (last_purchase, frequency, monetary))
    everybody = np.zeros(r_values.size, np.int64)
    r = _fifths("last_purchase", r_values, everybody)
    f = _fifths("frequency", f_values, everybody)
    among = everybody if currency is None else np.unique(np.asarray(currency), return_inverse=True)[1]
    if among.shape != everybody.shape:
        raise Invalid(f"One currency for each of {everybody.size} customers is wanted.", field="currency")
    m = _fifths("monetary", m_values, among)
    return Scores(r, f, m, _NAMES[_GRID[r - 1, (f + m + 1) // 2 - 1]])


def segment(recency: int, frequency: int, monetary: int) -> Segment:
    """Returns the segment of three scores from 1 to 5."""
    return SEGMENT[recency, (frequency + monetary + 1) // 2]


def _fifths(name: str, values: NDArray[np.generic], among: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns the fifth each value is in, among those of the same number in `among`: `ceil(5 * rank / n)`, ranks from 1
    for the lowest of n. Equal values share the mean of their ranks (fractional ranking), so they have equal scores.

    Where all values differ, fifths differ by one customer at most; where all are equal, they are in the middle. With
    fewer than five customers some fifths stay empty, never the best: of three the scores are 2, 4, 5; one alone is in
    the best.
    """
    n = among.size
    if values.shape != (n,):
        raise Invalid(f"One value for each of {n} customers is wanted.", field=name)
    order = np.lexsort((values, among))
    group, value = among[order], values[order]
    new_group, new_value = np.ones(n, np.bool_), np.ones(n, np.bool_)
    new_group[1:] = group[1:] != group[:-1]
    new_value[1:] = new_group[1:] | (value[1:] != value[:-1])
    first, last = _runs(new_value)
    start, end = _runs(new_group)
    found = np.empty(n, np.int64)
    twice_the_place = first + last - 2 * start + 2
    found[order] = -(-FIFTHS * twice_the_place // (2 * (end - start + 1)))
    return found


def _runs(begins: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns where the run of each element begins and where it ends; True begins a new one."""
    starts = np.flatnonzero(begins)
    lengths = np.diff(np.append(starts, begins.size))
    return np.repeat(starts, lengths), np.repeat(starts + lengths - 1, lengths)
