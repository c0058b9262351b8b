"""Monthly recurring revenue and its movements, against a straight computation over the same spans."""

import json
import random
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any, NamedTuple
from uuid import UUID

import httpx
import msgspec
import pytest
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.analytics.conftest import Fold, at, happened

from analytics.health.model.definition import BANDS
from analytics.health.scores.tables import health_changes
from kith.events.contacts import CustomerCreated, CustomerMerged
from kith.events.envelope import Envelope
from kith.events.subscriptions import SubscriptionCancelled, SubscriptionEnded, SubscriptionRenewed, SubscriptionStarted
from kith.events.subscriptions import SubscriptionStep as Step
from kith.ids import new_id

Headers = dict[str, str]
MOVEMENTS = ("new", "reactivation", "expansion", "contraction", "churn")
BEGIN = at("2024-01-01")
STEP = {
    "starts_at": "2024-01-01T00:00:00Z",
    "status": "paused",
    "plan": "pro",
    "seats": 1,
    "unit_price": "1",
    "billing_period": "monthly",
    "mrr": "0",
}


class Span(NamedTuple):
    customer: UUID
    starts_at: datetime
    ends_at: datetime | None
    mrr: Decimal
    currency: str
    plan: str


def steps(*of: tuple[str | datetime, str, int | str]) -> list[Step]:
    """Of a day, a status and what a month comes to then."""
    return [
        Step(
            starts_at=at(day) if isinstance(day, str) else day,
            status=status,
            plan="pro",
            seats=1,
            unit_price=Decimal(mrr),
            billing_period="monthly",
            mrr=Decimal(mrr) if status == "active" else Decimal(0),
        )
        for day, status, mrr in of
    ]


def started(of: Iterable[Step], *, currency: str = "EUR", plan: str = "pro") -> SubscriptionStarted:
    found = list(of)
    return SubscriptionStarted(
        plan=plan,
        seats=1,
        unit_price=Decimal(1),
        currency=currency,
        billing_period="monthly",
        starts_at=found[0].starts_at,
        mrr=found[0].mrr,
        steps=found,
        auto_renew=True,
    )


