"""Plans the queries that a metric's measures are evaluated for, and holds their values."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.metrics.definition import CURRENCY, Metric
from analytics.metrics.kinds.kind import AddsUp
from analytics.metrics.kinds.registry import kind_of
from analytics.metrics.measure import Measure
from analytics.metrics.query import WHOLE, Cell, Cells, MetricQuery, Value


class Evaluation:
    """The values of measures. Measures of one kind with the same query are evaluated together."""

    def __init__(self, connection: AsyncConnection, tenant: str) -> None:
        self._connection, self._tenant = connection, tenant
        self._cells: dict[tuple[type[Measure], MetricQuery], Cells] = {}

    async def evaluate(self, wanted: Iterable[tuple[Measure, MetricQuery]]) -> None:
        together: dict[tuple[type[Measure], MetricQuery], dict[Measure, None]] = defaultdict(dict)
        for measure, query in wanted:
            together[type(measure), query][measure] = None
        for (of_kind, query), measures in together.items():
            kind = kind_of(next(iter(measures)))
            found = await kind.evaluate(self._connection, replace(query, tenant=self._tenant), list(measures))
            cells = self._cells.setdefault((of_kind, query), {})
            for cell, values in found.items():
                cells.setdefault(cell, {}).update(values)

    def of(self, measure: Measure, query: MetricQuery) -> Iterator[tuple[Cell, Value]]:
        """Yields the measure's values, period by period and group by group."""
        for cell, values in self._cells.get((type(measure), query), {}).items():
            if measure in values and cell.period != WHOLE:
                yield cell, values[measure]

    def has_whole(self, measure: Measure, query: MetricQuery) -> bool:
        """Whether the pass over periods and groups yielded the value of the whole interval, too."""
        return Cell(WHOLE, ()) in self._cells.get((type(measure), query), {})

    def whole(self, measure: Measure, query: MetricQuery) -> Value:
        return self._cells[type(measure), query][Cell(WHOLE, ())].get(measure, kind_of(measure).empty(measure))

    def amounts(self, plans: "Iterable[Plan]") -> Iterator[tuple[Measure, MetricQuery, Cell]]:
        """Yields where an amount was found."""
        for plan in plans:
            for measure in plan.measures:
                if kind_of(measure).is_amount(measure):
                    for query in (plan.query(measure), plan.whole(measure)):
                        for cell, value in self.of(measure, query):
                            if value != kind_of(measure).empty(measure):
                                yield measure, query, cell


class Plan:
    """The query for each measure of a metric. Measures with a currency are grouped by it if the metric is of amounts,
    or is grouped by it; the others have no currency to group or filter by."""

    def __init__(
        self, metric: Metric, query: MetricQuery, until: datetime | None = None, *, converted: bool = False
    ) -> None:
        """`until` is the end of the interval, if the query's is cut to now; `converted`, whether all comes in one
        currency."""
        self.metric, self.of, self._until, self._converted = metric, query, until or query.ends_at, converted
        used = (*query.group_by, *(each.dimension for each in query.filters))
        self.unknown = metric.unknown(used, converted=converted)
        self.measures = metric.measures - self.unknown
        self.in_amounts = any(kind_of(measure).is_amount(measure) for measure in metric.measures)
        self.rest = tuple(each for each in query.group_by if each != CURRENCY)
        self.grouped = CURRENCY in query.group_by
        by_currency = (CURRENCY,) if self.in_amounts or self.grouped else ()
        self._with_currency = replace(query, group_by=(*self.rest, *by_currency))
        others = tuple(each for each in query.filters if each.dimension != CURRENCY)
        self._without_currency = replace(query, group_by=self.rest, filters=others)

    def over(self, periods: Sequence[datetime]) -> "Plan":
        until = self.of.boundaries[len(periods) - 1]
        over = replace(self.of, boundaries=tuple(periods), until=until)
        return Plan(self.metric, over, self._until, converted=self._converted)

    def query(self, measure: Measure) -> MetricQuery:
        """Returns the query by period and group."""
        return self._with_currency if kind_of(measure).has_currency(measure) else self._without_currency

    def whole(self, measure: Measure) -> MetricQuery:
        """Returns the query over the whole interval, by currency only."""
        query = self.query(measure)
        by_currency = (CURRENCY,) if self.in_amounts and kind_of(measure).has_currency(measure) else ()
        return replace(query, boundaries=(query.starts_at, query.ends_at), group_by=by_currency, until=self._until)

    def whole_follows(self, measure: Measure, evaluation: Evaluation) -> bool:
        """Whether the value of the whole follows from what the query by period and group yielded."""
        query = self.query(measure)
        if query == self.whole(measure) or evaluation.has_whole(measure, query):
            return True
        # A customer with two tags would count twice.
        several = any(each.several for each in self.rest)
        return not several and kind_of(measure).adds_up(measure) is not AddsUp.NOTHING
