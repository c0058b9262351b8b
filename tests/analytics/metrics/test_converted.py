"""Figures in one currency, against a straight computation: each amount at the rate of its event's day."""

import random
from contextlib import AsyncExitStack, suppress
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.analytics.conftest import Fold, at, happened
from tests.analytics.metrics.kinds.test_recurring import started, steps

from analytics.calendar import Interval
from analytics.metrics import parameters
from analytics.metrics.catalogue import metric
from analytics.metrics.converted import amounts_of, convert
from kith.db.sessions import driver_of
from kith.events.actors import user_id
from kith.events.contacts import ActivityPolicy, ActivityRule, CustomerCreated, SettingsChanged
from kith.events.envelope import Envelope
from kith.events.exchange_rates import (
    ExchangeRateAmended,
    ExchangeRateArchived,
    ExchangeRateCreated,
    ExchangeRateRestored,
)
from kith.events.sales import Line, OpportunityOpened, OpportunityRotted, OrderPlaced, OrderReturned
from kith.ids import new_id
from kith.scalars.currencies import MINOR_UNITS
from kith.testing import Issuer, Tenant

Headers = dict[str, str]
BEGIN, DAYS = at("2024-01-01"), 120
SETTINGS = UUID(int=7)
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


def line(number: int, told: Told) -> Line:
    return Line(line=number, quantity=Decimal(1), unit_price=told.amount, amount=told.amount)


@pytest.mark.parametrize("seed", range(3))
async def test_each_amount_is_converted_at_the_rate_of_its_day(
    fold: Fold, analytics: httpx.AsyncClient, mine: Headers, tenant: str, seed: int
) -> None:
    chance = random.Random(seed)
    zone, currencies = ZONES[seed], ("EUR", "USD", "JPY")
    settings = SettingsChanged(time_zone=zone, activity=ActivityPolicy(ActivityRule([OrderPlaced.type], 90)))
    told, rates = rates_of(tenant, currencies, chance)
    told.append(happened(settings, tenant, BEGIN))
    lines = dict[Told, list[Told]]()
    customers = [new_id() for _ in range(5)]

    def some() -> Told:
        time = BEGIN + timedelta(days=chance.randrange(DAYS), minutes=chance.randrange(1440))
        return Told(time, Decimal(chance.randrange(1, 10**5)), chance.choice(currencies))

    orders, returns, deals, subscribed = ([some() for _ in range(30)] for _ in range(4))
    for each in orders:
        first = each._replace(amount=each.amount // 3)
        lines[each] = [first, each._replace(amount=each.amount - first.amount)]
        placed = OrderPlaced(
            value=each.amount, currency=each.currency, lines=[line(n, one) for n, one in enumerate(lines[each], 1)]
        )
        told.append(happened(placed, tenant, each.time, chance.choice(customers)))
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
            "sales.product_revenue": sum(converted(one, into, rates, zone) for each in lines.values() for one in each),
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
    await fold(ordered(tenant, "2024-03-08"), rated(tenant, "USD", "EUR", date(2024, 3, 1), "0.9"))
    assert (await asked(analytics, mine, "revenue", currency="EUR")).json()["value"] == 90, "a week old"
    await fold(ordered(tenant, "2024-03-09"))
    refused = await asked(analytics, mine, "revenue", currency="EUR")
    assert refused.status_code == 422
    (error,) = refused.json()["errors"]
    assert error["field"] == "currency"
    assert refused.json()["detail"].startswith("There is no exchange rate from USD to EUR of 2024-03-09")
    assert (await asked(analytics, mine, "mrr", currency="EUR")).status_code == 200, "nothing is to be converted"


def ordered(tenant: str, day: str, customer: UUID | None = None, currency: str = "USD") -> Envelope:
    return happened(OrderPlaced(value=Decimal(100), currency=currency), tenant, at(day), customer or new_id())


async def named_day(analytics: httpx.AsyncClient, mine: Headers, id: str, **params: Any) -> str:
    return day_of(await asked(analytics, mine, id, currency="EUR", **params))


def day_of(refused: httpx.Response) -> str:
    assert refused.status_code == 422, refused.text
    said, _, rest = str(refused.json()["detail"]).partition(" of ")
    assert said == "There is no exchange rate from USD to EUR"
    return rest.partition(",")[0]


async def test_the_day_that_is_named_is_one_of_the_zone_that_rates_are_of(
    fold: Fold, analytics: httpx.AsyncClient, mine: Headers, tenant: str
) -> None:
    late = happened(OrderPlaced(value=Decimal(100), currency="USD"), tenant, at("2024-03-01") + timedelta(hours=20))
    await fold(late)
    assert await named_day(analytics, mine, "revenue", zone="Asia/Tokyo") == "2024-03-01"
    await fold(rated(tenant, "USD", "EUR", date(2024, 3, 1), "0.9"))
    assert (await asked(analytics, mine, "revenue", currency="EUR", zone="Asia/Tokyo")).json()["value"] == 90


async def test_of_a_stock_only_a_day_is_named_of_what_held_at_the_end_of_a_period(
    fold: Fold, analytics: httpx.AsyncClient, mine: Headers, tenant: str
) -> None:
    deal = new_id()
    await fold(
        happened(
            OpportunityOpened(stage="a", currency="USD", value=Decimal(1)), tenant, at("2024-01-05"), subject=deal
        ),
        happened(
            OpportunityRotted(stage="a", rotted_at=at("2024-02-20")),
            tenant,
            at("2024-02-20"),
            subject=deal,
            aggregate_version=2,
        ),
    )
    assert await named_day(analytics, mine, "sales.open_pipeline") == "2024-02-20"
    assert await named_day(analytics, mine, "sales.open_pipeline", grain="month") == "2024-01-05"


async def test_of_recurring_revenue_the_day_is_named_on_which_a_step_began(
    fold: Fold, analytics: httpx.AsyncClient, mine: Headers, tenant: str
) -> None:
    for day in ("2024-05-05", "2024-02-05"):
        await fold(happened(started(steps((at(day), "active", "100")), currency="USD"), tenant, at(day), new_id()))
    for known in ({}, {"knownAt": datetime.now(UTC).isoformat()}):
        assert await named_day(analytics, mine, "mrr", **known) == "2024-02-05"


async def test_no_day_is_named_of_what_is_filtered_out_or_out_of_reach(
    fold: Fold,
    analytics: httpx.AsyncClient,
    issuer: Issuer,
    mine: Headers,
    tenant: str,
    worker: AsyncEngine,
) -> None:
    ann, bob, of_ann, of_bob = (new_id() for _ in range(4))
    async with worker.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO known_users (tenant_id, id, actor_id, state, role_ids) VALUES (:t, :i, :a, 'active', '{}')"
            ),
            {"t": tenant, "i": ann, "a": user_id(tenant, "ann")},
        )
    await fold(
        happened(CustomerCreated(kind="person", owner_id=ann), tenant, BEGIN, of_ann),
        happened(CustomerCreated(kind="person", owner_id=bob), tenant, BEGIN, of_bob),
        ordered(tenant, "2024-03-05", of_ann),
        ordered(tenant, "2024-01-17", of_bob),
    )
    narrow = Tenant(analytics, issuer, tenant, scopes="analytics:read:own", subject="ann")
    assert day_of(await narrow.get("/v1/metrics/revenue", **YEAR, currency="EUR")) == "2024-03-05"
    assert await named_day(analytics, mine, "revenue", filter=f"owner:{ann}") == "2024-03-05"
    assert await named_day(analytics, mine, "revenue") == "2024-01-17"


