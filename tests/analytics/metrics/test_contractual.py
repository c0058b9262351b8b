"""Contractual customers: every figure that goes by activity against a straight computation over the same histories."""

import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import httpx
import msgspec
import pytest
from tests.analytics.conftest import Fold, at, happened
from tests.analytics.metrics.kinds.test_recurring import Span, random_course, started, steps

from kith.events.contacts import ActivityPolicy, ActivityRule, CustomerCreated, CustomerMerged, SettingsChanged
from kith.events.envelope import Envelope
from kith.events.sales import OrderPlaced
from kith.ids import new_id

Headers = dict[str, str]
BEGIN = at("2024-01-01")
BOUGHT = OrderPlaced(value=Decimal(1), currency="EUR")
ORDERS = [OrderPlaced.type]
TOLD = at("2025-03-01")
"""When the first half of what happened was recorded."""
LATER = at("2025-06-01")


class Policy(NamedTuple):
    """Which segments have a contractual rule, and which rule all others have."""

    default: ActivityRule
    segments: dict[str, ActivityRule] = {}  # noqa: RUF012 - it is never changed

    def event(self) -> SettingsChanged:
        return SettingsChanged(time_zone="UTC", activity=ActivityPolicy(self.default, self.segments))


ALL = Policy(ActivityRule(ORDERS, 90, contractual=True))
ONE_SEGMENT = Policy(ActivityRule(ORDERS, 90), {"saas": ActivityRule(ORDERS, 90, contractual=True)})
ALL_BUT_ONE = Policy(ActivityRule(ORDERS, 90, contractual=True), {"shop": ActivityRule(ORDERS, 90)})


class Customer:
    """What is known of one: when it ordered, and when a subscription of it was in force."""

    def __init__(self, rule: ActivityRule, orders: Iterable[datetime], held: Iterable[Span]) -> None:
        self.held = list(held) if rule.contractual else []
        self.first = min((each.starts_at for each in self.held), default=datetime.max.replace(tzinfo=UTC))
        self.orders = sorted(each for each in orders if each < self.first)
        self.window = timedelta(days=rule.window_days)

    def active(self, now: datetime) -> bool:
        if now >= self.first:
            return any(each.starts_at <= now and (each.ends_at is None or now < each.ends_at) for each in self.held)
        return any(now - self.window <= each < now for each in self.orders)

    def since(self) -> datetime:
        return min([self.first, *self.orders])

    def before(self, start: datetime) -> bool:
        return self.first <= start or any(each < start for each in self.orders)

    def during(self, start: datetime, end: datetime) -> bool:
        held = any(each.starts_at < end and (each.ends_at is None or each.ends_at > start) for each in self.held)
        return held or any(each < end and min(each + self.window, self.first) >= start for each in self.orders)

    def came(self, start: datetime, end: datetime) -> bool:
        """Whether it has a cell of the matrix."""
        held = any(each.starts_at < end and (each.ends_at is None or each.ends_at > start) for each in self.held)
        return held or any(start <= each < end for each in self.orders)


class House(NamedTuple):
    told: list[Envelope]
    customers: dict[UUID, Customer]


