"""Time that has not come is shown as such, and not as a time in which nothing happened."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from tests.analytics.conftest import Fold, happened

from analytics.metrics.catalogue import METRICS
from analytics.metrics.definition import terms
from analytics.metrics.kinds.registry import kind_of
from kith.events.contacts import CustomerCreated
from kith.events.sales import OrderPlaced
from kith.ids import new_id

Headers = dict[str, str]
DAY = timedelta(days=1)
FITTED = ("clv.predicted", "customers.alive")
"""What these say follows from a fit, which this tenant's purchases do not allow."""


@pytest.fixture
async def now(tenant: str, fold: Fold) -> datetime:
    """Two customers bought 65, 40 and ten days before."""
    now = datetime.now(UTC)
    for segment in ("gold", "silver"):
        customer = new_id()
        await fold(
            happened(CustomerCreated(kind="person", segment=segment), tenant, now - 70 * DAY, customer),
            *(
                happened(OrderPlaced(value=Decimal(10), currency="EUR"), tenant, now - days * DAY, customer)
                for days in (65, 40, 10)
            ),
        )
    return now


async def ask(
    analytics: httpx.AsyncClient, headers: Headers, id: str, starts_at: datetime, ends_at: datetime, **more: Any
) -> Any:
    params = {"from": starts_at.isoformat(), "to": ends_at.isoformat(), **more}
    answer = await analytics.get(f"/v1/{id}", params=params, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def is_now(shown: str, now: datetime) -> bool:
    return now <= datetime.fromisoformat(shown) <= datetime.now(UTC)


@pytest.mark.parametrize("id", sorted(METRICS.keys() - FITTED))
async def test_of_an_interval_that_goes_on_what_is_known_is_shown(
    analytics: httpx.AsyncClient, mine: Headers, now: datetime, id: str
) -> None:
    metric = METRICS[id]
    found = await ask(analytics, mine, f"metrics/{id}", now - 60 * DAY, now + 60 * DAY)
    so_far = await ask(analytics, mine, f"metrics/{id}", now - 60 * DAY, datetime.now(UTC))
    assert is_now(found["complete_up_to"], now)
    assert so_far["complete_up_to"] == so_far["ends_at"]
    known = {each["name"]: each["value"] for each in so_far["components"]}
    ends = {name for name, measure in metric.components.items() if kind_of(measure).needs_end(measure)}
    assert {each["name"]: each["value"] for each in found["components"]} == known | dict.fromkeys(ends)
    for part in ("numerator", "denominator"):
        formula = getattr(metric, part)
        unknown = formula is None or {term.component for term in terms(formula)} & ends
        assert found[part] == (None if unknown else so_far[part])
        if formula and "median" not in id:
            members = await ask(
                analytics, mine, f"metrics/{id}/members", now - 60 * DAY, now + 60 * DAY, part=part, first="500"
            )
            total = sum(each["value"] for each in members["items"])
            assert total == pytest.approx(found[part] or 0)
    if found["numerator"] is None or (metric.denominator and found["denominator"] is None):
        assert found["value"] is None


@pytest.mark.parametrize("id", sorted(METRICS.keys() - FITTED))
async def test_of_an_interval_that_has_not_begun_nothing_is_shown(
    analytics: httpx.AsyncClient, mine: Headers, now: datetime, id: str
) -> None:
    by = METRICS[id].dimensions[0].name
    found = await ask(analytics, mine, f"metrics/{id}", now + DAY, now + 60 * DAY, grain="month", groupBy=by)
    assert (found["value"], found["numerator"], found["denominator"]) == (None, None, None)
    assert {each["value"] for each in found["components"]} == {None}
    assert (found["complete_up_to"], found["by_currency"], found["breakdown"]) == (None, [], [])
    series = await ask(analytics, mine, f"metrics/{id}", now + DAY, now + 60 * DAY, grain="week")
    assert {(each["value"], each["complete_up_to"]) for each in series["breakdown"]} == {(None, None)}
    if "median" not in id:
        members = await ask(analytics, mine, f"metrics/{id}/members", now + DAY, now + 60 * DAY)
        assert members["items"] == []


async def test_nobody_has_churned_by_a_day_to_come(analytics: httpx.AsyncClient, mine: Headers, now: datetime) -> None:
    found = await ask(analytics, mine, "metrics/retention.churn", now - 30 * DAY, now + 365 * DAY)
    assert (found["value"], found["numerator"], found["denominator"]) == (None, None, 2)
    for id in ("retention.crr", "customers.active", "rfm", "ror"):
        assert (await ask(analytics, mine, f"metrics/{id}", now - 30 * DAY, now + 365 * DAY))["value"] is None


async def test_a_series_ends_with_what_has_come_and_nulls_after_it(
    analytics: httpx.AsyncClient, mine: Headers, now: datetime
) -> None:
    for id, so_far in (("orders", True), ("customers.active", False)):
        found = await ask(
            analytics, mine, f"metrics/{id}", now - 60 * DAY, now + 60 * DAY, grain="day", groupBy="segment"
        )
        assert {each["group"][0]["value"] for each in found["breakdown"]} == {"gold", "silver"}
        for each in found["breakdown"]:
            starts_at, ends_at = (datetime.fromisoformat(each[name]) for name in ("starts_at", "ends_at"))
            if ends_at <= now:
                assert (each["value"], each["complete_up_to"]) == (1, each["ends_at"])
            elif starts_at < now:
                assert is_now(each["complete_up_to"], now)
                assert each["value"] == (0 if so_far else None)
            else:
                assert (each["value"], each["complete_up_to"], each["components"][0]["value"]) == (None, None, None)
        to_come = [each for each in found["breakdown"] if each["complete_up_to"] is None]
        assert len(to_come) >= 2 * 59, "of each group, as it is of each that there is no order in"
    assert (await ask(analytics, mine, "metrics/orders", now - 60 * DAY, now + 60 * DAY))["value"] == 4


async def test_now_by_a_clock_that_is_a_little_ahead_has_come(
    analytics: httpx.AsyncClient, mine: Headers, now: datetime
) -> None:
    ahead = datetime.now(UTC) + timedelta(seconds=20)
    found = await ask(analytics, mine, "metrics/customers.active", now - 60 * DAY, ahead)
    assert (found["value"], found["complete_up_to"]) == (2, found["ends_at"])


async def test_what_was_known_is_not_known_of_what_came_after(
    analytics: httpx.AsyncClient, mine: Headers, now: datetime
) -> None:
    then = (now - 30 * DAY).isoformat()
    for id, value in (("customers.active", None), ("orders", 0)):
        found = await ask(analytics, mine, f"metrics/{id}", now - 50 * DAY, now - 20 * DAY, knownAt=then)
        assert found["value"] == value
        assert datetime.fromisoformat(found["complete_up_to"]) == now - 30 * DAY


async def test_before_the_first_event_counts_are_0_and_ratios_null(
    analytics: httpx.AsyncClient, mine: Headers, now: datetime
) -> None:
    for id, value in (("orders", 0), ("customers.active", 0), ("retention.churn", None)):
        found = await ask(analytics, mine, f"metrics/{id}", now - 900 * DAY, now - 800 * DAY)
        assert (found["value"], found["complete_up_to"]) == (value, found["ends_at"])


async def test_cells_of_cohorts_that_have_not_begun_are_null(
    analytics: httpx.AsyncClient, mine: Headers, now: datetime
) -> None:
    starts_at = now - 70 * DAY
    matrix = await ask(analytics, mine, "cohorts", starts_at, now + 40 * DAY, grain="week")
    assert is_now(matrix["complete_up_to"], now)
    begins = [datetime.fromisoformat(row["starts_at"]) for row in matrix["rows"]]
    ends = [datetime.fromisoformat(row["ends_at"]) for row in matrix["rows"]]
    assert sum(row["size"] for row in matrix["rows"] if row["size"]) == 2
    for number, row in enumerate(matrix["rows"]):
        assert (row["size"] is None) == (begins[number] >= now)
        for cell in row["cells"]:
            index = number + cell["period"]
            assert (cell["customers"] is None) == (begins[index] >= now)
            assert (cell["share"] is None) == (begins[index] >= now or not row["size"])
            assert cell["complete"] == (ends[index] <= now)
    members = await ask(analytics, mine, "cohorts/members", starts_at, now + 40 * DAY, grain="week", row=0, period=14)
    assert members["items"] == []


async def test_cohorts_that_have_not_begun_are_null_altogether(
    analytics: httpx.AsyncClient, mine: Headers, now: datetime
) -> None:
    matrix = await ask(analytics, mine, "cohorts", now + DAY, now + 60 * DAY)
    assert matrix["complete_up_to"] is None
    assert {(row["size"], cell["customers"]) for row in matrix["rows"] for cell in row["cells"]} == {(None, None)}


async def test_graphql_tells_it_alike(analytics: httpx.AsyncClient, mine: Headers, now: datetime) -> None:
    query = """query($from: DateTime!, $to: DateTime!) {
      metric(id: "customers.active", from: $from, to: $to, grain: QUARTER) {
        value completeUpTo breakdown { value completeUpTo } }
      cohorts(from: $from, to: $to) { completeUpTo rows { size cells { customers share complete } } } }"""
    variables = {"from": (now - 60 * DAY).isoformat(), "to": (now + 60 * DAY).isoformat()}
    answer = (await analytics.post("/graphql", json={"query": query, "variables": variables}, headers=mine)).json()
    assert "errors" not in answer, answer
    figure, matrix = answer["data"]["metric"], answer["data"]["cohorts"]
    assert figure["value"] is None
    assert is_now(figure["completeUpTo"], now)
    assert is_now(matrix["completeUpTo"], now)
    assert matrix["rows"][-1]["cells"][-1] == {"customers": None, "share": None, "complete": False}
