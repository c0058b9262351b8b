"""What inputs mean, beside metrics that are named alike."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest
from tests.analytics.conftest import Fold, happened

from analytics.health.model.inputs import INPUTS
from analytics.metrics.catalogue import METRICS
from kith.events.analytics import HealthModelPublished
from kith.events.event import Event
from kith.events.exchanges import AdoptionMeasured, TouchpointRecorded, UsageRecorded
from kith.events.goals import (
    MilestoneAmended,
    MilestoneDropped,
    MilestoneMet,
    MilestoneMissed,
    MilestoneMoved,
    MilestoneSet,
)
from kith.events.invoices import InvoiceAmended, InvoiceIssued, InvoiceOverdue, InvoicePaid
from kith.events.sales import OrderPlaced, OrderReturned
from kith.events.subscriptions import SubscriptionStarted
from kith.ids import new_id
from sales.subscriptions.rules import Subscription
from sales.subscriptions.values import BillingPeriod

Headers = dict[str, str]
DAY = timedelta(days=1)


def now() -> datetime:
    return datetime.now(UTC)


def model(*inputs: str, **settings: Any) -> HealthModelPublished:
    measures = [{"id": each, "input": each, "weight": 1, "curve": [[0, 0], [100, 100]], **settings} for each in inputs]
    return HealthModelPublished(number=1, document={"title": "m", "measures": measures})


async def contributions(
    analytics: httpx.AsyncClient, headers: Headers, customer: UUID, language: str = "en"
) -> dict[str, Any]:
    params = {"language": language}
    answer = await analytics.get(f"/v1/customers/{customer}/health", params=params, headers=headers)
    assert answer.status_code == 200, answer.text
    return {each["measure"]: each for each in answer.json()["contributions"]}


async def test_breadth_is_absent_until_an_exchange_names_a_contact(
    fold: Fold, analytics: httpx.AsyncClient, mine: Headers, tenant: str
) -> None:
    customer, contact = new_id(), new_id()
    await fold(happened(model("breadth", "engagement"), tenant, now() - 60 * DAY))

    async def exchanged(days: int, **of: Any) -> tuple[bool, float | None, int]:
        event = TouchpointRecorded(channel="email", direction="inbound", **of)
        await fold(happened(event, tenant, now() - days * DAY, customer))
        found = await contributions(analytics, mine, customer)
        return found["breadth"]["present"], found["breadth"]["input"], found["engagement"]["input"]

    assert await exchanged(30) == (False, None, 1)
    assert await exchanged(20, contact_id=contact) == (True, 1, 2)
    assert await exchanged(10) == (True, 1, 3)
    assert await exchanged(5, contact_id=contact) == (True, 1, 4)
    assert await exchanged(4, contact_id=new_id()) == (True, 2, 5)


async def test_sentiment_use_and_adoption_are_of_those_who_told_of_them(
    fold: Fold, analytics: httpx.AsyncClient, mine: Headers, tenant: str
) -> None:
    customer = new_id()
    await fold(happened(model("sentiment", "usage", "feature_adoption"), tenant, now() - 60 * DAY))

    async def inputs(days: int, event: Event) -> dict[str, float | None]:
        await fold(happened(event, tenant, now() - days * DAY, customer))
        found = await contributions(analytics, mine, customer)
        return {name: each["input"] for name, each in found.items() if each["present"]}

    said = TouchpointRecorded(channel="phone", direction="inbound", sentiment=80)
    silent = TouchpointRecorded(channel="phone", direction="inbound")
    assert await inputs(20, silent) == {}
    assert await inputs(19, said) == {"sentiment": 80}
    assert await inputs(18, silent) == {"sentiment": 80}
    badly = TouchpointRecorded(channel="phone", direction="inbound", sentiment=-20)
    assert await inputs(17, badly) == {"sentiment": 30}
    assert (await inputs(16, UsageRecorded(uses=40)))["usage"] == 40
    assert (await inputs(15, AdoptionMeasured(bought=10, used=4, share=0.4)))["feature_adoption"] == 0.4
    assert (await inputs(14, AdoptionMeasured(bought=10, used=7, share=0.7)))["feature_adoption"] == 0.7


async def test_overdue_invoices_are_those_that_were_so_at_the_instant(
    fold: Fold, analytics: httpx.AsyncClient, mine: Headers, tenant: str
) -> None:
    customer, began = new_id(), now() - 60 * DAY
    await fold(happened(model("overdue_invoices"), tenant, began))
    of: dict[str, Any] = {"currency": "EUR", "outstanding": Decimal(9)}
    issued, overdue = InvoiceIssued(state="open", value=Decimal(9), **of), InvoiceOverdue(state="overdue", **of)
    paid = InvoicePaid(state="paid", amount=Decimal(9), **of)
    put_off = InvoiceAmended(changed=["due_on", "state"], state="open")
    courses = ([(1, issued), (5, overdue), (9, paid)], [(1, issued), (6, overdue), (20, put_off)], [(2, issued)])
    for course in courses:
        subject = new_id()
        await fold(
            *(
                happened(event, tenant, began + day * DAY, customer, subject=subject, aggregate_version=version)
                for version, (day, event) in enumerate(course, start=1)
            )
        )
    for day, standing in ((3, 0), (5.5, 1), (7, 2), (10, 1), (21, 0)):
        at = (began + day * DAY).isoformat()
        answer = await analytics.get(f"/v1/customers/{customer}/health", params={"at": at}, headers=mine)
        assert [each["input"] for each in answer.json()["contributions"]] == [standing], day
        interval = {"from": began.isoformat(), "to": at}
        figure = await analytics.get("/v1/metrics/sales.overdue_invoices", params=interval, headers=mine)
        assert figure.json()["value"] == standing


async def test_milestones_count_by_whether_their_dates_were_kept(
    fold: Fold, analytics: httpx.AsyncClient, mine: Headers, tenant: str
) -> None:
    customer, began = new_id(), now() - 60 * DAY
    await fold(happened(model("milestones", window_days=30), tenant, began))
    agreed = MilestoneSet(state="open", due_at=began + 40 * DAY)
    met, late = MilestoneMet(state="met", kept=1), MilestoneMet(state="met")
    missed, moved = MilestoneMissed(state="missed", kept=0), MilestoneMoved(state="open", due_at=began + 50 * DAY)
    linked = MilestoneAmended(changed=[])
    dropped = MilestoneDropped(state="dropped")
    courses = (
        [(1, agreed), (5, met), (7, linked)],
        [(1, agreed), (8, missed), (10, late)],
        [(1, agreed), (9, dropped)],
    )
    for course in (*courses, [(1, agreed), (12, missed), (13, moved), (20, met)]):
        subject = new_id()
        await fold(
            *(
                happened(event, tenant, began + day * DAY, customer, subject=subject, aggregate_version=version)
                for version, (day, event) in enumerate(course, start=1)
            )
        )
    for day, share, behind in (
        (4, None, 0),
        (6, 1, 1),
        (9, 0.5, 2),
        (11, 0.5, 2),
        (14, 1 / 3, 3),
        (21, 0.5, 4),
        (36, 1 / 3, 3),
    ):
        at = (began + day * DAY).isoformat()
        answer = await analytics.get(f"/v1/customers/{customer}/health", params={"at": at}, headers=mine)
        (found,) = answer.json()["contributions"]
        assert found["input"] == (share if share is None else pytest.approx(share)), day
        assert len(found["events"]) == behind, day
    await fold(happened(MilestoneMissed(state="missed", kept="all of them"), tenant, began + 21 * DAY, customer))  # type: ignore[arg-type]
    params = {"at": (began + 22 * DAY).isoformat()}
    answer = await analytics.get(f"/v1/customers/{customer}/health", params=params, headers=mine)
    assert "50% of the milestones met by their dates" in answer.json()["contributions"][0]["words"]


async def test_seats_grow_from_the_instants_at_which_they_are_in_force(
    fold: Fold, analytics: httpx.AsyncClient, mine: Headers, tenant: str
) -> None:
    customer, began = new_id(), now() - 60 * DAY
    await fold(happened(model("seat_growth", window_days=10), tenant, began - 9 * DAY))
    of: dict[str, Any] = {
        "plan": "team",
        "unit_price": Decimal(9),
        "billing_period": BillingPeriod.MONTHLY,
        "currency": "EUR",
    }
    of |= {"starts_at": None, "trial": False, "trial_ends_at": None}
    ids: list[UUID] = []

    async def happens(day: float, it: Subscription, event: Event, version: int) -> None:
        envelope = happened(event, tenant, began + day * DAY, customer, subject=it.id, aggregate_version=version)
        it.updated_at = envelope.time
        ids.append(envelope.id)
        await fold(envelope)

    first, event = Subscription.start(id=new_id(), at=began, seats=10, **of)
    await happens(0, first, event, 1)
    ahead = first.change(at=began + 2 * DAY, effective_at=began + 20 * DAY, seats=15)
    await happens(2, first, ahead, 2)
    second, event = Subscription.start(id=new_id(), at=began + 30 * DAY, seats=5, **of)
    await happens(30, second, event, 1)
    late = second.change(at=began + 34 * DAY, effective_at=began + 31 * DAY, seats=25)
    await happens(34, second, late, 2)
    spoilt: dict[str, Any] = {"starts_at": began, "seats": 900, "mrr": Decimal(1), "steps": [{"seats": "many"}]}
    spoilt |= {"plan": "team", "unit_price": Decimal(9), "billing_period": "monthly", "currency": "EUR"}
    await fold(happened(SubscriptionStarted(auto_renew=True, **spoilt), tenant, began, customer))
    gone = first.cancel(at=began + 40 * DAY, effective_at=None, at_term_end=False, reason=None)
    await happens(40, first, gone, 3)
    seats = {9: None, 11: 1, 21: 15 / 10, 31: 20 / 15, 33: 40 / 15, 40.5: 25 / 20, 45: 25 / 40, 55: 1}
    for day, growth in seats.items():
        params = {"at": (began + day * DAY).isoformat()}
        answer = await analytics.get(f"/v1/customers/{customer}/health", params=params, headers=mine)
        (found,) = answer.json()["contributions"]
        assert found["input"] == (None if growth is None else pytest.approx(growth)), day
        if day == 33:
            assert "seats at 267% of those 10 days before" in found["words"]
            assert found["events"] == [str(ids[1]), str(ids[2])], "each once"


async def test_an_input_that_differs_from_the_metric_of_its_name_says_so(
    fold: Fold, analytics: httpx.AsyncClient, mine: Headers, tenant: str
) -> None:
    customer = new_id()
    await fold(
        happened(model("orders", "revenue"), tenant, now() - 60 * DAY),
        happened(OrderPlaced(value=Decimal(100), currency="EUR"), tenant, now() - 9 * DAY, customer),
        happened(OrderReturned(value=Decimal(40), currency="EUR"), tenant, now() - 8 * DAY, customer),
    )
    found = await contributions(analytics, mine, customer)
    params = {"from": (now() - 20 * DAY).isoformat(), "to": now().isoformat()}
    figures = {
        id: (await analytics.get(f"/v1/metrics/{id}", params=params, headers=mine)).json()["value"]
        for id in sorted(INPUTS.keys() & METRICS.keys())
    }
    assert {id: (figures[id], found[id]["input"]) for id in figures} == {"orders": (1, 1), "revenue": (60, 100)}
    assert "returns not taken off" in INPUTS["revenue"].title
    assert "orders worth 100" in found["revenue"]["words"]
    in_chinese = await contributions(analytics, mine, customer, "zh")
    assert "下单金额为100" in in_chinese["revenue"]["words"]


async def test_a_measure_holds_amounts_to_one_currency(
    fold: Fold, analytics: httpx.AsyncClient, mine: Headers, tenant: str
) -> None:
    customer = new_id()
    await fold(
        *(
            happened(OrderPlaced(value=Decimal(value), currency=currency), tenant, now() - 9 * DAY, customer)
            for value, currency in ((30, "EUR"), (7000, "JPY"))
        )
    )
    for number, settings, amount in ((1, {}, 7030), (2, {"where": {"currency": ["EUR"]}}, 30)):
        published = HealthModelPublished(number=number, document=model("revenue", **settings).document)
        await fold(happened(published, tenant, now() - (5 - number) * DAY))
        found = await contributions(analytics, mine, customer)
        assert found["revenue"]["input"] == amount
    assert "in any currency" in INPUTS["revenue"].title
