"""The value objects of subscriptions: dated changes, and the steps that follow from them."""

from calendar import monthrange
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from kith.errors import Invalid
from kith.scalars import LATEST, MOST_MONEY, Code, Instant, Money, Whole
from kith.scalars.currencies import shared_out
from kith.values import Value

Seats = Annotated[int, Whole(1, 10_000_000)]
_PARTS = ("plan", "seats", "unit_price", "billing_period")

MOST_WORTH = MOST_MONEY
"""Of a term."""


class BillingPeriod(StrEnum):
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
    HALF_YEARLY = "half_yearly"
    YEARLY = "yearly"

    @property
    def months(self) -> int:
        return _MONTHS[self]


_MONTHS = {
    BillingPeriod.MONTHLY: 1,
    BillingPeriod.QUARTERLY: 3,
    BillingPeriod.HALF_YEARLY: 6,
    BillingPeriod.YEARLY: 12,
}


class Status(StrEnum):
    TRIAL = "trial"
    ACTIVE = "active"
    PAUSED = "paused"
    ENDED = "ended"


class Turn(StrEnum):
    """What a dated change does to the status."""

    START_TRIAL = "start_trial"
    START = "start"
    END_TRIAL = "end_trial"
    PAUSE = "pause"
    RESUME = "resume"
    END = "end"
    RESTART = "restart"
    NONE = "none"


_TURNS = {
    Turn.END_TRIAL: ({Status.TRIAL}, Status.ACTIVE),
    Turn.PAUSE: ({Status.ACTIVE}, Status.PAUSED),
    Turn.RESUME: ({Status.PAUSED}, Status.ACTIVE),
    Turn.END: ({Status.TRIAL, Status.ACTIVE, Status.PAUSED}, Status.ENDED),
    Turn.RESTART: ({Status.ENDED}, Status.ACTIVE),
}
"""By turn, the statuses in which it has an effect, and the status after it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Change(Value):
    """What changes at an instant, past or to come. A part that is None stays as it is."""

    at: Instant
    turn: Turn = Turn.NONE
    plan: Code | None = None
    seats: Seats | None = None
    unit_price: Money | None = None
    billing_period: BillingPeriod | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Step(Value):
    """How the subscription stands from an instant on, until the next step."""

    starts_at: Instant
    status: Status
    plan: Code
    seats: Annotated[int, Whole(1)]
    unit_price: Money
    billing_period: BillingPeriod
    mrr: Money
    """Monthly recurring revenue: 0 unless it is active."""


def monthly(unit_price: Decimal, seats: int, period: BillingPeriod) -> Decimal:
    """Returns the monthly recurring revenue. Raises Invalid."""
    mrr = shared_out(unit_price * seats, period.months)
    if mrr >= MOST_MONEY:
        raise Invalid(f"A month would come to {MOST_MONEY:,} or more.", field="unit_price")
    return mrr


def steps_of(changes: Iterable[Change]) -> list[Step]:
    """Returns the steps that follow from changes, the first of which starts it and has all parts. Of two changes at one
    instant the later one in the list comes second. One of today that takes effect a month ago comes where it belongs:
    what was changed since then stays changed."""
    steps: list[Step] = []
    first, *others = sorted(changes, key=lambda change: change.at)
    last = _first(first)
    for change in others:
        step = _next(last, change)
        if step.starts_at > last.starts_at:
            _add(steps, last)
        last = step
    _add(steps, last)
    return steps


def _first(change: Change) -> Step:
    status = Status.TRIAL if change.turn is Turn.START_TRIAL else Status.ACTIVE
    parts = {name: getattr(change, name) for name in _PARTS}
    return _with_mrr(Step(starts_at=change.at, status=status, mrr=Decimal(0), **parts))


def _next(last: Step, change: Change) -> Step:
    before, after = _TURNS.get(change.turn, (set(), last.status))
    parts = {name: value for name in _PARTS if (value := getattr(change, name)) is not None}
    status = after if last.status in before else last.status
    return _with_mrr(replace(last, starts_at=change.at, status=status, **parts))


def _with_mrr(step: Step) -> Step:
    mrr = monthly(step.unit_price, step.seats, step.billing_period)
    return replace(step, mrr=mrr if step.status is Status.ACTIVE else mrr * 0)


def _add(steps: list[Step], step: Step) -> None:
    """Adds a step that differs from the last one; of one that has ended nothing changes any more."""
    last = steps[-1] if steps else None
    has_ended = last is not None and last.status is step.status is Status.ENDED
    if last is None or not (has_ended or replace(step, starts_at=last.starts_at) == last):
        steps.append(step)


def at(steps: Sequence[Step], instant: datetime) -> Step | None:
    """Returns the step that holds at the instant. None: it has not started."""
    return next((step for step in reversed(steps) if step.starts_at <= instant), None)


def months_after(start: datetime, months: int) -> datetime:
    """Returns the same day of the month and time, or the last day of a month that has not that day. Raises Invalid."""
    years, month = divmod(start.month - 1 + months, 12)
    year = start.year + years
    if year >= LATEST.year:
        raise Invalid(f"Its term would end after {LATEST.isoformat()}.", field="term_months")
    return start.replace(year=year, month=month + 1, day=min(start.day, monthrange(year, month + 1)[1]))
