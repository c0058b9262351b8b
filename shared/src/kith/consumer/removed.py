"""Events of tenants that were removed: they have no effect, wherever they come from and however late."""

from collections.abc import Sequence
from datetime import datetime

import prometheus_client
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.consumer.delivery import Delivery
from kith.db.removed import TABLE

DROPPED = prometheus_client.Counter(
    "kith_consumer_dropped_total", "Messages without effect, of tenants that were removed", ["group"]
)


def _is_of(since: datetime, delivery: Delivery) -> bool:
    """Whether it was recorded since. Of what cannot be read nobody can tell: it becomes a dead letter."""
    return delivery.envelope is None or delivery.envelope.recorded_at >= since


async def without_removed(
    connection: AsyncConnection, group: str, deliveries: Sequence[Delivery]
) -> Sequence[Delivery]:
    """Returns the deliveries that are to take effect. Of a tenant that was readmitted these are the events recorded
    since. No tenant of theirs is removed before the transaction ends."""
    tenants = {each.tenant_id for each in deliveries} - {None}
    if not tenants:  # nothing but watermarks
        return deliveries
    rows = await connection.execute(
        select(TABLE.c.tenant_id, TABLE.c.readmitted_at).where(TABLE.c.tenant_id.in_(tenants))
    )
    readmitted = {row.tenant_id: row.readmitted_at for row in rows}
    if not readmitted:
        return deliveries
    kept = [
        each
        for each in deliveries
        if each.tenant_id not in readmitted or ((since := readmitted[each.tenant_id]) and _is_of(since, each))
    ]
    DROPPED.labels(group).inc(len(deliveries) - len(kept))
    return kept
