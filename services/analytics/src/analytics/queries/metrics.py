"""A metric's figure over an interval, with what it was made of and how fresh it is."""

from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.domain.activity import ActivityPolicy
from analytics.domain.calendar import Grain, Interval, boundaries, zone_of
from analytics.domain.filtering import FilterBy
from analytics.domain.measure import Active, Count, Flow, Measure, Median, Score, Stock, Those
from analytics.domain.metric import DIGITS, TAG, Counts, Metric, part, terms
from analytics.queries.freshness import Freshness, freshness
from analytics.queries.measures import active, flow, score, stock, those
from analytics.queries.measures.asked import WHOLE, Asked, Cell, Cells, Filter, Member, Value, Weighed
from analytics.storage.totals import is_plain
from kith.db import driver_of
from kith.domain import Invalid
from kith.queries import DEFAULT_PAGE, MAX_PAGE, Page, Position

_KINDS: Mapping[type[Measure], Any] = {Flow: flow, Stock: stock, Active: active, Those: those, Score: score}
# Of a tenant that has just come the planner knows too little, and would look up customer by customer; and a hundred
# thousand customers are grouped in memory.
_PLANNING = "SET LOCAL enable_nestloop = off; SET LOCAL work_mem = '64MB'"
Counted = dict[Measure, Value]
MAX_METRICS = 20
MAX_GROUPINGS = 3


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
    """Whether totals may be read (see queries.measures.asked)."""

    def of(self, metric: Metric, periods: Sequence[datetime]) -> Asked:
        if len(self.group_by) > MAX_GROUPINGS or len(set(self.group_by)) < len(self.group_by):
            raise Invalid(f"Group by up to {MAX_GROUPINGS} different dimensions.", field="groupBy")
        return Asked(
            "",
            tuple(periods),
            self.zone,
            self.policy,
            tuple(metric.dimension(name) for name in self.group_by),
            tuple(Filter(metric.dimension(name, asked_as="filter"), values, out) for name, values, out in self.filters),
            self.settled,
        )


@dataclass(slots=True)
class Component:
    name: str
    value: float | None


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


@dataclass(slots=True)
class Figure:
    """`value` is in the metric's unit, to 4 decimals; null where it has no denominator to speak of."""

    id: str
    unit: str
    starts_at: datetime
    ends_at: datetime
    value: float | None
    numerator: float | None
    denominator: float | None
    components: list[Component]
    breakdown: list[Slice]
    """By period and group, if a grain or a grouping was asked for."""
    zone: str
    definition_version: int
    activity_version: int
    freshness: list[Freshness] = field(default_factory=list)


@dataclass(slots=True)
class MemberView:
    """Whom or what a figure counts, with the event that put it there; `value` is what it adds."""

    customer_id: UUID | None
    subject: UUID | None
    event_id: UUID | None
    type: str | None
    time: datetime | None
    value: float


async def figures(
    connection: AsyncConnection, tenant: str, metrics: Sequence[Metric], question: Question
) -> list[Figure]:
    """All of them, in one pass per kind of measure. Raises a DomainError where the events do not allow a figure."""
    if len(metrics) > MAX_METRICS:
        raise Invalid(f"Ask for up to {MAX_METRICS} metrics at once.", field="metrics")
    interval = question.interval
    whole = (interval.starts_at, interval.ends_at)
    zone_of(question.zone)
    await driver_of(connection).execute(_PLANNING)
    periods = boundaries(interval, question.grain, zone_of(question.zone)) if question.grain else whole
    wanted = {metric: question.of(metric, periods) for metric in metrics}
    answers = _Answers(connection, tenant)
    await answers.ask(wanted)
    # What the periods and groups do not tell of the whole is asked once more.
    unknown = {
        metric: Asked(**{**vars(asked), "boundaries": whole, "group_by": ()}) for metric, asked in wanted.items()
    }
    totals = await answers.wholes(wanted, unknown)
    fresh = await freshness(connection)
    return [
        _figure(metric, question, totals[metric], periods, answers.of(metric, asked), fresh)
        for metric, asked in wanted.items()
    ]


class _Answers:
    """What measures come to. Those of a kind that are asked the same are asked together."""

    def __init__(self, connection: AsyncConnection, tenant: str) -> None:
        self._connection, self._tenant = connection, tenant
        self._cells: dict[tuple[type[Measure], Asked], Cells] = {}

    async def ask(self, wanted: Mapping[Metric, Asked], measures: Container[Measure] | None = None) -> None:
        together: dict[tuple[type[Measure], Asked], dict[Measure, None]] = defaultdict(dict)
        for metric, asked in wanted.items():
            for measure in metric.components.values():
                if measures is None or measure in measures:
                    together[type(measure), asked][measure] = None
        for (kind, asked), alike in together.items():
            mine = Asked(**{**vars(asked), "tenant": self._tenant})
            self._cells[kind, asked] = await _KINDS[kind].cells(self._connection, mine, list(alike))

    def of(self, metric: Metric, asked: Asked) -> Cells:
        found: Cells = {}
        for kind in {type(measure) for measure in metric.measures}:
            for cell, values in self._cells.get((kind, asked), {}).items():
                found.setdefault(cell, {}).update({m: v for m, v in values.items() if m in metric.measures})
        return found

    async def wholes(self, wanted: Mapping[Metric, Asked], whole: Mapping[Metric, Asked]) -> dict[Metric, Counted]:
        told: dict[Metric, Counted] = {}
        for metric, asked in wanted.items():
            cells = self.of(metric, asked)
            told[metric] = {m: _whole(m, asked, cells) for m in metric.measures if _tells_whole(m, asked, cells)}
        untold = {metric: {m for m in metric.measures if m not in told[metric]} for metric in wanted}
        await self.ask({m: whole[m] for m, left in untold.items() if left}, set().union(*untold.values()))
        for metric, left in untold.items():
            counted = self.of(metric, whole[metric]).get(Cell(0, ()), {})
            told[metric] |= {measure: counted[measure] for measure in left if measure in counted}
        return told


