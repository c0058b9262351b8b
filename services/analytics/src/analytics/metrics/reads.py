"""A metric's figure over an interval, with what it was made of and how fresh it is."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.calendar import Grain, Interval, boundaries, zone_of
from analytics.ledger.freshness import Freshness, freshness
from analytics.metrics.currencies import CURRENCY, has_currency, in_amounts, is_of_amounts
from analytics.metrics.definition import DIGITS, TAG, Counts, Metric, part, terms
from analytics.metrics.filtering import FilterBy
from analytics.metrics.kinds import activity as active
from analytics.metrics.kinds import distinct as those
from analytics.metrics.kinds import flow, score, stock
from analytics.metrics.measure import Active, DistinctCount, Flow, Measure, Median, Score, Stock, looks_at_end
from analytics.metrics.query import WHOLE, Cell, Cells, Filter, Member, MetricQuery, Value, Weighed
from analytics.metrics.rollup_keys import is_plain
from analytics.projections.activity import ActivityPolicy
from kith.db.connections import driver_of
from kith.errors import Invalid
from kith.nouns.inputs import CLOCK_SKEW
from kith.nouns.queries import DEFAULT_PAGE, MAX_PAGE, Page, Position

_KINDS: Mapping[type[Measure], Any] = {Flow: flow, Stock: stock, Active: active, DistinctCount: those, Score: score}
# Of a tenant that has just come the planner knows too little, and would look up customer by customer; and a hundred
# thousand customers are grouped in memory.
_PLANNING = "SET LOCAL enable_nestloop = off; SET LOCAL work_mem = '64MB'"
Counted = dict[Measure, Value]
Group = tuple[str | None, ...]
MAX_METRICS = 20
MAX_GROUPINGS = 3
MAX_SLICES = 50_000
"""Periods times groups of one figure."""


@dataclass(frozen=True)
class Question:
    """What is asked of one metric or several. Bad names are refused when it is answered."""

    interval: Interval
    zone: str
    policy: ActivityPolicy
    grain: Grain | None = None
    group_by: tuple[str, ...] = ()
    filters: tuple[FilterBy, ...] = ()
    settled: bool = True
    """Whether totals may be read (see metrics.query)."""
    now: datetime | None = None
    """What comes after has not come yet. None: all of the interval has."""

    def of(self, metric: Metric, periods: Sequence[datetime]) -> MetricQuery:
        if len(self.group_by) > MAX_GROUPINGS or len(set(self.group_by)) < len(self.group_by):
            raise Invalid(f"Group by up to {MAX_GROUPINGS} different dimensions.", field="groupBy")
        return MetricQuery(
            "",
            tuple(periods),
            self.zone,
            self.policy,
            tuple(metric.dimension(name) for name in self.group_by),
            tuple(Filter(metric.dimension(name, asked_as="filter"), values, out) for name, values, out in self.filters),
            self.settled,
        )

    def has_come(self, moment: datetime) -> bool:
        """What ends now by the clock of whoever asks has, though it is a little ahead."""
        return self.now is None or moment <= self.now + CLOCK_SKEW

    def has_begun(self, moment: datetime) -> bool:
        return self.now is None or moment < self.now

    def so_far(self, periods: Sequence[datetime]) -> list[datetime]:
        """The boundaries of the periods that have begun, the last one cut to now; empty if none has."""
        begun = [each for each in periods[:-1] if self.has_begun(each)]
        if not begun:
            return []
        end = periods[len(begun)]
        return [*begun, end if self.has_come(end) or self.now is None else self.now]

    def complete_up_to(self, starts_at: datetime, ends_at: datetime) -> datetime | None:
        if not self.has_begun(starts_at):
            return None
        return ends_at if self.has_come(ends_at) else self.now


@dataclass(slots=True)
class Component:
    name: str
    value: float | None


@dataclass(slots=True)
class CurrencyFigure:
    """A figure of amounts, in one currency: as if there were no others."""

    currency: str | None
    value: float | None
    numerator: float | None
    denominator: float | None
    components: list[Component]


@dataclass(slots=True)
class GroupKey:
    dimension: str
    value: str | None
    """Null for those that have none."""


@dataclass(slots=True)
class Slice:
    """One period and group of a figure."""

    starts_at: datetime
    ends_at: datetime
    group: list[GroupKey]
    value: float | None
    numerator: float | None
    denominator: float | None
    components: list[Component]
    currency: str | None
    by_currency: list[CurrencyFigure]
    complete_up_to: datetime | None


@dataclass(slots=True)
class Figure:
    """`value` is in the metric's unit, to 4 decimals; null where it has no denominator to speak of, where it is of
    amounts in several currencies, and where it is of an instant that has not come yet."""

    id: str
    unit: str
    starts_at: datetime
    ends_at: datetime
    value: float | None
    numerator: float | None
    denominator: float | None
    components: list[Component]
    currency: str | None
    """Of amounts; null if there are none, or several currencies."""
    by_currency: list[CurrencyFigure]
    """Of a metric of amounts: currency by currency."""
    complete_up_to: datetime | None
    """Up to here the interval has come, and is counted; null if it has not begun."""
    breakdown: list[Slice]
    """By period and group, if a grain or a grouping was asked for."""
    zone: str
    definition_version: int
    activity_version: int
    freshness: list[Freshness] = field(default_factory=list)


@dataclass(slots=True)
class MemberAmount:
    currency: str | None
    value: float


@dataclass(slots=True)
class MemberView:
    """Whom or what a figure counts, with the event that put it there; `value` is what it adds, null if that is amounts
    in several currencies."""

    customer_id: UUID | None
    subject: UUID | None
    event_id: UUID | None
    type: str | None
    time: datetime | None
    value: float | None
    by_currency: list[MemberAmount]


async def figures(
    connection: AsyncConnection, tenant: str, metrics: Sequence[Metric], question: Question
) -> list[Figure]:
    """All of them, in one pass per kind of measure. Raises a DomainError where the events do not allow a figure."""
    if len(metrics) > MAX_METRICS:
        raise Invalid(f"Ask for up to {MAX_METRICS} metrics at once.", field="metrics")
    interval = question.interval
    whole = [interval.starts_at, interval.ends_at]
    zone = zone_of(question.zone)
    await driver_of(connection).execute(_PLANNING)
    periods = boundaries(interval, question.grain, zone) if question.grain else whole
    plans = [_Plan(metric, question.of(metric, periods)) for metric in metrics]
    answers = _Answers(connection, tenant)
    if begun := question.so_far(periods):
        plans = [plan.over(begun) for plan in plans]
        await answers.ask((measure, plan.query(measure)) for plan in plans for measure in plan.metric.measures)
        # What the periods and groups do not tell of the whole is asked once more.
        await answers.ask(
            (measure, plan.whole(measure))
            for plan in plans
            for measure in plan.metric.measures
            if not plan.tells_whole(measure, answers)
        )
    fresh = await freshness(connection)
    return [_Answer(question, periods, plan, answers, begun).figure(fresh) for plan in plans]


class _Answers:
    """What measures come to. Those of a kind that are asked the same are asked together."""

    def __init__(self, connection: AsyncConnection, tenant: str) -> None:
        self._connection, self._tenant = connection, tenant
        self._cells: dict[tuple[type[Measure], MetricQuery], Cells] = {}

    async def ask(self, wanted: Iterable[tuple[Measure, MetricQuery]]) -> None:
        together: dict[tuple[type[Measure], MetricQuery], dict[Measure, None]] = defaultdict(dict)
        for measure, query in wanted:
            together[type(measure), query][measure] = None
        for (kind, query), alike in together.items():
            found = await _KINDS[kind].cells(self._connection, replace(query, tenant=self._tenant), list(alike))
            known = self._cells.setdefault((kind, query), {})
            for cell, values in found.items():
                known.setdefault(cell, {}).update(values)

    def of(self, measure: Measure, query: MetricQuery) -> Iterator[tuple[Cell, Value]]:
        for cell, values in self._cells.get((type(measure), query), {}).items():
            if measure in values:
                yield cell, values[measure]

    def tells_whole(self, measure: Measure, query: MetricQuery) -> bool:
        """In a cell of its own, which is nothing if no customer was counted."""
        return Cell(WHOLE, ()) in self._cells.get((type(measure), query), {})


class _Plan:
    """What is asked of each measure of a metric. What looks at things that have a currency is asked by currency where
    amounts have to be told apart, or groups; to the others a currency says nothing."""

    def __init__(self, metric: Metric, query: MetricQuery) -> None:
        self.metric, self.of = metric, query
        self.in_amounts = in_amounts(metric)
        self.rest = tuple(each for each in query.group_by if each != CURRENCY)
        self.grouped = CURRENCY in query.group_by
        by_currency = (CURRENCY,) if self.in_amounts or self.grouped else ()
        self._apart = replace(query, group_by=(*self.rest, *by_currency))
        others = tuple(each for each in query.filters if each.dimension != CURRENCY)
        self._alike = replace(query, group_by=self.rest, filters=others)

    def over(self, periods: Sequence[datetime]) -> "_Plan":
        return _Plan(self.metric, replace(self.of, boundaries=tuple(periods)))

    def query(self, measure: Measure) -> MetricQuery:
        return self._apart if has_currency(measure) else self._alike

    def whole(self, measure: Measure) -> MetricQuery:
        query = self.query(measure)
        by_currency = (CURRENCY,) if self.in_amounts and has_currency(measure) else ()
        return replace(query, boundaries=(query.starts_at, query.ends_at), group_by=by_currency)

    def tells_whole(self, measure: Measure, answers: _Answers) -> bool:
        """Whether the whole follows from the periods and groups."""
        query = self.query(measure)
        if query == self.whole(measure):
            return True
        if TAG in self.rest:  # one with two tags would count twice
            return False
        match measure:
            case Flow():
                return is_plain(measure)
            case Stock():
                return True
            case Active():
                return answers.tells_whole(measure, query)
            case DistinctCount() | Score():
                return False


@dataclass
class _Told:
    """What the measures come to, of a period and group or of the whole."""

    apart: dict[str | None, Counted] = field(default_factory=lambda: defaultdict(dict))
    """By currency."""
    alike: Counted = field(default_factory=dict)

    def add(self, measure: Measure, value: Value, group: Group) -> None:
        """The group is that of the currency, if any."""
        mine = self.apart[group[0]] if group else self.alike
        mine[measure] = value if measure not in mine else _sum([mine[measure], value])


class _Numbers(NamedTuple):
    value: float | None
    numerator: float | None
    denominator: float | None
    components: list[Component]


class _Answer:
    """The figure of one metric."""

    def __init__(
        self, question: Question, periods: Sequence[datetime], plan: _Plan, answers: _Answers, begun: Sequence[datetime]
    ) -> None:
        self.question, self.periods, self.plan, self.metric = question, periods, plan, plan.metric
        self._begun = len(begun) - 1
        self._answers = answers

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

    def _whole(self) -> _Told:
        told, plan = _Told(), self.plan
        for measure in self.metric.measures if self._begun > 0 else ():
            query, whole = plan.query(measure), plan.whole(measure)
            if not plan.tells_whole(measure, self._answers):
                query = whole
            if query != whole and isinstance(measure, Active):
                found = dict(self._answers.of(measure, query))
                told.add(measure, found.get(Cell(WHOLE, ()), Decimal()), ())
                continue
            last = self._begun - 1 if query != whole and isinstance(measure, Stock) else None
            for cell, value in self._answers.of(measure, query):
                if cell.period != WHOLE and last in (None, cell.period):
                    told.add(measure, value, cell.group[-1:] if whole.group_by else ())
        return told

    def _cells(self) -> dict[tuple[int, Group], _Told]:
        """By period, and by group without the currency."""
        found: dict[tuple[int, Group], _Told] = defaultdict(_Told)
        number = len(self.plan.rest)
        for measure in self.metric.measures:
            for (period, group), value in self._answers.of(measure, self.plan.query(measure)):
                if period != WHOLE:
                    found[period, group[:number]].add(measure, value, group[number:])
        return found

    def _breakdown(self) -> Iterator[Slice]:
        told = self._cells()
        if self.plan.grouped:
            split: dict[tuple[int, Group], _Told] = {}
            for (period, rest), mine in told.items():
                for currency, counted in mine.apart.items():
                    key = self._with_currency(rest, currency)
                    split[period, key] = _Told({currency: counted}, mine.alike)
            told = split
        groups = sorted({group for _, group in told}, key=lambda group: [(each is None, each or "") for each in group])
        if not self.question.group_by:
            groups = [()]
        if len(groups) * (len(self.periods) - 1) > MAX_SLICES:
            raise Invalid(
                f"{len(groups)} groups in {len(self.periods) - 1} periods are more than {MAX_SLICES} to tell at once: "
                "group by less, filter, or take a longer grain.",
                field="groupBy",
            )
        for index, (starts_at, ends_at) in enumerate(pairwise(self.periods)):
            unknown = self._unknown(starts_at, ends_at)
            up_to = self.question.complete_up_to(starts_at, ends_at)
            for group in groups:
                mine = told.get((index, group), _Told())
                if self.question.group_by and not unknown and not _anything(mine):
                    continue
                keys = [GroupKey(name, value) for name, value in zip(self.question.group_by, group, strict=True)]
                numbers, currency, by_currency = self._numbers(mine, unknown)
                yield Slice(starts_at, ends_at, keys, *numbers, currency, by_currency, up_to)

    def _with_currency(self, rest: Group, currency: str | None) -> Group:
        mine = iter(rest)
        return tuple(currency if each == CURRENCY else next(mine) for each in self.plan.of.group_by)

    def _unknown(self, starts_at: datetime, ends_at: datetime) -> frozenset[Measure]:
        """The measures of which nothing can be said yet."""
        if not self.question.has_begun(starts_at):
            return self.metric.measures
        if self.question.has_come(ends_at):
            return frozenset()
        return frozenset(measure for measure in self.metric.measures if looks_at_end(measure))

    def _numbers(self, told: _Told, unknown: frozenset[Measure]) -> tuple[_Numbers, str | None, list[CurrencyFigure]]:
        apart = {
            currency: {m: v for m, v in counted.items() if m not in unknown} for currency, counted in told.apart.items()
        }
        order = sorted(
            (currency for currency, counted in apart.items() if any(_is_something(m, v) for m, v in counted.items())),
            key=lambda currency: (currency is None, currency or ""),
        )
        counts: dict[str, Value] = {}
        amounts = [
            each for each in order if any(is_of_amounts(m) and _is_something(m, v) for m, v in apart[each].items())
        ]
        for name, measure in self.metric.components.items():
            if measure in unknown:
                counts[name] = None
            elif is_of_amounts(measure):
                only = apart[amounts[0]].get(measure, _nothing(measure)) if amounts else _nothing(measure)
                counts[name] = only if len(amounts) <= 1 else None
            else:
                values = [told.alike[measure]] if measure in told.alike else []
                values += [counted[measure] for counted in told.apart.values() if measure in counted]
                counts[name] = _sum(values) if values else _nothing(measure)
        if not self.plan.in_amounts:
            return self._numbered(counts), None, []
        by_currency = [CurrencyFigure(each, *self._numbered(self._of(apart[each], told, unknown))) for each in order]
        single = amounts or order
        return self._numbered(counts), single[0] if len(single) == 1 else None, by_currency

    def _of(self, counted: Counted, told: _Told, unknown: frozenset[Measure]) -> Counts:
        known = {**told.alike, **counted}
        return {
            name: None if measure in unknown else known.get(measure, _nothing(measure))
            for name, measure in self.metric.components.items()
        }

    def _numbered(self, counts: Counts) -> _Numbers:
        metric = self.metric
        return _Numbers(
            _number(metric.value(counts)),
            _number(part(metric.numerator, counts)),
            _number(part(metric.denominator, counts)) if metric.denominator else None,
            [Component(name, _number(value)) for name, value in counts.items()],
        )


def _anything(told: _Told) -> bool:
    return any(_is_something(m, v) for counted in (told.alike, *told.apart.values()) for m, v in counted.items())


def _is_something(measure: Measure, value: Value) -> bool:
    """Nothing is 0, and the median of nothing; what a model has no fit for is something."""
    return value != _nothing(measure)


def _sum(values: Sequence[Value]) -> Value:
    known = [value for value in values if value is not None]
    return sum(known, Decimal()) if len(known) == len(values) else None


def _nothing(measure: Measure) -> Decimal | None:
    return None if isinstance(measure, Flow | Stock) and isinstance(measure.of, Median) else Decimal()


def _number(value: Decimal | None) -> float | None:
    return None if value is None else float(round(Decimal(value), DIGITS))


async def members(
    connection: AsyncConnection,
    tenant: str,
    metric: Metric,
    question: Question,
    *,
    part: str = "numerator",
    first: int = DEFAULT_PAGE,
    after: str | None = None,
) -> Page[MemberView]:
    """Whom or what a part of the figure counts: the numerator, the denominator or a component. What they add comes to
    the part; nobody, while it is not known. Raises Invalid for a part that it has not, and for one that is no sum."""
    if not 1 <= first <= MAX_PAGE:
        raise Invalid(f"A page has 1 to {MAX_PAGE} rows.", field="first")
    weighed = _weighed(metric, part)
    interval = question.interval
    plan = _Plan(metric, question.of(metric, (interval.starts_at, interval.ends_at)))
    position = Position.of(after) if after is not None else None
    begun = question.so_far((interval.starts_at, interval.ends_at))
    if not begun or (begun[-1] < interval.ends_at and any(looks_at_end(each.measure) for each in weighed)):
        return Page([], None)
    query = replace(plan.over(begun).query(weighed[0].measure), tenant=tenant, group_by=())
    kind = _KINDS[type(weighed[0].measure)]
    found = await kind.members(connection, query, weighed, position, first + 1)
    page = found[:first]
    last = page[-1] if len(found) > first else None
    return Page(
        [_view(each) for each in page],
        Position(last.time or interval.ends_at, last.key).cursor() if last else None,
    )


def _view(member: Member) -> MemberView:
    return MemberView(
        member.customer_id,
        member.subject,
        member.event_id,
        member.type,
        member.time,
        None if member.value is None else float(member.value),
        [MemberAmount(currency, float(amount)) for currency, amount in member.amounts.items()],
    )


def _weighed(metric: Metric, part: str) -> list[Weighed]:
    formulas = {"numerator": metric.numerator, **({"denominator": metric.denominator} if metric.denominator else {})}
    formulas |= {name: name for name in metric.components}
    if part not in formulas:
        raise Invalid(f"{metric.id} has no {part!r}, only {', '.join(formulas)}.", field="part")
    weighed = [Weighed(term.sign, metric.components[term.component]) for term in terms(formulas[part])]
    if any(_nothing(each.measure) is None for each in weighed):
        raise Invalid(f"The {part} of {metric.id} is a median: nothing adds up to it.", field="part")
    return weighed
