"""The figures of lifecycle, usage and web visits, over REST, of what was folded."""

from decimal import Decimal
from typing import Any

import httpx
import pytest
from tests.analytics.conftest import Fold, at, happened

from kith.events.contacts import (
    CustomerAmended,
    CustomerArchived,
    CustomerCreated,
    CustomerLifecycleMoved,
    CustomerMerged,
    CustomerRestored,
    CustomerUnmerged,
)
from kith.events.event import Event
from kith.events.exchanges import AdoptionMeasured, UsageRecorded, WebVisitRecorded
from kith.events.sales import OpportunityWon, OrderPlaced
from kith.ids import new_id

Headers = dict[str, str]
ONE, OTHER = new_id(), new_id()
HAPPENED: list[tuple[str, Any, Event]] = [
    ("2026-02-28", ONE, UsageRecorded(uses=500)),  # before
    ("2026-03-02", ONE, CustomerLifecycleMoved(stage="prospect", from_stage="lead")),
    ("2026-03-09", ONE, CustomerLifecycleMoved(stage="customer", from_stage="prospect")),
    ("2026-03-09", OTHER, CustomerLifecycleMoved(stage="lost", from_stage="customer", reason="price")),
    ("2026-03-03", ONE, UsageRecorded(uses=3, product="till")),
    ("2026-03-04", ONE, UsageRecorded(uses=40, product="stock")),
    ("2026-03-05", OTHER, UsageRecorded(uses=7, product="till")),
    ("2026-03-06", ONE, AdoptionMeasured(bought=10, used=3, share=0.3, product="till")),
    ("2026-03-06", OTHER, AdoptionMeasured(bought=6, used=5, share=5 / 6, product="till")),
    ("2026-03-07", ONE, WebVisitRecorded(pages=3, source="newsletter")),
    ("2026-03-08", ONE, WebVisitRecorded(pages=1)),
    ("2026-04-01", ONE, WebVisitRecorded(pages=100)),  # after
]


@pytest.fixture
async def figures(fold: Fold, analytics: httpx.AsyncClient, mine: Headers, tenant: str) -> Any:
    for version, (day, customer, event) in enumerate(HAPPENED, start=1):
        await fold(happened(event, tenant, at(day), customer, aggregate_version=version))

    async def value(id: str, **more: str) -> Any:
        params = {"from": "2026-03-01T00:00:00Z", "to": "2026-04-01T00:00:00Z", **more}
        answer = await analytics.get(f"/v1/metrics/{id}", params=params, headers=mine)
        assert answer.status_code == 200, answer.text
        return answer.json()["value"]

    return value


async def test_they_are_of_the_interval(figures: Any) -> None:
    assert await figures("lifecycle.moves") == 3
    assert await figures("usage.uses") == 3 + 40 + 7
    assert await figures("usage.customers") == 2
    assert await figures("usage.adoption") == 100 * 8 / 16
    assert await figures("marketing.page_views") == 4


@pytest.mark.parametrize(
    ("id", "filters", "value"),
    [
        ("lifecycle.moves", {"lifecycle_stage": "lost"}, 1),
        ("lifecycle.moves", {"from_stage": "prospect"}, 1),
        ("lifecycle.moves", {"reason": "price"}, 1),
        ("usage.uses", {"used_product": "till"}, 10),
        ("usage.adoption", {"used_product": "stock"}, None),
        ("marketing.page_views", {"visit_source": "newsletter"}, 3),
    ],
)
async def test_they_are_filtered_by_what_the_events_say(
    figures: Any, id: str, filters: dict[str, str], value: float | None
) -> None:
    (name, wanted), *_ = filters.items()
    assert await figures(id, filter=f"{name}:{wanted}") == value


def course(tenant: str, customer: Any, *steps: tuple[str, Event]) -> list[Any]:
    return [
        happened(event, tenant, at(day), customer, aggregate_version=version)
        for version, (day, event) in enumerate(steps, start=1)
    ]