def _tells_whole(measure: Measure, asked: Asked, cells: Cells) -> bool:
    """Whether the whole follows from the periods and groups."""
    if asked.periods == 1 and not asked.group_by:
        return True
    if TAG in asked.group_by:  # one with two tags would count twice
        return False
    match measure:
        case Flow():
            return is_plain(measure) and (measure.of == Count() or _by_currency(asked))
        case Stock():
            return measure.of == Count() or _by_currency(asked)
        case Active():
            return Cell(WHOLE, ()) in cells
        case Those() | Score():
            return False


def _by_currency(asked: Asked) -> bool:
    """Else amounts of several periods or groups may have no sum: asked for the whole, they are refused by name."""
    return any(dimension.field == "currency" for dimension in asked.group_by)


def _whole(measure: Measure, asked: Asked, cells: Cells) -> Decimal | None:
    if isinstance(measure, Active) and Cell(WHOLE, ()) in cells:
        return cells[Cell(WHOLE, ())].get(measure, Decimal())
    last = [asked.periods - 1] if isinstance(measure, Stock) else range(asked.periods)
    mine = {cell: values[measure] for cell, values in cells.items() if cell.period in last and measure in values}
    found = list(mine.values())
    if isinstance(measure, Flow | Stock) and measure.of != Count() and _by_currency(asked):
        place = [dimension.field for dimension in asked.group_by].index("currency")
        if len({cell.group[place] for cell, value in mine.items() if value}) > 1:
            return None
    if asked.periods == 1 and not asked.group_by:
        return found[0] if found else _nothing(measure)
    return sum((value for value in found if value is not None), Decimal())


def _figure(
    metric: Metric,
    question: Question,
    total: Counted,
    periods: Sequence[datetime],
    cells: Cells,
    fresh: list[Freshness],
) -> Figure:
    whole = _counts(metric, total)
    groups = sorted(
        {cell.group for cell in cells if cell.period != WHOLE},
        key=lambda group: [(value is None, value or "") for value in group],
    )
    if not question.group_by and question.grain:
        groups = [()]
    breakdown = []
    if question.grain or question.group_by:
        for place, (starts_at, ends_at) in enumerate(pairwise(periods)):
            for group in groups:
                counts = _counts(metric, cells.get(Cell(place, group), {}))
                if question.group_by and not any(counts.values()):
                    continue
                keys = [GroupKey(name, value) for name, value in zip(question.group_by, group, strict=True)]
                breakdown.append(Slice(starts_at, ends_at, keys, *_numbers(metric, counts)))
    return Figure(
        metric.id,
        metric.unit,
        question.interval.starts_at,
        question.interval.ends_at,
        *_numbers(metric, whole),
        breakdown=breakdown,
        zone=question.zone,
        definition_version=metric.version,
        activity_version=question.policy.version,
        freshness=fresh,
    )


def _counts(metric: Metric, values: Mapping[Measure, Decimal | None]) -> Counts:
    return {name: values.get(measure, _nothing(measure)) for name, measure in metric.components.items()}


def _nothing(measure: Measure) -> Decimal | None:
    return None if isinstance(measure, Flow | Stock) and isinstance(measure.of, Median) else Decimal()


def _numbers(metric: Metric, counts: Counts) -> tuple[float | None, float | None, float | None, list[Component]]:
    return (
        _number(metric.value(counts)),
        _number(part(metric.numerator, counts)),
        _number(part(metric.denominator, counts)) if metric.denominator else None,
        [Component(name, _number(value)) for name, value in counts.items()],
    )


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
    the part. Raises Invalid for a part that it has not, and for one that is no sum."""
    if not 1 <= first <= MAX_PAGE:
        raise Invalid(f"A page has 1 to {MAX_PAGE} rows.", field="first")
    weighed = _weighed(metric, part)
    interval = question.interval
    asked = question.of(metric, (interval.starts_at, interval.ends_at))
    asked = Asked(**{**vars(asked), "tenant": tenant, "group_by": ()})
    kind = _KINDS[type(weighed[0].measure)]
    position = Position.of(after) if after is not None else None
    found = await kind.members(connection, asked, weighed, position, first + 1)
    page = found[:first]
    last = page[-1] if len(found) > first else None
    return Page(
        [_view(each) for each in page],
        Position(last.time or interval.ends_at, last.key).cursor() if last else None,
    )


def _view(member: Member) -> MemberView:
    return MemberView(
        member.customer_id, member.subject, member.event_id, member.type, member.time, float(member.value)
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
