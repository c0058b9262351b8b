"""The settings of a tenant, as far as analytics has received them: its time zone, its currency, and its definition of
activity."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.projections.activity import DEFAULT_POLICY, ActivityPolicy
from analytics.projections.tables import activity_rules, facts
from kith.errors import NotFound
from kith.events.contacts import SettingsChanged

DEFAULT_ZONE = "UTC"


@dataclass(frozen=True)
class Tenant:
    zone: str
    currency: str | None
    policy: ActivityPolicy


async def tenant_settings(connection: AsyncConnection, tenant: str, activity: int | None = None) -> Tenant:
    """Returns the settings with the newest definition of activity whose spans are computed, or the one of version
    `activity`. Raises NotFound for a version that does not exist, or is not computed yet."""
    c = facts.c
    changes = await connection.execute(
        select(c.version, c.state)
        .where(c.tenant_id == tenant, c.type == SettingsChanged.type)
        .order_by(c.version.desc())
    )
    versions: list[tuple[int, Mapping[str, Any]]] = [(row.version, row.state) for row in changes]
    newest = versions[0][1] if versions else {"time_zone": DEFAULT_ZONE}
    zone, currency = newest["time_zone"], newest.get("currency")
    r = activity_rules.c
    computed = await connection.scalars(select(r.rule).where(r.tenant_id == tenant, r.ready_at.is_not(None)))
    ready = {*computed, *(rule.id for rule in DEFAULT_POLICY.rules)}
    policies = [*(ActivityPolicy.of_event(version, state["activity"]) for version, state in versions), DEFAULT_POLICY]
    usable = {each.version: each for each in policies if ready.issuperset(rule.id for rule in each.rules)}
    if activity is None:
        return Tenant(zone, currency, next(iter(usable.values())))
    if activity not in usable:
        raise NotFound(
            f"There is no definition of activity {activity} to ask. There are: {', '.join(map(str, usable))}.",
            field="activity",
        )
    return Tenant(zone, currency, usable[activity])