async def test_what_one_tenant_asks_leaves_room_for_another(
    fold: Fold,
    analytics: httpx.AsyncClient,
    mine: Headers,
    theirs: Headers,
    tenant: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parameters._converting, "_seconds", 0.1)
    await fold(ordered(tenant, "2024-03-01"), rated(tenant, "USD", "EUR", date(2024, 3, 1), "0.9"))
    async with AsyncExitStack() as held:
        with suppress(TimeoutError):
            while True:
                await held.enter_async_context(parameters._converting.slot("t-busy"))
        assert (await asked(analytics, mine, "revenue", currency="EUR")).json()["value"] == 90


async def test_where_all_is_in_the_currency_nothing_is_converted(
    fold: Fold, analytics: httpx.AsyncClient, mine: Headers, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fold(ordered(tenant, "2024-03-01", currency="EUR"), ordered(tenant, "2023-12-31"))
    monkeypatch.setattr(parameters, "apart", None)
    figure = (await asked(analytics, mine, "revenue", currency="EUR")).json()
    assert (figure["value"], figure["currency"]) == (100, "EUR")


async def test_a_question_reads_the_rates_of_its_days_and_finds_each_by_its_day(
    fold: Fold, tenant: str, worker: AsyncEngine
) -> None:
    begin = date(2024, 1, 1)
    await fold(*(rated(tenant, "USD", "EUR", begin + timedelta(days=3 * n), "0.9") for n in range(100)))
    march = Interval(at("2024-03-01"), at("2024-04-01"))
    async with worker.connect() as connection:
        await connection.execute(text("SELECT 1"))  # it begins a transaction
        await convert(connection, tenant, amounts_of([metric("revenue")]), march, "EUR", "UTC")
        driver = driver_of(connection)
        (days,) = await driver.fetch("SELECT count(*), min(day), max(day) FROM pg_temp.rates")
        plan = await driver.fetch("EXPLAIN SELECT sum(amount) FROM facts WHERE tenant_id = $1", tenant)
    assert tuple(days) == (44, date(2024, 2, 24), date(2024, 4, 7)), "and none twice"
    conditions = [line for (line,) in plan if "Cond" in line and "r.base" in line]
    assert conditions
    assert all("r.day" in line for line in conditions)
    assert not any("Join Filter" in line for (line,) in plan)


async def test_what_has_no_amount_is_no_amount_of_another_currency(
    fold: Fold, analytics: httpx.AsyncClient, mine: Headers, tenant: str
) -> None:
    def opened(currency: str, **fields: Any) -> Envelope:
        return happened(OpportunityOpened(stage="a", currency=currency, **fields), tenant, at("2024-01-05"))

    await fold(opened("USD"), opened("EUR", value=Decimal(5)))
    figure = (await asked(analytics, mine, "sales.open_pipeline", currency="EUR")).json()
    assert [(each["currency"], each["value"]) for each in figure["by_currency"]] == [("EUR", 5)]


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


async def test_a_rate_that_is_archived_converts_nothing(
    fold: Fold, analytics: httpx.AsyncClient, mine: Headers, tenant: str
) -> None:
    wrong = new_id()
    await fold(
        ordered(tenant, "2024-03-01"),
        rated(tenant, "USD", "EUR", date(2024, 2, 28), "0.9"),
        rated(tenant, "USD", "EUR", date(2024, 3, 1), "90", subject=wrong),
    )
    for version, event, value in (
        (2, ExchangeRateArchived(), 90),
        (3, ExchangeRateRestored(), 9000),
    ):
        await fold(happened(event, tenant, at("2024-03-02"), subject=wrong, aggregate_version=version))
        assert (await asked(analytics, mine, "revenue", currency="EUR")).json()["value"] == value


async def test_counts_are_what_they_are_in_any_currency(
    fold: Fold, analytics: httpx.AsyncClient, mine: Headers, tenant: str
) -> None:
    await fold(happened(OrderPlaced(value=Decimal(1), currency="USD"), tenant, at("2024-03-01"), new_id()))
    assert (await asked(analytics, mine, "orders", currency="EUR")).json()["value"] == 1


def based(tenant: str, currency: str | None, version: int = 1) -> Envelope:
    policy = ActivityPolicy(ActivityRule([OrderPlaced.type], 90))
    settings = SettingsChanged(time_zone="UTC", activity=policy, currency=currency)
    return happened(settings, tenant, BEGIN, subject=SETTINGS, aggregate_version=version)


async def test_figures_come_in_the_base_currency_unless_they_are_asked_by_currency(
    fold: Fold, analytics: httpx.AsyncClient, mine: Headers, tenant: str
) -> None:
    await fold(
        based(tenant, "EUR"),
        ordered(tenant, "2024-03-01"),
        ordered(tenant, "2024-03-01", currency="EUR"),
        rated(tenant, "USD", "EUR", date(2024, 3, 1), "0.9"),
        rated(tenant, "EUR", "USD", date(2024, 3, 1), "1.1"),
    )
    for known in ({}, {"knownAt": datetime.now(UTC).isoformat()}):
        figure = (await asked(analytics, mine, "revenue", **known)).json()
        assert (figure["value"], figure["currency"]) == (190, "EUR")
        assert (await asked(analytics, mine, "revenue", currency="USD", **known)).json()["value"] == 210
        by_month = (await asked(analytics, mine, "revenue", grain="month", groupBy="currency", **known)).json()
        assert [(each["currency"], each["value"]) for each in by_month["by_currency"]] == [("EUR", 100), ("USD", 100)]
        assert (await asked(analytics, mine, "revenue", filter="currency:USD", **known)).json()["value"] == 100
    several = {"metrics": ["clv.historic", "revenue", "orders"], "from": YEAR["from"], "to": YEAR["to"]}
    answer = await analytics.post("/v1/metrics:query", json=several, headers=mine)
    apart, revenue, orders = answer.json()["figures"]
    assert len(apart["by_currency"]) == 2, "it is not converted, and stays as it was"
    assert (revenue["value"], orders["value"]) == (190, 2)
    await fold(based(tenant, None, version=2))
    assert (await asked(analytics, mine, "revenue")).json()["currency"] is None


async def test_a_rate_is_missed_in_the_base_currency_too(
    fold: Fold, analytics: httpx.AsyncClient, mine: Headers, tenant: str
) -> None:
    await fold(based(tenant, "EUR"), ordered(tenant, "2024-03-09"))
    apart = (await asked(analytics, mine, "revenue")).json()
    assert (apart["value"], apart["currency"]) == (100, "USD"), "who states no rates has nothing converted"
    await fold(rated(tenant, "USD", "EUR", date(2023, 3, 1), "0.9"))
    assert day_of(await asked(analytics, mine, "revenue")) == "2024-03-09"
    assert (await asked(analytics, mine, "revenue", groupBy="currency")).json()["value"] == 100


async def test_recurring_revenue_moves_with_rates_though_it_came_to_nothing_in_its_own_currency(
    fold: Fold, analytics: httpx.AsyncClient, mine: Headers, tenant: str
) -> None:
    course = steps(
        (at("2023-12-01"), "active", "100"), (at("2024-02-01"), "active", "0"), (at("2024-03-01"), "active", "100")
    )
    await fold(
        based(tenant, "EUR"),
        happened(started(course, currency="USD"), tenant, at("2023-12-01"), new_id()),
        *(
            rated(tenant, "USD", "EUR", day, rate)
            for day, rate in ((date(2023, 12, 1), "1"), (date(2024, 2, 1), "1"), (date(2024, 3, 1), "1.5"))
        ),
    )
    figure = (await asked(analytics, mine, "mrr.expansion")).json()
    assert (figure["value"], figure["currency"]) == (50, "EUR")
