"""RFM: how recently, how often and for how much each customer bought, in fifths of all customers, and what such
customers are called."""

from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kith.domain import Invalid

FIFTHS = 5


class Segment(StrEnum):
    """The names are the field's."""

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

The grid is the one in common use; its lowest corner, often all "hibernating", is told apart by recency.
"""

SEGMENT: dict[tuple[int, int], Segment] = {
    (int(row.split()[0]), fm): Segment(name)
    for row in SEGMENTS.strip().splitlines()[1:]
    for fm, name in enumerate(row.split()[1:], start=1)
}
"""Of a recency score and the mean of the other two."""

_NAMES = np.array(list(Segment), dtype=object)
_GRID = np.array([[list(Segment).index(SEGMENT[r, fm]) for fm in range(1, 6)] for r in range(1, 6)])


class Scores(NamedTuple):
    """One element per customer, in the order asked about; 1 to 5, and 5 is best."""

    recency: NDArray[np.int64]
    frequency: NDArray[np.int64]
    monetary: NDArray[np.int64]
    segment: NDArray[np.object_]
    """Of Segment."""


def rfm(customer: ArrayLike, last_purchase: ArrayLike, frequency: ArrayLike, monetary: ArrayLike) -> Scores:
    """Scores and segment of each customer who has bought.

    One element per customer, in any order: its id, of any type that sorts (the str, bytes or int of it sort ten
    times faster than UUID objects); the day or instant of its last purchase; how many purchases; how much revenue.

    Raises Invalid, naming the array, if the arrays differ in length or a customer comes twice.
    """
    ids = np.asarray(customer)
    by_id = np.argsort(ids, kind="stable")
    if (ids[by_id][1:] == ids[by_id][:-1]).any():
        raise Invalid("Each customer may come once.", field="customer")
    columns = {"last_purchase": last_purchase, "frequency": frequency, "monetary": monetary}
    r, f, m = (_fifths(name, np.asarray(column), by_id) for name, column in columns.items())
    return Scores(r, f, m, _NAMES[_GRID[r - 1, (f + m + 1) // 2 - 1]])


def segment(recency: int, frequency: int, monetary: int) -> Segment:
    """Of three scores from 1 to 5."""
    return SEGMENT[recency, (frequency + monetary + 1) // 2]


def _fifths(name: str, values: NDArray[np.generic], by_id: NDArray[np.intp]) -> NDArray[np.int64]:
    """The fifth each value is in: `ceil(5 * place / n)`, places from 1 for the lowest, those alike in order of id.

    So fifths differ by one customer at most. With fewer than five customers some stay empty, never the best: of three
    the scores are 2, 4, 5; one alone is the best there is.
    """
    n = by_id.size
    if values.shape != (n,):
        raise Invalid(f"One value for each of {n} customers is wanted.", field=name)
    place = np.empty(n, np.int64)
    place[by_id[np.argsort(values[by_id], kind="stable")]] = np.arange(1, n + 1)
    return -(-FIFTHS * place // n)
