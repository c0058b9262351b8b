"""Playbooks for tests: drafted and started over the API, and what they ask for."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from analytics.playbooks.runs import fire
from analytics.playbooks.tables import playbook_runs
from analytics.playbooks.trigger_event import TriggerEvent
from analytics.tables import outbox
from kith.events.analytics import ActionRequested
from kith.testing import Tenant


def document(**fields: Any) -> dict[str, Any]:
    when = {"kind": "band_changed", "to": ["at_risk"]}
    actions = [{"kind": "task", "title": "Call them", "due_in_days": 3}, {"kind": "case", "title": "Look after them"}]
    return {"when": when, "actions": actions, **fields}


async def started(tenant: Tenant, since: datetime, **fields: Any) -> UUID:
    at_first = {"occurred_at": since.isoformat()}
    playbook = await tenant.made("/v1/playbooks", title="A playbook", document=document(**fields), **at_first)
    answer = await tenant.post(f"/v1/playbooks/{playbook['id']}:start", at_first)
    assert answer.status_code == 200, answer.text
    return UUID(playbook["id"])


def sank(customer: UUID, at: datetime, **fields: Any) -> TriggerEvent:
    given = {"band": "at_risk", "from_band": "steady", "score": 37.5, "cause": "silence", **fields}
    return TriggerEvent(kind="band_changed", customer_id=customer, at=at, **given)


async def triggered(engine: AsyncEngine, tenant: str, *trigger_events: TriggerEvent) -> int:
    async with engine.begin() as connection:
        return await fire(connection, tenant, trigger_events)


async def runs(engine: AsyncEngine, tenant: str) -> Sequence[Any]:
    async with engine.connect() as connection:
        found = await connection.execute(
            select(playbook_runs).where(playbook_runs.c.tenant_id == tenant).order_by(playbook_runs.c.at)
        )
        return found.all()


async def actions(engine: AsyncEngine, tenant: str) -> list[tuple[Any, ActionRequested]]:
    """Returns the requested actions: the rows of the outbox, and the events in them."""
    async with engine.connect() as connection:
        rows = await connection.execute(
            select(outbox)
            .where(outbox.c.tenant_id == tenant, outbox.c.type == ActionRequested.type)
            .order_by(outbox.c.seq)
        )
        return [(row, msgspec.json.decode(row.data, type=ActionRequested)) for row in rows]
