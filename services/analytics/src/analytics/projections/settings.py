"""What a tenant sets, as far as it changes what is kept: the rules of its definition of activity."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.projections.activity import PURCHASES, ActivityPolicy
from analytics.projections.facts import RecordedEvent
from kith.events.contacts import SettingsChanged


async def fold_settings(connection: AsyncConnection, events: Sequence[RecordedEvent]) -> None:
    """Note the rules that are new: they are folded from now on, and computed for what was folded before (see
    projections.compute_rules). The default rule is kept for everybody."""
    new = {
        (event.tenant_id, rule.id): rule
        for event in events
        if event.type == SettingsChanged.type
        for rule in ActivityPolicy.told(event.version, event.body["activity"]).rules
        if rule != PURCHASES
    }
    for (tenant, id), rule in new.items():
        await connection.exec_driver_sql(
            """
            INSERT INTO activity_rules (tenant_id, rule, event_types, window_days, added_at)
            VALUES ($1, $2, $3, $4, now()) ON CONFLICT DO NOTHING
            """,
            (tenant, id, sorted(rule.event_types), rule.window.days),
        )
