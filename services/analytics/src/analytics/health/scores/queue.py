"""The queue of customers to be scored again: filled in the transaction that changed their facts (see rescoring).

Rows are inserted only, so no fold waits for a score, and no score for a fold.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.health.model.inputs import TYPES
from analytics.health.model.timeline import MODEL_TYPES
from analytics.health.scores.tables import health_rescorings, health_scores
from analytics.ledger.unnest import UnnestParams
from analytics.projections.facts import Fact, RecordedEvent, concerned, types_of
from analytics.projections.merging import MERGES
from analytics.projections.projection import Batch, Moved, Projection
from analytics.projections.tables import facts as facts_table
from analytics.projections.tree import parts_of, within
from kith.events.analytics import HealthModelPublished, ReadingRecorded
from kith.events.contacts import CustomerAmended, CustomerCreated
from kith.events.service_desk import CaseResolved
from kith.runtime.telemetry import current_traceparent

TRIGGERING = frozenset({CaseResolved.type, ReadingRecorded.type, *types_of("contacts.customer")})
"""Events that may trigger a playbook by themselves."""
_PLACING = frozenset({CustomerCreated.type, CustomerAmended.type, *MERGES})
_NOTED = UnnestParams(tenant_id="name", customer_id="uuid", event_id="uuid", traceparent="text")


class ScoreQueue(Projection):
    async def apply(self, connection: AsyncConnection, batch: Batch) -> None:
        await note(connection, batch.facts, batch.traceparents)
        await enqueue_parts(connection, ((each.tenant_id, each.subject) for each in batch.events if _moves(each)))

    async def retract(self, connection: AsyncConnection, batch: Batch) -> None:
        await rescore_by_new_models(connection, batch.written)
        moved = ((each.tenant_id, each.subject) for each in batch.withdrawn if each.type in _PLACING)
        await enqueue_parts(connection, moved)

    async def move(self, connection: AsyncConnection, tenant: str, moved: Moved) -> None:
        await enqueue_customers(connection, tenant, moved.customers)

    async def after_swap(self, connection: AsyncConnection) -> None:
        await rescore_everybody(connection)


async def note(connection: AsyncConnection, facts: Sequence[Fact], traceparents: Mapping[UUID, str | None]) -> None:
    """Enqueues the customers whose scores these facts may change. For each customer the last fact is noted, and any
    that may trigger a playbook."""
    noted: dict[tuple[str, UUID, UUID | None], Fact] = {}
    for fact in facts:
        if fact.type in TYPES:
            for customer in concerned(fact):
                event = fact.event_id if fact.type in TRIGGERING else None
                noted[fact.tenant_id, customer, event] = fact
    if noted:
        await _insert(connection, [(t, c, f.event_id, traceparents.get(f.event_id)) for (t, c, _), f in noted.items()])
    await rescore_by_new_models(connection, facts)


def _moves(event: RecordedEvent) -> bool:
    """Whether it may give its customer, and so all below, another place in the tree."""
    if event.type == CustomerAmended.type:
        return "parent_id" in event.body.get("changed", ())
    return event.type in _PLACING


async def enqueue_parts(connection: AsyncConnection, moved: Iterable[tuple[str, UUID]]) -> None:
    """Enqueues all that are below these customers of tenants, where a model in force is for a tree."""
    f, of_tenants = facts_table.c, defaultdict[str, list[UUID]](list)
    for tenant, customer in moved:
        of_tenants[tenant].append(customer)
    if not of_tenants:
        return
    for_trees = select(f.tenant_id).where(
        f.tenant_id.in_(of_tenants),
        f.type == HealthModelPublished.type,
        f.until.is_(None),
        f.state["document"]["audience"]["within"][0].astext.is_not(None),
    )
    for tenant in sorted(set(await connection.scalars(for_trees))):
        records = select(f.subject.label("id"), f.state).where(
            f.tenant_id == tenant, f.type.in_(types_of("contacts.customer")), f.until.is_(None)
        )
        below = within(parts_of(records.subquery(), tenant), tenant, of_tenants[tenant])
        await enqueue_customers(connection, tenant, await connection.scalars(select(below.c.id)))


async def rescore_by_new_models(connection: AsyncConnection, facts: Sequence[Fact]) -> None:
    for tenant in {fact.tenant_id for fact in facts if fact.type in MODEL_TYPES}:
        await rescore(connection, tenant)


async def enqueue_customers(connection: AsyncConnection, tenant: str, customers: Iterable[UUID]) -> None:
    """Enqueues customers whose facts were changed."""
    await _insert(connection, [(tenant, customer, None, None) for customer in customers])


async def _insert(connection: AsyncConnection, rows: Sequence[tuple[str, UUID, UUID | None, str | None]]) -> None:
    await connection.exec_driver_sql(
        "INSERT INTO health_queue (tenant_id, customer_id, event_id, traceparent) "  # noqa: S608 - made here
        f"SELECT tenant_id, customer_id, event_id, traceparent FROM {_NOTED.sql}",
        _NOTED.values(*zip(*rows, strict=True)),
    )


async def rescore(connection: AsyncConnection, tenant: str) -> None:
    """Requests that all customers of the tenant are scored again."""
    wanted = insert(health_rescorings).values(
        tenant_id=tenant, requested_at=func.clock_timestamp(), traceparent=current_traceparent()
    )
    again: dict[str, object] = {"done": 0, "total": None, "done_to": None, "finished_at": None}
    again |= {name: wanted.excluded[name] for name in ("requested_at", "traceparent")}
    await connection.execute(wanted.on_conflict_do_update(index_elements=["tenant_id"], set_=again))


async def rescore_everybody(connection: AsyncConnection) -> None:
    """Requests it for every tenant: all facts were recomputed."""
    for tenant in await connection.scalars(select(health_scores.c.tenant_id).distinct()):
        await rescore(connection, tenant)
