"""The fold: applies a batch of events to the read models, in the consumer's own transaction.

The ledger leaves out the events that it has already, so an event's effect is exactly once, however often it is
delivered. What is folded commutes, or goes by the aggregate's version, so the order of events of different aggregates
does not matter.

All of a customer's events are in one partition, so folds of different processes concern different customers and run in
parallel. Not so once customers were merged: then a fold locks its tenant exclusively.
"""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.ledger.withdrawals import Withdrawn
from analytics.projections.facts import RecordedEvent, Survivors
from analytics.projections.merges import all_survivors, survivors
from analytics.projections.merging import MERGES
from analytics.projections.projection import Batch, declared
from analytics.projections.shadow import enter_fold
from kith.events.envelope import Envelope

_UNTRACED: Mapping[UUID, str | None] = {}


def recorded_event(envelope: Envelope) -> RecordedEvent:
    return RecordedEvent.of(
        envelope.tenant_id,
        envelope.id,
        envelope.type,
        envelope.subject,
        envelope.aggregate_version,
        envelope.time,
        envelope.customer_id,
        envelope.data,
    )


async def fold(
    connection: AsyncConnection, events: Sequence[RecordedEvent], traceparents: Mapping[UUID, str | None] = _UNTRACED
) -> None:
    """Brings the read models up to these events, which are in the ledger and were not there before."""
    if not events:
        return
    await enter_fold(connection, events)
    tenants = {each.tenant_id for each in events}
    merging = {each.tenant_id for each in events if each.type in MERGES}
    exclusive = merging | {tenant for tenant, _ in await survivors(connection, events)}
    await lock_tenants(connection, tenants - exclusive, exclusive=False)
    await lock_tenants(connection, exclusive, exclusive=True)
    # Read again under the locks: until now another fold could change them.
    merged = await survivors(connection, events)
    merged_meanwhile = {tenant for tenant, _ in merged} - exclusive
    await lock_tenants(connection, merged_meanwhile, exclusive=True)  # of two that deadlock here, one is retried
    await apply(connection, events, merged, traceparents)


async def retract(connection: AsyncConnection, withdrawn: Sequence[Withdrawn]) -> None:
    """Removes from the read models what came of events that are not in the ledger any more."""
    if not withdrawn:
        return
    await enter_fold(connection, withdrawn)
    await lock_tenants(connection, {each.tenant_id for each in withdrawn}, exclusive=True)
    batch = Batch((), await all_survivors(connection, {each.tenant_id for each in withdrawn}), {}, withdrawn=withdrawn)
    for each in declared():
        await each.retract(connection, batch)
    await _move(connection, batch)


async def apply(
    connection: AsyncConnection,
    events: Sequence[RecordedEvent],
    merged: Survivors,
    traceparents: Mapping[UUID, str | None] = _UNTRACED,
) -> None:
    """Applies the events to all projections. Needs the locks on their tenants, and the survivors as they are read under
    these locks."""
    batch = Batch(events, merged, traceparents)
    for each in declared():
        await each.apply(connection, batch)
    await _move(connection, batch)


async def _move(connection: AsyncConnection, batch: Batch) -> None:
    for tenant, moved in batch.moved.items():
        for each in declared():
            await each.move(connection, tenant, moved)


async def lock_tenants(connection: AsyncConnection, tenants: Iterable[str], *, exclusive: bool) -> None:
    """Locks the tenants until the transaction ends, in the order of their names, so that two transactions cannot
    deadlock."""
    how = "pg_advisory_xact_lock" if exclusive else "pg_advisory_xact_lock_shared"
    if wanted := sorted(tenants):
        await connection.exec_driver_sql(
            f"SELECT {how}(hashtextextended('fold ' || tenant, 0)) FROM unnest($1::text[]) AS t(tenant)",  # noqa: S608 - one of the two above
            (wanted,),
        )