async def test_customers_are_counted_by_the_stage_they_were_in(
    fold: Fold, analytics: httpx.AsyncClient, mine: Headers, tenant: str
) -> None:
    lead, lapsed, gone, back, twin, split = (new_id() for _ in range(6))
    created = CustomerCreated(kind="person", stage="lead")
    await fold(
        *course(
            tenant,
            lead,
            ("2026-01-01", created),
            ("2026-03-01", CustomerLifecycleMoved(stage="customer", from_stage="lead")),
            ("2026-03-02", CustomerAmended(changed=["segment"], segment="gold")),
        ),
        *course(tenant, lapsed, ("2026-02-10", CustomerCreated(kind="person"))),
        *course(tenant, gone, ("2026-01-01", created), ("2026-02-20", CustomerArchived())),
        *course(
            tenant,
            back,
            ("2026-01-01", created),
            ("2026-01-10", CustomerArchived()),
            ("2026-02-20", CustomerRestored()),
            ("2026-02-21", CustomerAmended(changed=["segment"])),
        ),
        *course(tenant, twin, ("2026-01-01", created), ("2026-04-01", CustomerMerged(into=lead))),
        *course(
            tenant,
            split,
            ("2026-01-01", created),
            ("2026-04-01", CustomerMerged(into=lead)),
            ("2026-05-01", CustomerUnmerged(out_of=lead)),
        ),
    )
    for to, stages in (
        ("2026-01-01", {}),
        ("2026-01-05", {"lead": 4}),
        ("2026-02-15", {"lead": 3, None: 1}),
        ("2026-02-22", {"lead": 3, None: 1}),
        ("2026-03-05", {"lead": 2, "customer": 1, None: 1}),
        ("2026-06-01", {"lead": 2, "customer": 1, None: 1}),
    ):
        params = {"from": "2020-01-01T00:00:00Z", "to": f"{to}T00:00:00Z"}
        figure = await analytics.get(
            "/v1/metrics/lifecycle.customers", params=params | {"groupBy": "lifecycle_stage"}, headers=mine
        )
        found = {each["group"][0]["value"]: each["value"] for each in figure.json()["breakdown"]}
        assert found == stages, to
        members = await analytics.get("/v1/metrics/lifecycle.customers/members", params=params, headers=mine)
        assert len(members.json()["items"]) == sum(stages.values())


async def test_time_to_value_is_from_what_was_bought_first_to_its_first_use(
    fold: Fold, analytics: httpx.AsyncClient, mine: Headers, tenant: str
) -> None:
    orders, wins, enters, early, before, nothing = (new_id() for _ in range(6))
    order, used = OrderPlaced(value=Decimal(1), currency="EUR"), UsageRecorded(uses=1)
    won = OpportunityWon(from_stage="engaging", value=Decimal(1), currency="EUR")

    def of(customer: Any, *steps: tuple[str, Event]) -> list[Any]:
        return [happened(event, tenant, at(day), customer) for day, event in steps]

    person = CustomerCreated(kind="person", segment="gold")
    await fold(
        *of(orders, ("2025-01-01", person), ("2026-03-01", order), ("2026-03-02", order), ("2026-03-03", used)),
        *of(orders, ("2026-03-03", used), ("2026-03-09", used)),  # at the same instant: it was first used once
        *of(wins, ("2026-02-20", won), ("2026-02-21", order), ("2026-03-02", used)),
        *of(enters, ("2026-03-01", person), ("2026-03-31", used), ("2026-04-05", order)),
        *of(early, ("2026-03-01", used), ("2026-03-02", order), ("2026-03-03", person)),  # it cannot be told
        *of(before, ("2026-01-01", order), ("2026-02-28", used), ("2026-03-05", used)),
        *of(nothing, ("2026-03-01", order)),
        happened(used, tenant, at("2026-03-01")),
    )

    async def ask(id: str, **more: str) -> Any:
        params = {"from": "2026-03-01T00:00:00Z", "to": "2026-04-01T00:00:00Z", **more}
        return (await analytics.get(f"/v1/metrics/{id}", params=params, headers=mine)).json()

    figure = await ask("usage.time_to_value", groupBy="segment", grain="week")
    assert (figure["value"], figure["denominator"]) == (pytest.approx((2 + 10 + 30) / 3), 3)
    assert (await ask("usage.time_to_value_median"))["value"] == 10
    assert (await ask("usage.time_to_value", filter="segment:gold"))["value"] == (2 + 30) / 2
    members = (await ask("usage.time_to_value/members", part="time", first="2"))["items"]
    members += (await ask("usage.time_to_value/members", part="time", after=await _next(ask)))["items"]
    assert sorted(each["value"] / 86_400 for each in members) == [2, 10, 30]
    assert {each["type"] for each in members} == {UsageRecorded.type}
    later = await ask("usage.time_to_value", to="2026-03-03T00:00:00Z")
    assert later["value"] == 10
    assert (await ask("usage.time_to_value", **{"from": "2027-01-01T00:00:00Z", "to": "2027-02-01T00:00:00Z"}))[
        "value"
    ] is None


async def _next(ask: Any) -> str:
    cursor: str = (await ask("usage.time_to_value/members", part="time", first="2"))["next"]
    return cursor
