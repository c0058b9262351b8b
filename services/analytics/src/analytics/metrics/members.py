"""The members of a figure: the customers or aggregates that it counts, each with its contribution."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.metrics.definition import Metric, terms
from analytics.metrics.kinds.registry import kind_of
from analytics.metrics.measure import Measure
from analytics.metrics.plan import Plan
from analytics.metrics.query import Member, Weighed
from analytics.metrics.question import Question
from kith.errors import Invalid
from kith.nouns.lists.pages import DEFAULT_PAGE, MAX_PAGE, Page, Position


@dataclass(slots=True)
class MemberAmount:
    currency: str | None
    value: float


@dataclass(slots=True)
class MemberView:
    """A customer or aggregate that a figure counts, with the event that proves it; `value` is its contribution, null if
    that is amounts in several currencies."""

    customer_id: UUID | None
    subject: UUID | None
    event_id: UUID | None
    type: str | None
    time: datetime | None
    value: float | None
    by_currency: list[MemberAmount]


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
    """Returns the members of a part of the figure: the numerator, the denominator or a component. Their contributions
    sum up to the part; there are none while it is unknown. Raises Invalid for a part that the metric does not have, and
    for one that is no sum."""
    if not 1 <= first <= MAX_PAGE:
        raise Invalid(f"A page has 1 to {MAX_PAGE} rows.", field="first")
    weighed = _weighed(metric, part)
    interval = question.interval
    plan = Plan(metric, question.of(metric, (interval.starts_at, interval.ends_at)))
    if any(each.measure in plan.unknown for each in weighed):
        known = {one.name for by in metric.known_by.values() for one in by} & {one.name for one in metric.dimensions}
        rule = f"The {part} of {metric.id} is filtered only by {', '.join(sorted(known))}."
        raise Invalid(rule, field="filter")
    position = Position.of(after) if after is not None else None
    begun = question.so_far((interval.starts_at, interval.ends_at))
    if not begun or (
        begun[-1] < interval.ends_at and any(kind_of(each.measure).needs_end(each.measure) for each in weighed)
    ):
        return Page([], None)
    query = replace(plan.over(begun).query(weighed[0].measure), tenant=tenant, group_by=())
    kind = kind_of(weighed[0].measure)
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


def _weighed(metric: Metric, part: str) -> list[Weighed[Measure]]:
    formulas = {"numerator": metric.numerator, **({"denominator": metric.denominator} if metric.denominator else {})}
    formulas |= {name: name for name in metric.components} | {**metric.sums}
    if part not in formulas:
        raise Invalid(f"{metric.id} has no {part!r}, only {', '.join(formulas)}.", field="part")
    weighed = [Weighed(term.sign, metric.components[term.component]) for term in terms(formulas[part])]
    if any(kind_of(each.measure).empty(each.measure) is None for each in weighed):
        raise Invalid(f"The {part} of {metric.id} is a median: nothing adds up to it.", field="part")
    return weighed
