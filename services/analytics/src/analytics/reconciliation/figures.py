"""What figures must come to, worked out from current records alone: record by record, with none of the engine's parts.

Records hold what is, and little of what was. Where they do not say, a figure is None: not known, and not compared.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple
from uuid import UUID

import msgspec

from analytics.calendar import Grain, Interval, boundaries, midnight, zone_of
from analytics.metrics.definition import DIGITS
from analytics.projections.activity import ActivityPolicy
from analytics.reconciliation.collections import Record
from kith.events.contacts import ContactCreated, CustomerCreated
from kith.events.exchanges import TouchpointRecorded
from kith.events.sales import OpportunityLost, OpportunityOpened, OpportunityWon, OrderPlaced, OrderReturned
from kith.events.service_desk import CaseOpened

METRICS: Mapping[str, tuple[str, ...]] = {
    "orders": ("orders",),
    "revenue": ("orders", "ordered", "returns", "returned"),
    "customers.active": ("E",),
    "retention.crr": ("S", "E", "N", "W"),
    "sales.new_customers": ("new",),
    "sales.close_rate": ("won", "lost"),
    "sales.close_rate_value": ("won", "lost"),
    "sales.open_opportunities": ("open",),
    "sales.open_pipeline": ("value", "open"),
    "service.cases_opened": ("opened",),
    "service.cases_resolved": ("resolved",),
    "service.backlog": ("open",),
    "marketing.touchpoints": ("touchpoints",),
}
"""What is worked out, each metric with its components."""
ACTIVITY = ("customers.active", "retention.crr", "sales.new_customers")


class Figure(NamedTuple):
    metric: str
    component: str
    currency: str | None = None
    """Of amounts."""


AMOUNTS = frozenset(
    {
        Figure("revenue", "ordered"),
        Figure("revenue", "returned"),
        Figure("sales.close_rate_value", "won"),
        Figure("sales.close_rate_value", "lost"),
        Figure("sales.open_pipeline", "value"),
    }
)
"""Metrics that are shown currency by currency."""


@dataclass(slots=True)
class Difference:
    """`expected` is what the records come to, `found` what analytics returns."""

    component: str
    starts_at: datetime
    ends_at: datetime
    expected: float
    found: float | None
    currency: str | None = None


class Periods(NamedTuple):
    """Boundaries of what is compared."""

    before: list[datetime]
    """All that was before the months, as one period; empty if there was nothing."""
    months: list[datetime]

    @classmethod
    def of(cls, first: datetime, end: datetime, zone: str) -> "Periods":
        """From the day of the `first` event on: twelve whole months of the zone, and the one begun, up to `end`."""
        here = zone_of(zone)
        begun = end.astimezone(here).date().replace(day=1)
        months = boundaries(Interval(midnight(begun.replace(year=begun.year - 1), here), end), Grain.MONTH, here)
        start = midnight(first.astimezone(here).date(), here)
        return cls([start, months[0]] if start < months[0] else [], months)

    @property
    def all(self) -> list[datetime]:
        return [*self.before[:1], *self.months]


@dataclass
class Expected:
    """The figures of each period between `boundaries`. Keeps a number per customer, and none per record."""

    boundaries: Sequence[datetime]
    policy: ActivityPolicy
    survivors: Mapping[UUID, UUID] = field(default_factory=dict)
    """Who merged customers are now."""
    segments: Mapping[UUID, str] = field(default_factory=dict)
    """Of the customers whose segment has an activity rule of its own."""

    def __post_init__(self) -> None:
        periods = len(self.boundaries) - 1
        self._sums: dict[Figure, list[Decimal]] = defaultdict(lambda: [Decimal()] * periods)
        self._unknown: dict[Figure, set[int]] = defaultdict(set)
        self._active: dict[UUID, int] = {}
        """Bit i: active at boundary i. Above them, in which period first: 0 is before all."""
        self._unrecorded = sorted({type for rule in self.policy.rules for type in rule.types} - _QUALIFYING)
        self._of: Mapping[str, Callable[[Record], None]] = {
            "orders": self._order,
            "returns": self._return,
            "opportunities": self._opportunity,
            "cases": self._case,
            "touchpoints": self._touchpoint,
            "customers": self._customer,
            "contacts": lambda record: self._qualify(record, ContactCreated.type, _created(record)),
        }

    def add(self, collection: str, record: Record) -> None:
        if collection in self._of:
            self._of[collection](record)

    def notes(self) -> dict[str, str]:
        """Why some metrics are not known, in whole or in part."""
        if self.policy.is_contractual:
            return dict.fromkeys(ACTIVITY, "Activity by subscriptions in force is not compared.")
        if not self._unrecorded:
            return {}
        return {metric: f"Records do not say when {', '.join(self._unrecorded)} happened." for metric in ACTIVITY}

    def figures(self, currencies: Mapping[str, Collection[str | None]]) -> dict[Figure, list[Decimal | None]]:
        """Per figure a number for each period; None where the records do not say. Of amounts one for each currency
        that there is, in the records or among `currencies` of the metric."""
        found: dict[Figure, list[Decimal | None]] = {}
        active = self._activity()
        for metric, components in METRICS.items():
            mine = {each.currency for each in self._sums if each.metric == metric} | {*currencies.get(metric, ())}
            for component in components:
                whole = Figure(metric, component)
                for currency in sorted(mine - {None}, key=str) if whole in AMOUNTS else [None]:
                    figure = whole._replace(currency=currency)
                    numbers = active[component] if metric in ACTIVITY else self._sums[figure]
                    found[figure] = [
                        None if period in self._unknown[whole] else number for period, number in enumerate(numbers)
                    ]
        return found

    # Record by record

    def _order(self, record: Record) -> None:
        at = _created(record)
        self._happened("orders", "orders", at)
        self._happened("revenue", "orders", at)
        self._spent("revenue", "ordered", at, record)
        self._qualify(record, OrderPlaced.type, at)

    def _return(self, record: Record) -> None:
        at = _created(record)
        self._happened("revenue", "returns", at)
        self._spent("revenue", "returned", at, record)
        self._qualify(record, OrderReturned.type, at)

    def _opportunity(self, record: Record) -> None:
        opened = _created(record)
        self._qualify(record, OpportunityOpened.type, opened)
        since: datetime | None = opened
        stood: list[int] = []
        for stage, closed, reopened in _closings(record):
            if reopened is None:
                self._happened("sales.close_rate", stage, closed)
                self._spent("sales.close_rate_value", stage, closed, record)
            elif self._period(reopened) > self._period(closed):
                self._happened("sales.close_rate", stage, closed)
                # What its value was then, its record does not say.
                self._unknown[Figure("sales.close_rate_value", stage)].add(self._period(closed))
            self._qualify(record, OpportunityWon.type if stage == "won" else OpportunityLost.type, closed)
            assert since is not None  # it was open until then
            stood += self._stood(since, closed)
            since = reopened
        for period in (*stood, *(self._stood(since, None) if since is not None else ())):
            self._count("sales.open_opportunities", "open", period)
            self._count("sales.open_pipeline", "open", period)
            # What it was worth before its last change, its record does not say.
            if _updated(record) < self.boundaries[period + 1]:
                self._sum("sales.open_pipeline", "value", period, record)
            else:
                self._unknown[Figure("sales.open_pipeline", "value")].add(period)

    def _case(self, record: Record) -> None:
        opened, resolved = _created(record), _moment(record["resolved_at"])
        self._happened("service.cases_opened", "opened", opened)
        self._qualify(record, CaseOpened.type, opened)
        if resolved is not None:
            self._happened("service.cases_resolved", "resolved", resolved)
        reopened = _moment(record["reopened_at"])
        if reopened is not None:  # when it was resolved before, its record does not say
            first, last = self._period(opened), self._period(reopened)
            doubtful = range(max(first, 0), min(last, len(self.boundaries) - 2) + 1)
            self._unknown[Figure("service.cases_resolved", "resolved")].update(doubtful)
            self._unknown[Figure("service.backlog", "open")].update(
                period for period in doubtful if self.boundaries[period + 1] <= reopened
            )
        for period in self._stood(reopened or opened, resolved):
            self._count("service.backlog", "open", period)

    def _touchpoint(self, record: Record) -> None:
        self._happened("marketing.touchpoints", "touchpoints", _created(record))
        self._qualify(record, TouchpointRecorded.type, _created(record))

    def _customer(self, record: Record) -> None:
        self._qualify({"customer_id": record["id"]}, CustomerCreated.type, _created(record))

    # Sums

    def _period(self, at: datetime) -> int:
        """-1 before the first one, one more than the last after it."""
        return bisect_right(self.boundaries, at) - 1

    def _periods(self) -> int:
        return len(self.boundaries) - 1

    def _stood(self, since: datetime, until: datetime | None) -> Iterator[int]:
        """The periods at whose end it stood so."""
        for period, end in enumerate(self.boundaries[1:]):
            if since < end and (until is None or until >= end):
                yield period

    def _happened(self, metric: str, component: str, at: datetime) -> None:
        self._count(metric, component, self._period(at))

    def _spent(self, metric: str, component: str, at: datetime, record: Record) -> None:
        self._sum(metric, component, self._period(at), record)

    def _count(self, metric: str, component: str, period: int) -> None:
        self._add(Figure(metric, component), period, Decimal(1))

    def _sum(self, metric: str, component: str, period: int, record: Record) -> None:
        if record["value"] is not None:
            self._add(Figure(metric, component, record["currency"]), period, Decimal(record["value"]))

    def _add(self, figure: Figure, period: int, number: Decimal) -> None:
        if 0 <= period < self._periods():
            self._sums[figure][period] += number

    # Activity: by a rule, an event at t makes its customer active for those T with T - window <= t < T

    def _qualify(self, record: Record, type: str, at: datetime) -> None:
        if not record.get("customer_id") or at >= self.boundaries[-1]:
            return
        named = UUID(record["customer_id"])
        customer = self.survivors.get(named, named)
        rule = self.policy.segments.get(self.segments.get(customer, ""), self.policy.default)
        if type not in rule.types:
            return
        first = bisect_right(self.boundaries, at)
        known = self._active.get(customer)
        if known is not None:
            first = min(first, known >> len(self.boundaries))
            known &= self._all
        self._active[customer] = first << len(self.boundaries) | (known or 0) | self._bits(at, rule.window)

    @property
    def _all(self) -> int:
        return (1 << len(self.boundaries)) - 1

    def _bits(self, at: datetime, window: timedelta) -> int:
        """The boundaries at which an event at that time makes its customer active."""
        low = bisect_right(self.boundaries, at)
        high = bisect_right(self.boundaries, at + window)
        return (1 << high) - (1 << low)

    def _activity(self) -> Mapping[str, Sequence[Decimal | None]]:
        names, periods = ("S", "E", "N", "W", "new"), self._periods()
        if self._unrecorded or self.policy.is_contractual:
            return {name: [None] * periods for name in names}
        counts = {name: [0] * periods for name in names}
        for packed in self._active.values():
            first = (packed >> len(self.boundaries)) - 1
            for period in range(periods):
                start, end = packed >> period & 1, packed >> (period + 1) & 1
                counts["S"][period] += start
                counts["E"][period] += end
                counts["N"][period] += end and first >= period
                counts["W"][period] += end and not start and first < period
                counts["new"][period] += first == period
        return {name: [Decimal(number) for number in numbers] for name, numbers in counts.items()}


def differences(
    boundaries: Sequence[datetime],
    expected: Mapping[Figure, Sequence[Decimal | None]],
    found: Sequence[Mapping[Figure, float | None]],
) -> tuple[int, list[Difference]]:
    """Of one metric. How many numbers were compared, and the ones that differ. What is not found is 0: of a
    currency that a period has not."""
    compared, different = 0, []
    for figure, numbers in expected.items():
        for (starts_at, ends_at), number, counted in zip(pairwise(boundaries), numbers, found, strict=True):
            if number is None:
                continue
            compared += 1
            known, answer = float(round(number, DIGITS)), counted.get(figure, 0.0)
            if answer != known:
                different.append(Difference(figure.component, starts_at, ends_at, known, answer, figure.currency))
    return compared, different


_QUALIFYING = frozenset(
    each.type
    for each in (
        CustomerCreated,
        ContactCreated,
        TouchpointRecorded,
        OpportunityOpened,
        OpportunityWon,
        OpportunityLost,
        OrderPlaced,
        OrderReturned,
        CaseOpened,
    )
)
"""What may make a customer active and of which records say when it happened."""


def _closings(record: Record) -> Iterator[tuple[str, datetime, datetime | None]]:
    """Yields each time that an opportunity was won or lost: the stage, when, and when it was reopened, if it was."""
    for each in record.get("visits", ()):
        if each["stage"] in ("won", "lost") and (reopened := _moment(each["left_at"])) is not None:
            yield each["stage"], msgspec.convert(each["entered_at"], datetime), reopened
    if (closed := _moment(record["closed_at"])) is not None:
        yield record["stage"], closed, None


def _created(record: Record) -> datetime:
    return msgspec.convert(record["created_at"], datetime)


def _updated(record: Record) -> datetime:
    return msgspec.convert(record["updated_at"], datetime)


def _moment(text: str | None) -> datetime | None:
    return msgspec.convert(text, datetime | None)
