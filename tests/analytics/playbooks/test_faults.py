"""A playbook that cannot decide on a happening stops neither other happenings nor other playbooks."""

from datetime import UTC, datetime
from uuid import UUID

import httpx
import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.analytics.playbooks.scenarios import actions, runs, sank, started, triggered

from analytics.playbooks.firing import Firing, Run
from analytics.playbooks.form import playbooks
from analytics.playbooks.plan import Customer
from analytics.playbooks.trigger_event import TriggerEvent
from kith.ids import new_id
from kith.testing import Issuer, Tenant

SPRING, NOON = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.fixture
def us(analytics: httpx.AsyncClient, issuer: Issuer, tenant: str) -> Tenant:
    return Tenant(analytics, issuer, tenant)


async def test_a_happening_that_cannot_be_decided_on_is_a_suppressed_run_with_the_reason(
    us: Tenant, worker: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, others = new_id(), [new_id() for _ in range(4)]
    raising, sound = await started(us, SPRING), await started(us, SPRING)
    take = Firing._take

    def raises(self: Firing, trigger_event: TriggerEvent, customer: Customer) -> Run | None:
        if (self.playbook, trigger_event.customer_id) == (raising, bad):
            raise ArithmeticError
        return take(self, trigger_event, customer)

    monkeypatch.setattr(Firing, "_take", raises)
    assert await triggered(worker, us.name, *[sank(customer, NOON) for customer in (*others, bad)]) == 10
    found = {(run.playbook_id, run.customer_id): (run.state, run.reason) for run in await runs(worker, us.name)}
    assert found.pop((raising, bad)) == ("suppressed", "It could not be decided: ArithmeticError.")
    assert set(found) == {(sound, each) for each in (*others, bad)} | {(raising, each) for each in others}
    assert {state for state, _ in found.values()} == {"requested"}
    assert len(await actions(worker, us.name)) == 2 * len(found)


async def test_a_playbook_that_cannot_be_read_does_not_keep_another_from_acting(
    us: Tenant, worker: AsyncEngine
) -> None:
    broken, sound = await started(us, SPRING), await started(us, SPRING)
    async with worker.begin() as connection:
        unreadable = update(playbooks).where(playbooks.c.id == broken)
        await connection.execute(unreadable.values(document={"when": {"kind": "of another world"}, "actions": []}))
    customer: UUID = new_id()
    assert await triggered(worker, us.name, sank(customer, NOON)) == 1
    assert [run.playbook_id for run in await runs(worker, us.name)] == [sound]
