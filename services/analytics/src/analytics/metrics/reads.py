"""Computes the figures of metrics from the values of their measures."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.calendar import boundaries, zone_of
from analytics.ledger.freshness import Freshness, freshness
from analytics.metrics.converted import ensure_rates
from analytics.metrics.definition import CURRENCY, DIGITS, Counts, Metric, part
from analytics.metrics.figure import Component, CurrencyFigure, Figure, GroupKey, Slice
from analytics.metrics.kinds.kind import AddsUp
from analytics.metrics.kinds.registry import kind_of
from analytics.metrics.measure import Measure
from analytics.metrics.plan import Evaluation, Plan
from analytics.metrics.query import Value
from analytics.metrics.question import Question
from kith.db.sessions import driver_of
from kith.errors import Invalid

# Of a tenant that has just come the planner knows too little, and would look up customer by customer; and a hundred
# thousand customers are grouped in memory.
PLANNING = "SET LOCAL enable_nestloop = off; SET LOCAL work_mem = '64MB'"
Counted = dict[Measure, Value]
Group = tuple[str | None, ...]
MAX_METRICS = 20
MAX_SLICES = 50_000
"""Periods times groups of one figure."""


async def figures(
    connection: AsyncConnection, tenant: str, metrics: Sequence[Metric], question: Question
) -> list[Figure]:
    """Returns the figures of all metrics, evaluated in one pass per kind of measure. Raises a DomainError where the
    events do not allow a figure."""
    if len(metrics) > MAX_METRICS:
        raise Invalid(f"Ask for up to {MAX_METRICS} metrics at once.", field="metrics")
    interval = question.interval
    whole = [interval.starts_at, interval.ends_at]
    zone = zone_of(question.zone)
    await driver_of(connection).execute(PLANNING)
    periods = boundaries(interval, question.grain, zone) if question.grain else whole
    converted = question.currency is not None
    plans = [Plan(metric, question.of(metric, periods), converted=converted) for metric in metrics]
    evaluation = Evaluation(connection, tenant)
    if begun := question.so_far(periods):
        plans = [plan.over(begun) for plan in plans]
        await evaluation.evaluate((measure, plan.query(measure)) for plan in plans for measure in plan.measures)
        # A whole that does not follow from its periods and groups is evaluated by itself.
        await evaluation.evaluate(
            (measure, plan.whole(measure))
            for plan in plans
            for measure in plan.measures
            if not plan.whole_follows(measure, evaluation)
        )
    if question.currency is not None:
        await ensure_rates(connection, tenant, question, plans, evaluation)
    fresh = await freshness(connection)
    return [_FigureOf(question, periods, plan, evaluation, begun).figure(fresh) for plan in plans]


@dataclass
class _Values:
    """The measures' values, for a period and group or for the whole."""

    by_currency: dict[str | None, Counted] = field(default_factory=lambda: defaultdict(dict))
    without_currency: Counted = field(default_factory=dict)

    def add(self, measure: Measure, value: Value, group: Group) -> None:
        """Adds a value; the group is that of the currency, if any."""
        mine = self.by_currency[group[0]] if group else self.without_currency
        mine[measure] = value if measure not in mine else _sum([mine[measure], value])


class _Numbers(NamedTuple):
    value: float | None
    numerator: float | None
    denominator: float | None
    components: list[Component]


