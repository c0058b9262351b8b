"""Figures in one currency, against a straight computation: each amount at the rate of its event's day."""

import random
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import pytest
from tests.analytics.conftest import Fold, at, happened
from tests.analytics.metrics.kinds.test_recurring import started, steps

from kith.events.contacts import ActivityPolicy, ActivityRule, SettingsChanged
from kith.events.envelope import Envelope
from kith.events.exchange_rates import ExchangeRateAmended, ExchangeRateCreated
from kith.events.sales import OpportunityOpened, OrderPlaced, OrderReturned
from kith.ids import new_id
from kith.scalars.currencies import MINOR_UNITS

Headers = dict[str, str]
BEGIN, DAYS = at("2024-01-01"), 120
ZONES = ("UTC", "Asia/Tokyo", "America/New_York")
YEAR = {"from": "2024-01-01T00:00:00Z", "to": "2025-01-01T00:00:00Z"}


class Told(NamedTuple):
    time: datetime
    amount: Decimal
    currency: str


Rates = dict[tuple[str, str], dict[date, Decimal]]


def converted(told: Told, into: str, rates: Rates, zone: str) -> Decimal:
    if told.currency == into:
        return told.amount
    day = told.time.astimezone(ZoneInfo(zone)).date()
    of_pair = rates[told.currency, into]
    rate = next(of_pair[day - timedelta(days=n)] for n in range(8) if day - timedelta(days=n) in of_pair)
    return (told.amount * rate).quantize(Decimal(1).scaleb(-MINOR_UNITS[into]), ROUND_HALF_UP)


def rated(tenant: str, base: str, quote: str, day: date, rate: str, **envelope: Any) -> Envelope:
    event = ExchangeRateCreated(base=base, quote=quote, rate=Decimal(rate), day=day)
    return happened(event, tenant, BEGIN, None, **envelope)


def rates_of(tenant: str, currencies: tuple[str, ...], chance: random.Random) -> tuple[list[Envelope], Rates]:
    """Some of them were told wrong at first."""
    told, rates = list[Envelope](), Rates()
    for pair in ((a, b) for a in currencies for b in currencies if a != b):
        rates[pair] = {}
        day = BEGIN.date() - timedelta(days=8)
        while day < BEGIN.date() + timedelta(days=DAYS + 3):
            rates[pair][day] = Decimal(chance.randrange(1, 10**8)) / 10**7
            id, wrong = new_id(), chance.random() < 0.2
            told.append(rated(tenant, *pair, day, "0.5" if wrong else f"{rates[pair][day]:f}", subject=id))
            if wrong:
                right = ExchangeRateAmended(changed=["rate"], rate=rates[pair][day])
                told.append(happened(right, tenant, BEGIN, None, subject=id, aggregate_version=2))
            day += timedelta(days=chance.randrange(1, 8))
    return told, rates


async def asked(analytics: httpx.AsyncClient, mine: Headers, id: str, **params: Any) -> httpx.Response:
    return await analytics.get(f"/v1/metrics/{id}", params=YEAR | params, headers=mine)