def house(tenant: str, policy: Policy, chance: random.Random, known_at: datetime | None = None) -> House:
    """Orders and subscriptions of some customers, of which one was merged; as known at an instant, where one is given.
    Chance says the same again if it is seeded the same."""
    ids = [UUID(int=chance.getrandbits(128), version=4) for _ in range(14)]
    into, gone = ids[0], ids[1]
    segments = {each: chance.choice(("saas", "shop", None)) for each in ids}
    told: list[Envelope] = [happened(policy.event(), tenant, BEGIN)]
    orders: list[tuple[datetime, UUID, datetime]] = []
    held: list[tuple[datetime, Span]] = []
    for _ in range(50):
        time, customer = (
            BEGIN + timedelta(days=chance.randrange(450), hours=chance.choice((0, 0, 7))),
            chance.choice(ids),
        )
        recorded = chance.choice((TOLD, LATER))
        orders.append((recorded, customer, time))
        told.append(happened(BOUGHT, tenant, time, customer, recorded_at=recorded))
    for _ in range(22):
        of_it, spans = random_course(chance, tenant, ids[:9])
        recorded = chance.choice((TOLD, LATER))
        held += [(recorded, each) for each in spans]
        told += [msgspec.structs.replace(each, recorded_at=recorded) for each in of_it]
    for customer in ids[9:12]:  # which order, subscribe, and leave soon
        start = BEGIN + timedelta(days=chance.randrange(300))
        end = start + timedelta(days=chance.randrange(1, 40))
        orders.append((TOLD, customer, start - timedelta(days=3)))
        held.append((TOLD, Span(customer, start, end, Decimal(9), "EUR", "pro")))
        told.append(happened(BOUGHT, tenant, orders[-1][2], customer, recorded_at=TOLD))
        course = started(steps((start, "active", 9), (end, "ended", 9)))
        told.append(happened(course, tenant, start, customer, recorded_at=TOLD))
    for id, segment in segments.items():
        told.append(happened(CustomerCreated(kind="person", segment=segment), tenant, BEGIN, id, recorded_at=TOLD))
    told.append(happened(CustomerMerged(into=into), tenant, BEGIN, gone, aggregate_version=2, recorded_at=TOLD))
    chance.shuffle(told)

    def known(rows: Iterable[tuple[Any, ...]]) -> list[Any]:
        return [row[1:] for row in rows if known_at is None or row[0] <= known_at]

    def now(customer: UUID) -> UUID:
        return into if customer == gone else customer

    customers = {
        id: Customer(
            policy.segments.get(segments[id] or "", policy.default),
            [time for customer, time in known(orders) if now(customer) == id],
            [span for (span,) in known(held) if now(span.customer) == id],
        )
        for id in ids
        if id != gone
    }
    return House(told, customers)


def counts(customers: Iterable[Customer], start: datetime, end: datetime) -> dict[str, int]:
    each = list(customers)
    return {
        "S": sum(c.active(start) for c in each),
        "E": sum(c.active(end) for c in each),
        "N": sum(c.active(end) and not c.before(start) for c in each),
        "W": sum(c.active(end) and c.before(start) and not c.active(start) for c in each),
    }


@pytest.mark.parametrize("policy", [ALL, ONE_SEGMENT, ALL_BUT_ONE], ids=["all", "one segment", "all but one"])
@pytest.mark.parametrize("seed", range(3))
async def test_all_figures_are_what_a_straight_computation_comes_to(
    fold: Fold, analytics: httpx.AsyncClient, mine: Headers, tenant: str, policy: Policy, seed: int
) -> None:
    told, customers = house(tenant, policy, random.Random(seed))
    for place in range(0, len(told), 30):
        await fold(*told[place : place + 30])

    async def asked(path: str, **params: Any) -> Any:
        answer = await analytics.get(f"/v1/metrics/{path}", params=params, headers=mine)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def of(id: str, **params: Any) -> dict[str, float]:
        return {each["name"]: each["value"] for each in (await asked(id, **params))["components"]}

    chance = random.Random(seed)
    starts = [span.starts_at for each in customers.values() for span in each.held]
    for _ in range(8):
        # At and around the instants at which something changes.
        start = chance.choice([*starts, BEGIN]) + chance.choice((-1, 0, 1)) * timedelta(microseconds=1)
        end = chance.choice([start + timedelta(days=40), max([*starts, start + timedelta(days=1)])])
        how = {"from": start.isoformat(), "to": end.isoformat()}
        each = list(customers.values())
        assert await of("retention.crr", **how) == counts(each, start, end)
        churned = {id for id, c in customers.items() if c.active(start) and not c.active(end)}
        assert (await asked("retention.churned", **how))["value"] == len(churned)
        assert await of("sales.new_customers", **how) == {"new": sum(start <= c.since() < end for c in each)}
        assert (await of("arpu", **how))["active"] == sum(c.during(start, end) for c in each)
        ordered = [c for c in each if c.active(end)]
        assert (await of("loyalty.loyal_share", **how))["active"] == len(ordered)
        for part, wanted in (
            ("S", {id for id, c in customers.items() if c.active(start)}),
            ("E", {id for id, c in customers.items() if c.active(end)}),
        ):
            page = (await asked("retention.crr/members", **how, part=part, first=100))["items"]
            assert {UUID(member["customer_id"]) for member in page} == wanted
            for member in page:
                kind, c = member["type"], customers[UUID(member["customer_id"])]
                subscribed = c.first <= (end if part == "E" or c.active(end) else start)
                assert kind.startswith("sales.subscription." if subscribed else "sales.order."), (part, kind)

    year = {"from": "2024-01-01T00:00:00Z", "to": "2025-01-01T00:00:00Z"}
    series = (await asked("retention.crr", **year, grain="month"))["breakdown"]
    months = [at(f"2024-{month:02}-01") for month in range(1, 13)] + [at("2025-01-01")]
    for place, month in enumerate(series):
        shown = {one["name"]: one["value"] for one in month["components"]}
        assert shown == counts(customers.values(), months[place], months[place + 1])
    await same_matrix(analytics, mine, customers, months, year)