class _FigureOf:
    """Computes the figure of one metric from the values of its measures."""

    def __init__(
        self,
        question: Question,
        periods: Sequence[datetime],
        plan: Plan,
        evaluation: Evaluation,
        begun: Sequence[datetime],
    ) -> None:
        self.question, self.periods, self.plan, self.metric = question, periods, plan, plan.metric
        self._begun = len(begun) - 1
        self._evaluation = evaluation

    def figure(self, fresh: list[Freshness]) -> Figure:
        interval = self.question.interval
        whole = self._numbers(self._whole(), self._unknown(interval.starts_at, interval.ends_at))
        return Figure(
            self.metric.id,
            self.metric.unit,
            interval.starts_at,
            interval.ends_at,
            *whole[0],
            currency=whole[1],
            by_currency=whole[2],
            complete_up_to=self.question.complete_up_to(interval.starts_at, interval.ends_at),
            breakdown=list(self._breakdown()) if self.question.grain or self.question.group_by else [],
            zone=self.question.zone,
            definition_version=self.metric.version,
            activity_version=self.question.policy.version,
            freshness=fresh,
        )

    def _whole(self) -> _Values:
        values, plan = _Values(), self.plan
        for measure in self.plan.measures if self._begun > 0 else ():
            query, whole = plan.query(measure), plan.whole(measure)
            if not plan.whole_follows(measure, self._evaluation):
                query = whole
            if query != whole and self._evaluation.has_whole(measure, query):
                values.add(measure, self._evaluation.whole(measure, query), ())
                continue
            is_last = query != whole and kind_of(measure).adds_up(measure) is AddsUp.LAST_PERIOD
            for cell, value in self._evaluation.of(measure, query):
                if not is_last or cell.period == self._begun - 1:
                    values.add(measure, value, cell.group[-1:] if whole.group_by else ())
        return values

    def _cells(self) -> dict[tuple[int, Group], _Values]:
        """Returns the values by period, and by group without the currency."""
        found: dict[tuple[int, Group], _Values] = defaultdict(_Values)
        number = len(self.plan.rest)
        for measure in self.plan.measures:
            for (period, group), value in self._evaluation.of(measure, self.plan.query(measure)):
                found[period, group[:number]].add(measure, value, group[number:])
        return found

    def _breakdown(self) -> Iterator[Slice]:
        cells = self._cells()
        if self.plan.grouped:
            split: dict[tuple[int, Group], _Values] = {}
            for (period, rest), mine in cells.items():
                for currency, counted in mine.by_currency.items():
                    key = self._with_currency(rest, currency)
                    split[period, key] = _Values({currency: counted}, mine.without_currency)
            cells = split
        groups = sorted({group for _, group in cells}, key=lambda group: [(each is None, each or "") for each in group])
        if not self.question.group_by:
            groups = [()]
        if len(groups) * (len(self.periods) - 1) > MAX_SLICES:
            raise Invalid(
                f"{len(groups)} groups in {len(self.periods) - 1} periods are more than {MAX_SLICES} at once: "
                "group by less, filter, or take a longer grain.",
                field="groupBy",
            )
        for index, (starts_at, ends_at) in enumerate(pairwise(self.periods)):
            unknown = self._unknown(starts_at, ends_at)
            up_to = self.question.complete_up_to(starts_at, ends_at)
            for group in groups:
                mine = cells.get((index, group), _Values())
                if self.question.group_by and not unknown and not _anything(mine):
                    continue
                keys = [GroupKey(name, value) for name, value in zip(self.question.group_by, group, strict=True)]
                numbers, currency, by_currency = self._numbers(mine, unknown)
                yield Slice(starts_at, ends_at, keys, *numbers, currency, by_currency, up_to)

    def _with_currency(self, rest: Group, currency: str | None) -> Group:
        mine = iter(rest)
        return tuple(currency if each == CURRENCY else next(mine) for each in self.plan.of.group_by)

    def _unknown(self, starts_at: datetime, ends_at: datetime) -> frozenset[Measure]:
        """Returns the measures whose values are unknown yet."""
        if not self.question.has_begun(starts_at):
            return self.metric.measures
        if self.question.has_come(ends_at):
            return frozenset()
        return frozenset(measure for measure in self.metric.measures if kind_of(measure).needs_end(measure))

    def _numbers(
        self, values: _Values, unknown: frozenset[Measure]
    ) -> tuple[_Numbers, str | None, list[CurrencyFigure]]:
        unknown |= self.plan.unknown
        apart = {
            currency: {m: v for m, v in counted.items() if m not in unknown}
            for currency, counted in values.by_currency.items()
        }
        order = sorted(
            (currency for currency, counted in apart.items() if any(_is_something(m, v) for m, v in counted.items())),
            key=lambda currency: (currency is None, currency or ""),
        )
        counts: dict[str, Value] = {}
        amounts = [each for each in order if any(_is_amount(m) and _is_something(m, v) for m, v in apart[each].items())]
        for name, measure in self.metric.components.items():
            if measure in unknown:
                counts[name] = None
            elif _is_amount(measure):
                only = apart[amounts[0]].get(measure, _empty(measure)) if amounts else _empty(measure)
                counts[name] = only if len(amounts) <= 1 else None
            else:
                known = [values.without_currency[measure]] if measure in values.without_currency else []
                known += [counted[measure] for counted in values.by_currency.values() if measure in counted]
                counts[name] = _sum(known) if known else _empty(measure)
        if not self.plan.in_amounts:
            return self._numbered(counts), None, []
        by_currency = [CurrencyFigure(each, *self._numbered(self._of(apart[each], values, unknown))) for each in order]
        single = amounts or order
        return self._numbered(counts), single[0] if len(single) == 1 else None, by_currency

    def _of(self, counted: Counted, values: _Values, unknown: frozenset[Measure]) -> Counts:
        counted = {**values.without_currency, **counted}
        return {
            name: None if measure in unknown else counted.get(measure, _empty(measure))
            for name, measure in self.metric.components.items()
        }

    def _numbered(self, counts: Counts) -> _Numbers:
        metric = self.metric
        sums = [(name, part(formula, counts)) for name, formula in metric.sums.items()]
        return _Numbers(
            _number(metric.value(counts)),
            _number(part(metric.numerator, counts)),
            _number(part(metric.denominator, counts)) if metric.denominator else None,
            [Component(name, _number(value)) for name, value in (*counts.items(), *sums)],
        )


def _anything(values: _Values) -> bool:
    parts = (values.without_currency, *values.by_currency.values())
    return any(_is_something(m, v) for counted in parts for m, v in counted.items())


def _is_something(measure: Measure, value: Value) -> bool:
    """Whether it differs from the value of no facts, which is 0, or no median; a value without a fit does."""
    return value != _empty(measure)


def _is_amount(measure: Measure) -> bool:
    return kind_of(measure).is_amount(measure)


def _empty(measure: Measure) -> Value:
    return kind_of(measure).empty(measure)


def _sum(values: Sequence[Value]) -> Value:
    known = [value for value in values if value is not None]
    return sum(known, Decimal()) if len(known) == len(values) else None


def _number(value: Decimal | None) -> float | None:
    return None if value is None else float(round(Decimal(value), DIGITS))