def straight(spans: list[Span], start: datetime, end: datetime, by_plan: bool) -> dict[Any, dict[str, Decimal]]:
    """By currency and plan, the amounts at the two ends and what they moved by between them."""

    def paid(at: datetime) -> dict[UUID, dict[Any, Decimal]]:
        found: dict[UUID, dict[Any, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
        for span in spans:
            if span.starts_at <= at and (span.ends_at is None or at < span.ends_at):
                found[span.customer][span.currency, span.plan if by_plan else None] += span.mrr
        return found

    before, after = paid(start), paid(end)
    once = {span.customer for span in spans if span.starts_at <= start and span.mrr}
    found: dict[Any, dict[str, Decimal]] = defaultdict(lambda: dict.fromkeys(("start", *MOVEMENTS, "end"), Decimal()))
    for customer in before.keys() | after.keys():
        for group in before[customer].keys() | after[customer].keys():
            was, now = before[customer][group], after[customer][group]
            mine = found[group]
            mine["start"] += was
            mine["end"] += now
            if not sum(before[customer].values()):
                mine["reactivation" if customer in once else "new"] += now
            elif not sum(after[customer].values()):
                mine["churn"] += was
            else:
                mine["expansion" if now > was else "contraction"] += abs(now - was)
    return {group: parts for group, parts in found.items() if any(parts.values())}


def random_course(chance: random.Random, tenant: str, customers: list[UUID]) -> tuple[list[Envelope], list[Span]]:
    """A subscription, started and then told anew with another course, late or not; and when it was in force, and paid
    what."""
    customer, subject = chance.choice(customers), new_id()
    currency, plan = chance.choice(("EUR", "EUR", "JPY")), chance.choice(("pro", "basic"))
    courses = []
    for _ in range(chance.choice((1, 2))):
        moment, found = BEGIN + timedelta(days=chance.randrange(400)), []
        for _ in range(chance.randrange(1, 6)):
            found.append(
                (moment, chance.choice(("active", "active", "trial", "paused", "ended")), chance.randrange(500))
            )
            moment += timedelta(days=chance.choice((0, 1, 30, 31, 90)), microseconds=1)
        courses.append(steps(*found))
    events: list[Any] = [started(courses[0], currency=currency, plan=plan)]
    events += [
        SubscriptionCancelled(
            effective_at=BEGIN,
            mrr=Decimal(0),
            currency=currency,
            plan=plan,
            seats=1,
            unit_price=Decimal(1),
            billing_period="monthly",
            steps=each,
        )
        for each in courses[1:]
    ]
    told = [
        happened(event, tenant, BEGIN + timedelta(days=day), customer, subject=subject, aggregate_version=day + 1)
        for day, event in enumerate(events)
    ]
    return told, [
        Span(customer, step.starts_at, then.starts_at if then else None, step.mrr, currency, step.plan)
        for step, then in pairwise([*courses[-1], None])
        if step is not None and step.status != "ended"
    ]


@pytest.mark.parametrize("seed", range(3))
async def test_movements_are_what_a_straight_computation_comes_to_and_always_add_up(
    fold: Fold, analytics: httpx.AsyncClient, mine: Headers, tenant: str, seed: int
) -> None:
    chance = random.Random(seed)
    customers = [new_id() for _ in range(12)]
    into, gone = customers[0], customers[1]
    told, spans = [], []
    for _ in range(60):
        events, of_it = random_course(chance, tenant, customers)
        told += events
        spans += of_it
    told += [
        happened(CustomerCreated(kind="person"), tenant, BEGIN, gone, subject=gone),
        happened(CustomerMerged(into=into), tenant, BEGIN, gone, subject=gone, aggregate_version=2),
    ]
    spans = [span._replace(customer=into if span.customer == gone else span.customer) for span in spans]
    chance.shuffle(told)  # late events among them
    for place in range(0, len(told), 25):
        await fold(*told[place : place + 25])

    for _ in range(6):
        start = BEGIN + timedelta(days=chance.randrange(400), microseconds=chance.choice((0, 1)))
        months = [start + timedelta(days=30 * number) for number in range(chance.choice((2, 5)))]
        params: dict[str, Any] = {"from": months[0].isoformat(), "to": months[-1].isoformat()}
        answer = await analytics.get("/v1/metrics/mrr", params=params | {"groupBy": ["currency", "plan"]}, headers=mine)
        shown = {tuple(key["value"] for key in each["group"]): parts(each) for each in answer.json()["breakdown"]}
        assert shown == straight(spans, months[0], months[-1], by_plan=True)

        whole = (await analytics.get("/v1/metrics/mrr", params=params, headers=mine)).json()
        shown = {(each["currency"], None): parts(each) for each in whole["by_currency"]}
        wanted = straight(spans, months[0], months[-1], by_plan=False)
        assert shown == wanted
        for of in wanted.values():
            gained = of["new"] + of["reactivation"] + of["expansion"]
            assert of["start"] + gained - of["contraction"] - of["churn"] == of["end"]

        only_pro = await analytics.get("/v1/metrics/mrr", params=params | {"filter": "plan:pro"}, headers=mine)
        shown = {each["currency"]: parts(each) for each in only_pro.json()["by_currency"]}
        by_plan = straight(spans, months[0], months[-1], by_plan=True)
        assert shown == {currency: of for (currency, plan), of in by_plan.items() if plan == "pro"}

        for name in ("end", "start", *MOVEMENTS):
            page = await analytics.get(
                "/v1/metrics/mrr/members", params=params | {"part": name, "first": 200}, headers=mine
            )
            sums: dict[str, Decimal] = defaultdict(Decimal)
            for member in page.json()["items"]:
                assert member["type"].startswith("sales.subscription.")
                for amount in member["by_currency"]:
                    sums[amount["currency"]] += Decimal(str(amount["value"]))
            assert sums == {currency: of[name] for (currency, _), of in wanted.items() if of[name]}, name


@pytest.mark.parametrize("seed", range(2))
async def test_annual_revenue_is_divided_by_what_health_said_at_the_instant(
    fold: Fold, analytics: httpx.AsyncClient, mine: Headers, tenant: str, worker: AsyncEngine, seed: int
) -> None:
    chance = random.Random(100 + seed)
    customers, told, spans = [new_id() for _ in range(10)], [], []
    for _ in range(30):
        events, of_it = random_course(chance, tenant, customers)
        told += events
        spans += of_it
    await fold(*told)
    said: dict[UUID, list[tuple[datetime, str | None]]] = {customer: [] for customer in customers[1:]}
    async with worker.begin() as connection:
        for customer, changes in said.items():
            for _ in range(chance.randrange(6)):
                when, band = BEGIN + timedelta(days=chance.randrange(400)), chance.choice((*BANDS, None))
                changes.append((when, band))
                await connection.execute(
                    insert(health_changes).values(
                        tenant_id=tenant, id=new_id(), customer_id=customer, at=when, recorded_at=when, cause="event",
                        band=band, coverage=1, drivers=[],
                    )
                )  # fmt: skip

    def said_of(customer: UUID, at: datetime) -> str | None:
        before = [each for each in said.get(customer, []) if each[0] <= at]
        return max(before, key=lambda each: each[0])[1] if before else None

    for _ in range(8):
        turns = [when for changes in said.values() for when, _ in changes]
        instant = chance.choice(turns) + timedelta(microseconds=chance.choice((-1, 0, 1)))
        wanted: dict[tuple[str | None, str], Decimal] = defaultdict(Decimal)
        whose: dict[str | None, set[str]] = defaultdict(set)
        for span in spans:
            if span.mrr and span.starts_at <= instant and (span.ends_at is None or instant < span.ends_at):
                held = said_of(span.customer, instant)
                wanted[held, span.currency] += 12 * span.mrr
                whose[held].add(str(span.customer))
        params: dict[str, Any] = {"from": BEGIN.isoformat(), "to": instant.isoformat()}
        answer = await analytics.get(
            "/v1/metrics/arr_at_risk", params=params | {"groupBy": ["band", "currency"]}, headers=mine
        )
        shown = {tuple(key["value"] for key in each["group"]): parts(each) for each in answer.json()["breakdown"]}
        assert {key: of["arr"] for key, of in shown.items() if of["arr"]} == wanted
        for one in (*BANDS, ""):
            members = await analytics.get(
                "/v1/metrics/arr_at_risk/members",
                params=params | {"filter": f"band:{one}", "first": 200},
                headers=mine,
            )
            assert {each["customer_id"] for each in members.json()["items"]} == whose[one or None], one


def parts(shown: Any) -> dict[str, Decimal]:
    return {each["name"]: Decimal(str(each["value"])) for each in shown["components"]}


async def test_a_series_goes_period_by_period(
    fold: Fold, analytics: httpx.AsyncClient, mine: Headers, tenant: str
) -> None:
    course = steps(
        ("2024-01-10", "trial", 100),
        ("2024-01-20", "active", 100),
        ("2024-03-01", "paused", 100),
        ("2024-04-15", "active", 130),
        ("2024-05-10", "ended", 130),
    )
    await fold(happened(started(course), tenant, at("2024-01-10"), new_id()))

    async def series(id: str) -> list[float]:
        params = {"from": "2024-01-01T00:00:00Z", "to": "2024-06-01T00:00:00Z", "grain": "month"}
        answer = await analytics.get(f"/v1/metrics/{id}", params=params, headers=mine)
        return [each["value"] for each in answer.json()["breakdown"]]

    assert await series("mrr") == [100, 0, 0, 130, 0]  # in force until before March
    assert await series("mrr.new") == [100, 0, 0, 0, 0]
    assert await series("mrr.reactivation") == [0, 0, 0, 130, 0]
    assert await series("mrr.churn") == [0, 100, 0, 0, 130]
    assert await series("mrr.expansion") == [0] * 5
    assert await series("mrr.paying_customers") == [1, 0, 0, 1, 0]
    assert await series("nrr") == [None, 0, None, None, 0]


async def test_a_subscription_of_nobody_stands_for_itself(
    fold: Fold, analytics: httpx.AsyncClient, mine: Headers, tenant: str
) -> None:
    event = happened(started(steps(("2024-01-10", "active", 100))), tenant, at("2024-01-10"), None)
    await fold(event)
    params = {"from": "2024-01-01T00:00:00Z", "to": "2024-02-01T00:00:00Z"}
    (member,) = (await analytics.get("/v1/metrics/mrr/members", params=params, headers=mine)).json()["items"]
    assert (member["value"], member["customer_id"]) == (100, None)
    assert (member["subject"], member["event_id"]) == (str(event.subject), str(event.id))


async def test_renewal_rates_are_of_what_was_due(
    fold: Fold, analytics: httpx.AsyncClient, mine: Headers, tenant: str
) -> None:
    course, end = steps(("2024-01-01", "active", 100)), at("2024-04-01")
    events: list[Envelope] = []
    for value, at_term_end in ((100, True), (300, None), (50, False), (600, None)):
        renewed = SubscriptionRenewed(
            effective_at=end,
            mrr=Decimal(10),
            currency="EUR",
            plan="pro",
            seats=1,
            unit_price=Decimal(10),
            billing_period="monthly",
            steps=course,
            value=Decimal(value),
            term_months=3,
            term_starts_at=end,
            term_ends_at=end,
        )
        ended = SubscriptionEnded(
            effective_at=end, value=Decimal(value), currency="EUR", at_term_end=bool(at_term_end), reason="pricing"
        )
        subject, customer = new_id(), new_id()
        events += [
            happened(started(course), tenant, at("2024-01-01"), customer, subject=subject),
            happened(
                renewed if at_term_end is None else ended, tenant, end, customer, subject=subject, aggregate_version=2
            ),
        ]
    await fold(*events)
    params = {"from": "2024-04-01T00:00:00Z", "to": "2024-05-01T00:00:00Z"}
    for id, rate in (("sales.renewal_rate", 66.6667), ("sales.renewal_rate_value", 90.0)):
        answer = await analytics.get(f"/v1/metrics/{id}", params=params, headers=mine)
        assert answer.json()["value"] == rate
    for id, sums in (("sales.subscriptions_ended", {"pricing": 2}), ("mrr.ended", {"pricing": 150})):
        by_reason = await analytics.get(f"/v1/metrics/{id}", params=params | {"groupBy": "end_reason"}, headers=mine)
        assert {each["group"][0]["value"]: each["value"] for each in by_reason.json()["breakdown"]} == sums


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 7},
        {"steps": [STEP | {"starts_at": "2024-01-01T00:00:00"}]},
        {"steps": [STEP | {"mrr": "1e40"}]},
        {"steps": [STEP | {"mrr": "NaN"}]},
        {"steps": [STEP | {"seats": 9_999_999_999}]},
        {"steps": [STEP], "product_id": "none", "currency": None},
    ],
)
async def test_steps_that_cannot_be_count_for_nothing_and_hold_up_nobody(
    fold: Fold, analytics: httpx.AsyncClient, mine: Headers, tenant: str, wrong: Any
) -> None:
    poison = msgspec.structs.replace(
        happened(started(steps(("2024-01-01", "active", 1))), tenant, at("2024-01-01"), new_id()),
        data=json.dumps({"currency": "EUR"} | wrong).encode(),
    )
    await fold(poison, happened(started(steps(("2024-01-01", "active", 50))), tenant, at("2024-01-01"), new_id()))
    params = {"from": "2024-01-01T00:00:00Z", "to": "2024-05-01T00:00:00Z"}
    assert (await analytics.get("/v1/metrics/mrr", params=params, headers=mine)).json()["value"] == 50