async def same_matrix(
    analytics: httpx.AsyncClient,
    mine: Headers,
    customers: dict[UUID, Customer],
    months: Sequence[datetime],
    year: dict[str, str],
) -> None:
    shown = (await analytics.get("/v1/cohorts", params=year, headers=mine)).json()["rows"]
    for row in range(12):
        cohort = {id: c for id, c in customers.items() if months[row] <= c.since() < months[row + 1]}
        assert shown[row]["size"] == len(cohort)
        for cell in shown[row]["cells"]:
            there = {id for id, c in cohort.items() if c.came(*months[row + cell["period"] :][:2])}
            assert cell["customers"] == len(there)
            if there:
                which = year | {"row": str(row), "period": str(cell["period"])}
                page = await analytics.get("/v1/cohorts/members", params=which, headers=mine)
                assert {UUID(each["customer_id"]) for each in page.json()["items"]} == there


@pytest.mark.parametrize("seed", range(2))
async def test_as_known_then_what_was_recorded_later_counts_for_nothing(
    fold: Fold, analytics: httpx.AsyncClient, mine: Headers, tenant: str, seed: int
) -> None:
    told, _ = house(tenant, ALL, random.Random(seed))
    then = house(tenant, ALL, random.Random(seed), known_at=TOLD).customers
    told = [
        each if each.type != SettingsChanged.type else msgspec.structs.replace(each, recorded_at=TOLD) for each in told
    ]
    await fold(*told)
    for start, end in (("2024-03-01", "2024-09-01"), ("2024-06-01", "2025-02-01")):
        how = {"from": f"{start}T00:00:00Z", "to": f"{end}T00:00:00Z", "knownAt": "2025-03-01T00:00:00Z"}
        answer = (await analytics.get("/v1/metrics/retention.crr", params=how, headers=mine)).json()
        shown = {each["name"]: each["value"] for each in answer["components"]}
        assert shown == counts(then.values(), at(start), at(end))


async def test_a_pause_and_a_trial_are_in_force_and_an_order_after_the_end_is_not(
    fold: Fold, analytics: httpx.AsyncClient, mine: Headers, tenant: str
) -> None:
    customer = new_id()
    course = steps(
        ("2024-02-01", "trial", 10),
        ("2024-03-01", "active", 10),
        ("2024-04-01", "paused", 10),
        ("2024-05-01", "ended", 10),
    )
    await fold(
        happened(ALL.event(), tenant, BEGIN),
        happened(BOUGHT, tenant, at("2024-01-10"), customer),
        happened(started(course), tenant, at("2024-02-01"), customer),
        happened(BOUGHT, tenant, at("2024-05-20"), customer),
    )

    async def active(day: str) -> float:
        answer = await analytics.get(
            "/v1/metrics/customers.active",
            params={"from": "2024-01-01T00:00:00Z", "to": f"{day}T00:00:00Z"},
            headers=mine,
        )
        value: float = answer.json()["value"]
        return value

    days = ("2024-01-10", "2024-01-11", "2024-02-15", "2024-03-15", "2024-04-15", "2024-05-01", "2024-06-01")
    assert [await active(day) for day in days] == [0, 1, 1, 1, 1, 0, 0]