@pytest.mark.parametrize("seed", range(3))
async def test_each_amount_is_converted_at_the_rate_of_its_day(
    fold: Fold, analytics: httpx.AsyncClient, mine: Headers, tenant: str, seed: int
) -> None:
    chance = random.Random(seed)
    zone, currencies = ZONES[seed], ("EUR", "USD", "JPY")
    settings = SettingsChanged(time_zone=zone, activity=ActivityPolicy(ActivityRule([OrderPlaced.type], 90)))
    told, rates = rates_of(tenant, currencies, chance)
    told.append(happened(settings, tenant, BEGIN))
    customers = [new_id() for _ in range(5)]

    def some() -> Told:
        time = BEGIN + timedelta(days=chance.randrange(DAYS), minutes=chance.randrange(1440))
        return Told(time, Decimal(chance.randrange(1, 10**5)), chance.choice(currencies))

    orders, returns, deals, subscribed = ([some() for _ in range(30)] for _ in range(4))
    told += [happened(OrderPlaced(value=a, currency=c), tenant, t, chance.choice(customers)) for t, a, c in orders]
    told += [happened(OrderReturned(value=a, currency=c), tenant, t, chance.choice(customers)) for t, a, c in returns]
    for t, a, c in deals:
        opened = OpportunityOpened(stage="engaging", currency=c, value=a)
        told.append(happened(opened, tenant, t, chance.choice(customers)))
    for t, a, c in subscribed:
        course = started(steps((t, "active", str(a))), currency=c)
        told.append(happened(course, tenant, t, chance.choice(customers)))
    chance.shuffle(told)
    for place in range(0, len(told), 100):
        await fold(*told[place : place + 100])

    for into in currencies:
        wanted = {
            "revenue": sum(converted(each, into, rates, zone) for each in orders)
            - sum(converted(each, into, rates, zone) for each in returns),
            "sales.open_pipeline": sum(converted(each, into, rates, zone) for each in deals),
            "mrr": sum(converted(each, into, rates, zone) for each in subscribed),
        }
        for figure, value in wanted.items():
            for how in ({}, {"grain": "month"}, {"knownAt": datetime.now(UTC).isoformat()}):
                answer = await asked(analytics, mine, figure, currency=into, **how)
                assert answer.status_code == 200, answer.text
                shown = answer.json()
                assert (shown["currency"], Decimal(str(shown["value"]))) == (into, value), (figure, how)
        months = (await asked(analytics, mine, "revenue", currency=into, grain="month")).json()["breakdown"]
        assert sum(Decimal(str(each["value"] or 0)) for each in months) == wanted["revenue"]
    apart = (await asked(analytics, mine, "revenue")).json()
    assert {each["currency"] for each in apart["by_currency"]} == set(currencies), "asked for none, they stay apart"


async def test_a_missing_rate_is_named_by_its_pair_and_its_day(
    fold: Fold, analytics: httpx.AsyncClient, mine: Headers, tenant: str
) -> None:
    def ordered(day: str) -> Envelope:
        return happened(OrderPlaced(value=Decimal(100), currency="USD"), tenant, at(day), new_id())

    await fold(ordered("2024-03-08"), rated(tenant, "USD", "EUR", date(2024, 3, 1), "0.9"))
    assert (await asked(analytics, mine, "revenue", currency="EUR")).json()["value"] == 90, "a week old"
    await fold(ordered("2024-03-09"))
    refused = await asked(analytics, mine, "revenue", currency="EUR")
    assert refused.status_code == 422
    (error,) = refused.json()["errors"]
    assert error["field"] == "currency"
    assert refused.json()["detail"].startswith("There is no exchange rate from USD to EUR of 2024-03-09")
    assert (await asked(analytics, mine, "mrr", currency="EUR")).status_code == 200, "nothing is to be converted"


async def test_a_rate_converts_in_its_own_direction_and_between_its_own_currencies_alone(
    fold: Fold, analytics: httpx.AsyncClient, mine: Headers, theirs: Headers, tenant: str
) -> None:
    customer: UUID = new_id()
    await fold(
        happened(OrderPlaced(value=Decimal(100), currency="USD"), tenant, at("2024-03-01"), customer),
        rated(tenant, "EUR", "USD", date(2024, 3, 1), "1.1"),
        rated(tenant, "USD", "CHF", date(2024, 3, 1), "0.8"),
        rated(tenant, "CHF", "EUR", date(2024, 3, 1), "1"),
    )
    assert (await asked(analytics, mine, "revenue", currency="EUR")).status_code == 422
    assert (await asked(analytics, mine, "revenue", currency="CHF")).json()["value"] == 80
    assert (await asked(analytics, theirs, "revenue", currency="EUR")).json()["value"] in (0, None)


@pytest.mark.parametrize(
    ("id", "params", "hint"),
    [
        ("sales.product_revenue", {}, "is not converted"),
        ("clv.historic", {}, "is not converted"),
        ("revenue", {"groupBy": "currency"}, "neither grouped"),
        ("revenue", {"filter": "currency:EUR"}, "neither grouped"),
    ],
)
async def test_what_is_not_converted_says_so(
    analytics: httpx.AsyncClient, mine: Headers, id: str, params: dict[str, str], hint: str
) -> None:
    refused = await asked(analytics, mine, id, currency="EUR", **params)
    assert refused.status_code == 422
    assert hint in refused.json()["detail"]


async def test_counts_are_what_they_are_in_any_currency(
    fold: Fold, analytics: httpx.AsyncClient, mine: Headers, tenant: str
) -> None:
    await fold(happened(OrderPlaced(value=Decimal(1), currency="USD"), tenant, at("2024-03-01"), new_id()))
    assert (await asked(analytics, mine, "orders", currency="EUR")).json()["value"] == 1
