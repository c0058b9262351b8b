"""A shop: who bought what when, as events, and what plain Python makes of it."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import ceil
from random import Random
from statistics import mean
from typing import Any
from uuid import UUID

from tests.analytics.conftest import at, happened

from analytics.customer_value.rfm import SEGMENT
from kith.events.contacts import CustomerCreated
from kith.events.envelope import Envelope
from kith.events.sales import OrderPlaced, OrderReturned
from kith.ids import new_id

BEGIN = at("2000-01-01")


@dataclass
class Shop:
    """Orders and returns, and what plain Python makes of them."""

    tenant: str
    segments: dict[UUID, str | None] = field(default_factory=dict)
    tags: dict[UUID, list[str]] = field(default_factory=dict)
    orders: list[tuple[UUID, datetime, Decimal]] = field(default_factory=list)
    returns: list[tuple[UUID, datetime, Decimal]] = field(default_factory=list)

    def events(self) -> list[Envelope]:
        return [
            *(
                happened(
                    CustomerCreated(kind="person", segment=segment, tags=self.tags.get(id, [])),
                    self.tenant,
                    at("2009-01-01"),
                    id,
                )
                for id, segment in self.segments.items()
            ),
            *(
                happened(OrderPlaced(value=value, currency="EUR"), self.tenant, time, id)
                for id, time, value in self.orders
            ),
            *(
                happened(OrderReturned(value=value, currency="EUR"), self.tenant, time, id)
                for id, time, value in self.returns
            ),
        ]

    def buyers(self, end: datetime, segment: str | None = "any") -> list[UUID]:
        known = {id for id in self.segments if "unidentified" not in self.tags.get(id, [])}
        return sorted(
            {id for id, time, _ in self.orders if time < end and id in known}
            & {id for id in known if segment in ("any", self.segments[id])}
        )

    def revenue(self, id: UUID, end: datetime, start: datetime = BEGIN) -> Decimal:
        def of(rows: Sequence[tuple[UUID, datetime, Decimal]]) -> Decimal:
            return sum((value for who, time, value in rows if who == id and start <= time < end), Decimal())

        return of(self.orders) - of(self.returns)

    def rfm(self, end: datetime, among: Sequence[UUID]) -> dict[UUID, tuple[int, int, int]]:
        def fifths(number: Callable[[UUID], Any]) -> dict[UUID, int]:
            numbers = {id: number(id) for id in among}
            places: dict[Any, list[int]] = defaultdict(list)
            for place, value in enumerate(sorted(numbers.values()), start=1):
                places[value].append(place)
            return {id: ceil(5 * Fraction(mean(places[numbers[id]])) / len(numbers)) for id in among}

        mine = [(id, time) for id, time, _ in self.orders if time < end]
        r = fifths(lambda customer: max(time for who, time in mine if who == customer))
        f = fifths(lambda customer: sum(who == customer for who, _ in mine))
        m = fifths(lambda customer: self.revenue(customer, end))
        return {id: (r[id], f[id], m[id]) for id in among}

    def labels(self, end: datetime, among: Sequence[UUID]) -> dict[UUID, str]:
        return {id: str(SEGMENT[r, (f + m + 1) // 2]) for id, (r, f, m) in self.rfm(end, among).items()}

    def churn(self, end: datetime, segment: str | None) -> float | None:
        def active(id: UUID, when: datetime) -> bool:
            return any(who == id and when - timedelta(days=90) <= time < when for who, time, _ in self.orders)

        before = end.replace(year=end.year - 1)
        were = [id for id in self.buyers(end, segment) if active(id, before)]
        return sum(not active(id, end) for id in were) / len(were) if were else None

    def simple(self, end: datetime) -> dict[UUID, float]:
        before = end.replace(year=end.year - 1)
        found = {}
        for id in self.buyers(end):
            orders = [time for who, time, _ in self.orders if who == id and before <= time < end]
            churn = self.churn(end, self.segments[id])
            if orders and churn:
                average = float(self.revenue(id, end, before)) / len(orders)
                found[id] = average * len(orders) / churn
        return found

    def histories(self, end: datetime) -> list[tuple[int, float, float, float]]:
        """x, t_x, T and the mean value of repeat transactions, net, of each buyer."""
        last, found = (end - timedelta(microseconds=1)).date(), []
        for id in self.buyers(end):
            days: dict[Any, Decimal] = defaultdict(Decimal)
            for who, time, value in self.orders:
                if who == id and time < end:
                    days[time.date()] += value
            first, ordered = min(days), sum(days.values(), Decimal())
            kept = max(self.revenue(id, end) / ordered, Decimal()) if ordered else Decimal()
            repeats = [value for day, value in days.items() if day != first]
            mean = sum(repeats, Decimal()) / len(repeats) * kept if repeats else Decimal()
            weeks = ((max(days) - first).days / 7, (last - first).days / 7)
            found.append((len(repeats), *weeks, float(mean)))
        return found

    @classmethod
    def of_two_years(cls, tenant: str) -> "Shop":
        """A hundred and fifty customers of three segments, of two years; most buy some times and leave."""
        random = Random(7)
        shop = cls(tenant)
        for number in range(150):
            id = new_id()
            shop.segments[id] = ("gold", "silver", None)[number % 3]
            shop.tags[id] = [["a"], ["a", "b"], []][number % 4 % 3]
            time, gap = at("2010-01-01") + timedelta(days=random.random() * 500), 10 + random.expovariate(1 / 60)
            mean = random.gammavariate(4, 15)
            while time < at("2012-03-01"):
                value = Decimal(str(round(random.gammavariate(5, mean / 5), 4)))
                shop.orders.append((id, time, value))
                if random.random() < 0.1:
                    shop.returns.append((id, time + timedelta(days=random.random() * 20), round(value / 2, 2)))
                if random.random() < 0.12:
                    break
                time += timedelta(days=random.expovariate(1 / gap))
        collective = new_id()
        shop.segments[collective], shop.tags[collective] = None, ["unidentified"]
        shop.orders += [(collective, at("2011-12-01") + timedelta(hours=hour), Decimal(99)) for hour in range(50)]
        only_returned = new_id()
        shop.segments[only_returned] = "gold"
        shop.returns.append((only_returned, at("2011-05-01"), Decimal(5)))
        return shop
