"""What playbooks do when something happens: once, for whom they are, and no more often than they may."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.analytics.conftest import Fold, at, happened
from tests.analytics.playbooks.scenarios import actions, runs, sank, started, triggered

from analytics.playbooks.facts import trigger_events_of
from analytics.playbooks.firing import is_control
from analytics.playbooks.plan import action_id
from analytics.playbooks.runs import fire
from analytics.playbooks.trigger_event import TriggerEvent
from kith.events.analytics import ReadingRecorded
from kith.events.contacts import CustomerAmended, CustomerCreated
from kith.events.service_desk import CaseResolved
from kith.ids import new_id
from kith.testing import Issuer, Tenant

SPRING = at("2026-03-01")
ADA = new_id()
NOON = SPRING + timedelta(hours=12)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def us(analytics: httpx.AsyncClient, issuer: Issuer, tenant: str) -> Tenant:
    return Tenant(analytics, issuer, tenant)


async def test_a_run_asks_for_each_action_with_all_that_it_takes(us: Tenant, worker: AsyncEngine, fold: Fold) -> None:
    customer = new_id()
    await fold(happened(CustomerCreated(kind="person", owner_id=ADA), us.name, at("2026-01-01"), customer))
    playbook = await started(us, SPRING)
    assert await triggered(worker, us.name, sank(customer, NOON, traceparent=TRACE)) == 1
    (run,) = await runs(worker, us.name)
    assert (run.playbook_id, run.customer_id, run.at, run.state) == (playbook, customer, NOON, "requested")
    assert run.trigger == {
        "kind": "band_changed",
        "band": "at_risk",
        "from_band": "steady",
        "score": 37.5,
        "cause": "silence",
    }
    (task_row, task), (case_row, case) = await actions(worker, us.name)
    assert (task.kind, task.title, task.due_at, task.owner_id) == (
        "task",
        "Call them",
        NOON + timedelta(days=3),
        ADA,
    )
    assert (case.kind, case.priority, case.owner_id) == ("case", "moderate", None)
    assert (task.playbook_id, task.run_id, task.trigger) == (playbook, run.id, "band_changed")
    known = task_row.recorded_at.isoformat().replace("+00:00", "Z")
    assert task.explanation == f"/v1/customers/{customer}/health?at=2026-03-01T12:00:00Z&knownAt={known}"
    assert [row.subject for row in (task_row, case_row)] == [action_id(run.id, 0), action_id(run.id, 1)]
    assert [each["id"] for each in run.actions] == [str(task_row.subject), str(case_row.subject)]
    assert {row.customer_id for row in (task_row, case_row)} == {customer}
    # One trace, from what happened to what is requested.
    assert run.trace_id == TRACE.split("-")[1] == task_row.traceparent.split("-")[1]


async def test_triggered_again_it_is_not_done_again(us: Tenant, worker: AsyncEngine) -> None:
    customer = new_id()
    await started(us, SPRING, cool_down_days=0)
    assert await triggered(worker, us.name, sank(customer, NOON)) == 1
    assert await triggered(worker, us.name, sank(customer, NOON)) == 0
    assert (len(await runs(worker, us.name)), len(await actions(worker, us.name))) == (1, 2)


async def test_what_is_undone_requested_nothing(us: Tenant, worker: AsyncEngine) -> None:
    await started(us, SPRING)

    async def killed() -> None:
        async with worker.begin() as connection:
            assert await fire(connection, us.name, [sank(new_id(), NOON)]) == 1
            raise ConnectionError

    with pytest.raises(ConnectionError):
        await killed()
    assert (await runs(worker, us.name), await actions(worker, us.name)) == ([], [])


async def test_the_cool_down_is_counted_from_runs_of_before(us: Tenant, worker: AsyncEngine) -> None:
    customer = new_id()
    await started(us, SPRING, cool_down_days=10)
    days = [await triggered(worker, us.name, sank(customer, NOON + timedelta(days=day))) for day in (0, 9, 10, 15)]
    assert days == [1, 0, 1, 0]


async def test_nothing_fires_for_what_was_before_it_started_or_after_it_stopped(
    us: Tenant, worker: AsyncEngine
) -> None:
    playbook = await started(us, SPRING)
    assert await triggered(worker, us.name, sank(new_id(), SPRING - timedelta(microseconds=1))) == 0
    assert await triggered(worker, us.name, sank(new_id(), SPRING)) == 1
    await us.post(f"/v1/playbooks/{playbook}:stop", {})
    assert await triggered(worker, us.name, sank(new_id(), NOON)) == 0


async def test_another_tenants_playbook_does_not_act(
    us: Tenant, worker: AsyncEngine, other_tenant: str, analytics: httpx.AsyncClient, issuer: Issuer
) -> None:
    customer = new_id()
    theirs = Tenant(analytics, issuer, other_tenant)
    playbook = await started(theirs, SPRING)
    assert await triggered(worker, us.name, sank(customer, NOON)) == 0
    assert await triggered(worker, other_tenant, sank(customer, NOON)) == 1
    assert (await us.get(f"/v1/playbooks/{playbook}")).status_code == 404
    assert (await us.get("/v1/playbooks")).json()["items"] == []


async def test_the_audience_is_as_it_was_known_at_that_instant(us: Tenant, worker: AsyncEngine, fold: Fold) -> None:
    customer = new_id()
    await fold(
        happened(CustomerCreated(kind="person", segment="office"), us.name, at("2026-01-01"), customer),
        happened(
            CustomerAmended(changed=["segment"], segment="home"),
            us.name,
            NOON + timedelta(days=1),
            customer,
            aggregate_version=2,
        ),
    )
    await started(us, SPRING, audience={"segments": ["office"]}, cool_down_days=0)
    assert await triggered(worker, us.name, sank(customer, NOON)) == 1
    assert await triggered(worker, us.name, sank(customer, NOON + timedelta(days=2))) == 0


async def test_who_is_left_alone_gets_a_run_and_nothing_is_requested(us: Tenant, worker: AsyncEngine) -> None:
    playbook = await started(us, SPRING, control_share=0.5)
    alone = next(id for id in iter(new_id, None) if is_control(playbook, id, 0.5))
    assert await triggered(worker, us.name, sank(alone, NOON)) == 1
    (run,) = await runs(worker, us.name)
    assert (run.state, run.is_control, run.actions) == ("left_alone", True, [])
    assert await actions(worker, us.name) == []


async def test_beyond_the_limit_of_a_day_a_run_is_kept_and_says_why_nothing_was_requested(
    us: Tenant, worker: AsyncEngine
) -> None:
    await started(us, SPRING, limit_per_day=2)
    for minute in range(4):
        await triggered(worker, us.name, sank(new_id(), NOON + timedelta(minutes=minute)))
    found = await runs(worker, us.name)
    assert [run.state for run in found] == ["requested", "requested", "suppressed", "suppressed"]
    assert found[3].reason == "2 runs of 2026-03-01 were there already, the limit of a day."
    assert found[3].settles_at is None
    assert len(await actions(worker, us.name)) == 4


async def both(worker: AsyncEngine, tenant: str, one: TriggerEvent, other: TriggerEvent) -> list[int]:
    """Triggered by two at once: the other before the first has ended."""
    async with worker.begin() as connection:
        first = await fire(connection, tenant, [one])
        second = asyncio.create_task(triggered(worker, tenant, other))
        await asyncio.wait([second], timeout=0.3)
    return [first, await second]


async def test_the_limit_holds_when_two_tell_at_once(us: Tenant, worker: AsyncEngine) -> None:
    await started(us, SPRING, limit_per_day=1)
    assert await both(worker, us.name, sank(new_id(), NOON), sank(new_id(), NOON)) == [1, 1]
    assert sorted(run.state for run in await runs(worker, us.name)) == ["requested", "suppressed"]


async def test_the_same_triggered_by_two_at_once_is_one_run(us: Tenant, worker: AsyncEngine) -> None:
    customer = new_id()
    await started(us, SPRING)
    assert await both(worker, us.name, sank(customer, NOON), sank(customer, NOON)) == [1, 0]
    assert (len(await runs(worker, us.name)), len(await actions(worker, us.name))) == (1, 2)


async def test_events_set_playbooks_off_by_themselves(us: Tenant, worker: AsyncEngine, fold: Fold) -> None:
    customer, signal = new_id(), new_id()

    def resolved(sla_met: bool | None, hour: int) -> object:
        case = CaseResolved(
            state="resolved",
            priority="high",
            channel="email",
            from_state="open",
            seconds_to_resolve=9,
            sla_met=sla_met,
        )
        return happened(case, us.name, NOON + timedelta(hours=hour), customer)

    def reading(value: float, day: int) -> object:
        return happened(ReadingRecorded(signal_id=signal, value=value), us.name, NOON + timedelta(days=day), customer)

    def amended(version: int, **fields: Any) -> object:
        event = CustomerAmended(changed=list(fields), **fields)
        return happened(event, us.name, NOON + timedelta(days=version), customer, aggregate_version=version)

    events = [
        happened(CustomerCreated(kind="person", segment="office"), us.name, at("2026-01-01"), customer),
        amended(2, tier="gold"),
        amended(3, segment="home"),
        resolved(True, 1),
        resolved(False, 2),
        resolved(None, 3),
        reading(12, 1),
        reading(9, 2),
        happened(ReadingRecorded(signal_id=new_id(), value=3), us.name, NOON + timedelta(days=3), customer),
    ]
    await fold(*events)
    async with worker.connect() as connection:
        found = await trigger_events_of(connection, us.name, [(each.id, TRACE) for each in events])  # type: ignore[attr-defined]
    assert sorted((each.kind, each.segment, each.value, each.from_value) for each in found) == [
        ("segment_entered", "home", None, None),
        ("segment_entered", "office", None, None),
        ("signal_crossed", None, 9, 12),
        ("sla_breached", None, None, None),
    ]
    assert {each.traceparent for each in found} == {TRACE}
    breached = next(each for each in found if each.kind == "sla_breached")
    assert (breached.at, breached.customer_id) == (NOON + timedelta(hours=2), customer)
    await started(us, SPRING, when={"kind": "sla_breached"})
    await started(us, SPRING, when={"kind": "segment_entered", "segments": ["home"]})
    assert await triggered(worker, us.name, *found) == 2
