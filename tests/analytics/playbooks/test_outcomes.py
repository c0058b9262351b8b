"""Outcomes: what counts as success of a run, when it is settled, and by what it is seen."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.analytics.conftest import Fold, at, happened
from tests.analytics.playbooks.scenarios import runs, sank, started, triggered

from analytics.playbooks.outcomes import GRACE, settle
from kith.events.contacts import ActivityPolicy, ActivityRule, CustomerCreated, CustomerMerged, SettingsChanged
from kith.events.envelope import Envelope
from kith.events.exchanges import TouchpointRecorded as Touched
from kith.events.sales import OrderPlaced
from kith.ids import new_id
from kith.testing import Issuer, Tenant

SPRING = at("2026-03-01")
DAY = timedelta(days=1)
END = SPRING + 10 * DAY
PURCHASE = {"kind": "purchase", "days": 10}


@pytest.fixture
def us(analytics: httpx.AsyncClient, issuer: Issuer, tenant: str) -> Tenant:
    return Tenant(analytics, issuer, tenant)


def bought(us: Tenant, customer: UUID, time: datetime) -> Envelope:
    return happened(OrderPlaced(value=Decimal(9), currency="EUR"), us.name, time, customer)


async def settled(worker: AsyncEngine, us: Tenant, now: datetime = END + GRACE) -> dict[UUID, Any]:
    while await settle(worker, now):
        pass
    return {run.customer_id: run for run in await runs(worker, us.name)}


async def test_an_order_within_the_days_is_success_and_the_first_one_shows_it(
    us: Tenant, worker: AsyncEngine, fold: Fold
) -> None:
    in_time, before, after, never = (new_id() for _ in range(4))
    first = bought(us, in_time, SPRING + 3 * DAY)
    # The one that set it off is none, nor is one at the very end.
    others = [
        bought(us, in_time, SPRING + 4 * DAY),
        bought(us, before, SPRING),
        bought(us, after, END),
        happened(Touched(channel="email", direction="in"), us.name, SPRING + DAY, never),
    ]
    await fold(first, *others)
    await started(us, SPRING, outcome=PURCHASE)
    await triggered(worker, us.name, *(sank(each, SPRING) for each in (in_time, before, after, never)))
    found = await settled(worker, us)
    assert {id: run.succeeded for id, run in found.items()} == {
        in_time: True,
        before: False,
        after: False,
        never: False,
    }
    assert found[in_time].evidence_id == first.id
    assert found[never].evidence_id is None


async def test_it_is_not_settled_before_its_days_are_over(us: Tenant, worker: AsyncEngine, fold: Fold) -> None:
    customer = new_id()
    await fold(bought(us, customer, SPRING + DAY))
    await started(us, SPRING, outcome=PURCHASE)
    await triggered(worker, us.name, sank(customer, SPRING))
    assert (await settled(worker, us, END))[customer].settled_at is None
    run = (await settled(worker, us))[customer]
    assert (run.settles_at, run.succeeded) == (END, True)


async def test_of_customers_left_alone_it_is_settled_too_and_of_a_playbook_without_an_outcome_not(
    us: Tenant, worker: AsyncEngine
) -> None:
    measured = await started(us, SPRING, outcome=PURCHASE, control_share=0.5)
    customers = [new_id() for _ in range(30)]
    await triggered(worker, us.name, *(sank(each, SPRING) for each in customers))
    found = (await settled(worker, us)).values()
    assert {run.is_control for run in found} == {True, False}
    assert all(run.succeeded is False for run in found)
    unmeasured = new_id()
    await us.post(f"/v1/playbooks/{measured}:stop", {})
    await started(us, SPRING)
    await triggered(worker, us.name, sank(unmeasured, SPRING))
    assert (await settled(worker, us))[unmeasured].settles_at is None


async def test_what_a_customer_does_after_it_was_merged_counts(us: Tenant, worker: AsyncEngine, fold: Fold) -> None:
    absorbed, survivor = new_id(), new_id()
    await fold(
        happened(CustomerCreated(kind="person"), us.name, SPRING - DAY, absorbed),
        happened(CustomerCreated(kind="person"), us.name, SPRING - DAY, survivor),
    )
    await started(us, SPRING, outcome=PURCHASE)
    await triggered(worker, us.name, sank(absorbed, SPRING))
    await fold(happened(CustomerMerged(into=survivor), us.name, SPRING + DAY, absorbed, aggregate_version=2))
    await fold(bought(us, survivor, SPRING + 2 * DAY))
    assert (await settled(worker, us))[absorbed].succeeded


async def test_activity_is_what_it_is_to_the_tenant_and_to_the_customers_segment(
    us: Tenant, worker: AsyncEngine, fold: Fold
) -> None:
    plain, office = new_id(), new_id()
    touched = ActivityRule(event_types=[Touched.type], window_days=30)
    ordered = ActivityRule(event_types=[OrderPlaced.type], window_days=30)
    settings = SettingsChanged(time_zone="UTC", activity=ActivityPolicy(default=ordered, segments={"office": touched}))
    touches = [happened(Touched(channel="email", direction="in"), us.name, SPRING + DAY, id) for id in (plain, office)]
    await fold(
        happened(settings, us.name, SPRING - 9 * DAY),
        happened(CustomerCreated(kind="person"), us.name, SPRING - DAY, plain),
        happened(CustomerCreated(kind="person", segment="office"), us.name, SPRING - DAY, office),
        *touches,
    )
    await started(us, SPRING, outcome={"kind": "active", "days": 10})
    await triggered(worker, us.name, sank(plain, SPRING), sank(office, SPRING))
    found = await settled(worker, us)
    assert (found[plain].succeeded, found[office].succeeded) == (False, True)
    assert found[office].evidence_id == touches[1].id


async def test_a_band_is_that_when_the_days_are_over(us: Tenant, worker: AsyncEngine, fold: Fold) -> None:
    """An order makes the default model call a customer steady; 10 days later it still does, and 200 later not."""
    soon, lapsed, unknown = new_id(), new_id(), new_id()
    await fold(
        *(bought(us, soon, SPRING + day * DAY) for day in (1, 2)),
        *(bought(us, lapsed, SPRING - day * DAY) for day in (200, 201)),
    )
    outcome = {"kind": "band_at_least", "band": "steady", "days": 10}
    await started(us, SPRING, outcome=outcome, cool_down_days=1)
    await triggered(worker, us.name, *(sank(each, SPRING) for each in (soon, lapsed, unknown)))
    await triggered(worker, us.name, sank(soon, SPRING + 200 * DAY))
    found = await settled(worker, us)
    assert (found[lapsed].succeeded, found[unknown].succeeded) == (False, False)
    first, second = (run for run in await runs(worker, us.name) if run.customer_id == soon)
    assert (first.succeeded, second.succeeded) == (True, None)
    await settled(worker, us, SPRING + 210 * DAY + GRACE)
    _, second = (run for run in await runs(worker, us.name) if run.customer_id == soon)
    assert second.succeeded is False


async def test_what_another_tenant_knows_of_a_customer_of_that_id_does_not_count(
    us: Tenant, worker: AsyncEngine, fold: Fold, other_tenant: str
) -> None:
    customer = new_id()
    await fold(happened(OrderPlaced(value=Decimal(9), currency="EUR"), other_tenant, SPRING + DAY, customer))
    await started(us, SPRING, outcome=PURCHASE)
    await triggered(worker, us.name, sank(customer, SPRING))
    assert (await settled(worker, us))[customer].succeeded is False
