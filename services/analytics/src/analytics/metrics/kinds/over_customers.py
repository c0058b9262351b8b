"""The common part of activity and distinct counts: they count customers, or aggregates, by the periods in which each
counts."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, FromClause, Subquery, select

from analytics.metrics.measure import Active, DistinctCount
from analytics.metrics.query import Cell, Cells
from kith.nouns.lists.pages import Position

M = TypeVar("M", bound=Active | DistinctCount)


class PeriodCounts(Generic[M]):
    """The number of customers that each measure counts, per group and period."""

    def __init__(self, measures: Sequence[M], periods: int) -> None:
        self.measures, self.periods = measures, periods
        self._counts: dict[tuple[str | None, ...], dict[M, list[int]]] = {}

    def add(self, group: tuple[str | None, ...], measure: M, periods: int, customers: int) -> None:
        """Adds a number of customers in these periods, which are bits. A group is a cell even if none of its customers
        counts."""
        if group not in self._counts:
            self._counts[group] = {each: [0] * self.periods for each in self.measures}
        by_period = self._counts[group][measure]
        while periods:
            lowest = periods & -periods
            by_period[lowest.bit_length() - 1] += customers
            periods ^= lowest

    def add_cells(self, found: Cells, start: int) -> None:
        """Adds the cells; `start` is the index of the first period."""
        for group, counts in self._counts.items():
            for period in range(self.periods):
                cell = found.setdefault(Cell(start + period, group), {})
                cell.update({measure: Decimal(by_period[period]) for measure, by_period in counts.items()})


def page_of(
    source: FromClause,
    key: ColumnElement[Any],
    value: ColumnElement[Any],
    where: Sequence[ColumnElement[bool]],
    after: Position | None,
    first: int,
    *also: ColumnElement[Any],
) -> Subquery:
    """Returns up to `first` keys whose value is not 0, in order, with the value and other columns."""
    page = select(key.label("key"), value.label("value"), *also).select_from(source)
    page = page.where(value != 0, *where).distinct()
    if after is not None:
        page = page.where(key > after.id)
    return page.order_by(key).limit(first).subquery("chosen")
