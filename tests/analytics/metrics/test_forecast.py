"""Forecast and quotas: random opportunities and quotas, counted straight, are what the API says of them."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import pytest
from tests.analytics.conftest import Fold, happened

from kith.events.event import Event
from kith.events.quotas import QuotaAmended, QuotaArchived, QuotaCreated, QuotaRestored
from kith.events.sales import OpportunityAdvanced, OpportunityAmended, OpportunityOpened, OpportunityWon
from kith.ids import new_id

Headers = dict[str, str]
OWNERS = [new_id() for _ in range(3)]
CATEGORIES = ["commit", "best_case", "pipeline", "omitted", None]
NOW = datetime.now(UTC).replace(microsecond=0)
ZONES = ["UTC", "America/Los_Angeles", "Asia/Tokyo"]


class Deal(NamedTuple):
    """An opportunity, as its last event leaves it."""

    owner: UUID
    value: Decimal
    category: str | None
    closes: date | None
    won_at: datetime | None


class Target(NamedTuple):
    owner: UUID
    starts_on: date
    value: Decimal
    in_use: bool


def months(first: int, last: int) -> Iterator[date]:
    """The first days of the months around this one."""
    this = NOW.year * 12 + NOW.month - 1
    for number in range(this + first, this + last + 1):
        yield date(number // 12, number % 12 + 1, 1)


@pytest.fixture
def chance() -> Random:
    return Random(91)


@pytest.fixture
async def deals(fold: Fold, tenant: str, chance: Random) -> list[Deal]:
    found, folded = list[Deal](), list[Any]()
    for _ in range(80):
        at, subject = NOW - timedelta(days=chance.randrange(100, 300), seconds=chance.randrange(86400)), new_id()
        owner, value = chance.choice(OWNERS), Decimal(chance.randrange(1, 1000))
        category, closes = chance.choice(CATEGORIES), None
        opened = OpportunityOpened(
            stage="a", currency="EUR", owner_id=owner, value=value, forecast_category=category, expected_close=closes
        )
        course: list[Event] = [opened]
        if chance.random() < 0.9:
            closes = NOW.date() + timedelta(days=chance.randrange(-120, 120))
            course.append(OpportunityAmended(changed=["expected_close"], expected_close=closes))
        if chance.random() < 0.5:
            category = chance.choice(["commit", "best_case", "pipeline"])
            course.append(OpportunityAdvanced(stage="b", from_stage="a", forecast_category=category))
        won_at = None
        for version, event in enumerate(course, start=1):
            folded.append(
                happened(event, tenant, at + timedelta(hours=version), subject=subject, aggregate_version=version)
            )
        if chance.random() < 0.4:
            won_at = NOW - timedelta(days=chance.randrange(1, 95), seconds=chance.randrange(86400))
            won = OpportunityWon(from_stage="a", value=value, currency="EUR")
            folded.append(happened(won, tenant, won_at, subject=subject, aggregate_version=len(course) + 1))
        found.append(Deal(owner, value, category, closes, won_at))
    await fold(*folded)
    return found


@pytest.fixture
async def targets(fold: Fold, tenant: str, chance: Random) -> list[Target]:
    found, folded = list[Target](), list[Any]()
    for owner in OWNERS[:2]:
        for starts_on in months(-4, 3):
            at, subject, value = NOW - timedelta(days=200), new_id(), Decimal(chance.randrange(1000, 5000))
            made = QuotaCreated(owner_id=owner, period="month", starts_on=starts_on, value=value, currency="EUR")
            course: list[Event] = [made]
            if chance.random() < 0.3:
                value += 100
                course.append(QuotaAmended(changed=["value"], value=value))
            if is_archived := chance.random() < 0.3:
                course.append(QuotaArchived())
                if chance.random() < 0.5:
                    course.append(QuotaRestored())
                    is_archived = False
            for version, event in enumerate(course, start=1):
                when = at + timedelta(hours=version)
                folded.append(happened(event, tenant, when, subject=subject, aggregate_version=version))
            found.append(Target(owner, starts_on, value, not is_archived))
    await fold(*folded)
    return found


async def figure(analytics: httpx.AsyncClient, headers: Headers, id: str, **asked: str) -> Any:
    answer = await analytics.get(f"/v1/metrics/{id}", params=asked, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def components(found: Any) -> dict[str, float]:
    """Without what adjustments add, which test_attainment looks at."""
    added = ("raised", "lowered", "overrides", "overridden", "adjustment", "adjusted")
    return {each["name"]: each["value"] or 0 for each in found["components"] if each["name"] not in added}


def in_zone(day: date, zone: str) -> datetime:
    return datetime.combine(day, datetime.min.time(), ZoneInfo(zone))


def expected(deals: list[Deal], since: datetime, until: datetime, zone: str) -> dict[str, float]:
    found: dict[str, Decimal] = defaultdict(Decimal)
    for deal in deals:
        if deal.won_at is not None and since <= deal.won_at < until:
            found["closed"] += deal.value
        if deal.won_at is None and deal.closes is not None and since <= in_zone(deal.closes, zone) < until:
            found["open"] += deal.value
            if deal.category in ("commit", "best_case", "pipeline"):
                found[deal.category] += deal.value
    return {name: float(found[name]) for name in ("closed", "commit", "best_case", "pipeline", "open")}


@pytest.mark.parametrize("zone", ZONES)
async def test_the_forecast_is_what_is_won_and_what_is_to_close_also_to_come(
    analytics: httpx.AsyncClient, mine: Headers, deals: list[Deal], chance: Random, zone: str
) -> None:
    for _ in range(4):
        begins, ends = (
            NOW.date() - timedelta(days=chance.randrange(60)),
            NOW.date() + timedelta(days=chance.randrange(1, 90)),
        )
        since, until = in_zone(begins, zone), in_zone(ends, zone)
        asked = {"from": since.isoformat(), "to": until.isoformat(), "zone": zone}
        found = await figure(analytics, mine, "sales.period_forecast", **asked)
        wanted = expected(deals, since, until, zone)
        assert components(found) == wanted
        assert wanted["open"] > 0
        assert found["value"] == wanted["commit"]


async def test_what_was_opened_before_stages_said_it_is_in_the_category_of_its_stage(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold
) -> None:
    at, closes = NOW - timedelta(days=1), NOW.date()
    stages = {"prospecting": 1, "engaging": 10, "proposing": 100, "negotiating": 1000}
    await fold(
        *(
            happened(
                OpportunityOpened(stage=stage, currency="EUR", value=Decimal(value), expected_close=closes), tenant, at
            )
            for stage, value in stages.items()
        )
    )
    asked = {"from": (NOW - timedelta(days=2)).isoformat(), "to": (NOW + timedelta(days=2)).isoformat()}
    found = components(await figure(analytics, mine, "sales.period_forecast", **asked))
    assert found == {"closed": 0, "commit": 1000, "best_case": 100, "pipeline": 11, "open": 1111}
    at_now = asked | {"to": NOW.isoformat(), "groupBy": "forecast_category"}
    by = await figure(analytics, mine, "sales.forecast", **at_now)
    values = {each["group"][0]["value"]: each["value"] for each in by["breakdown"]}
    assert values == pytest.approx({"commit": 800, "best_case": 50, "pipeline": 3.1})


async def test_by_month_each_has_its_own_and_the_whole_is_that_of_the_interval(
    analytics: httpx.AsyncClient, mine: Headers, deals: list[Deal]
) -> None:
    starts = [*months(-2, 2)]
    asked = {"from": f"{starts[0]}T00:00:00Z", "to": f"{starts[-1]}T00:00:00Z", "grain": "month"}
    found = await figure(analytics, mine, "sales.period_forecast", **asked)
    begun = [each for each in starts[:-1] if in_zone(each, "UTC") < NOW]
    for each, (begins, ends) in zip(found["breakdown"], zip(begun, starts[1:], strict=False), strict=False):
        wanted = expected(deals, in_zone(begins, "UTC"), in_zone(ends, "UTC"), "UTC")
        assert each["value"] == wanted["commit"], begins
    assert [each["value"] for each in found["breakdown"][len(begun) :]] == [None]
    whole = expected(deals, in_zone(starts[0], "UTC"), in_zone(starts[-1], "UTC"), "UTC")
    assert components(found) == whole


async def test_quotas_are_of_the_periods_that_begin_in_the_interval(
    analytics: httpx.AsyncClient, mine: Headers, deals: list[Deal], targets: list[Target]
) -> None:
    first, *_, last = months(-2, 1)
    since, until = in_zone(first, "UTC"), in_zone(last, "UTC")
    asked = {"from": since.isoformat(), "to": until.isoformat(), "groupBy": "opportunity_owner"}
    found = await figure(analytics, mine, "sales.quota_attainment", **asked)
    won, quota = defaultdict[UUID, float](float), defaultdict[UUID, float](float)
    for deal in deals:
        if deal.won_at is not None and since <= deal.won_at < until:
            won[deal.owner] += float(deal.value)
    for target in targets:
        if target.in_use and since <= in_zone(target.starts_on, "UTC") < until:
            quota[target.owner] += float(target.value)
    assert found["value"] == pytest.approx(100 * sum(won.values()) / sum(quota.values()), abs=1e-4)
    rates = {UUID(each["group"][0]["value"]): each["value"] for each in found["breakdown"]}
    assert len(quota) == 2
    for owner in OWNERS:
        wanted = None if not quota[owner] else pytest.approx(100 * won[owner] / quota[owner], abs=1e-4)
        assert rates[owner] == wanted


async def test_what_is_open_is_divided_by_the_month_in_which_it_is_to_close(
    analytics: httpx.AsyncClient, mine: Headers, theirs: Headers, deals: list[Deal]
) -> None:
    wanted = defaultdict[str | None, float](float)
    for deal in deals:
        if deal.won_at is None and deal.category != "omitted":
            wanted[None if deal.closes is None else f"{deal.closes:%Y-%m}"] += float(deal.value)
    asked = {"from": "2020-01-01T00:00:00Z", "to": NOW.isoformat(), "groupBy": "expected_close_month"}
    found = await figure(analytics, mine, "sales.forecast", **asked)
    assert {each["group"][0]["value"]: components(each)["value"] for each in found["breakdown"]} == wanted
    assert (await figure(analytics, theirs, "sales.forecast", **asked))["breakdown"] == []
