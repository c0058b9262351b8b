"""Merges: customers that were found to be one. What each did counts for the survivor, at every instant, past ones too;
after an unmerge it counts for each again. The ledger keeps what was said."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.health.scores.queue import enqueue_customers
from analytics.ledger.unnest import UnnestParams
from analytics.projections.facts import Customer, RecordedEvent
from analytics.projections.fold_activity import refold_activity
from analytics.projections.merging import survivor_of
from kith.events.contacts import CustomerMerged

_CUSTOMERS = UnnestParams(tenant_id="name", customer_id="uuid")


async def survivors(connection: AsyncConnection, events: Iterable[RecordedEvent]) -> Mapping[Customer, UUID]:
    """Who the merged ones among the events' customers are now."""
    among: Any = await connection.exec_driver_sql(
        "SELECT DISTINCT tenant_id FROM merged_customers WHERE tenant_id = ANY($1::text[])",
        (list({each.tenant_id for each in events}),),
    )
    tenants = set(among.scalars())
    if not tenants:
        return {}
    customers = {
        Customer(each.tenant_id, each.customer_id)
        for each in events
        if each.customer_id is not None and each.tenant_id in tenants
    }
    rows = await connection.exec_driver_sql(
        f"""
        SELECT m.tenant_id, m.customer_id, m.survivor
        FROM merged_customers m JOIN {_CUSTOMERS.sql} USING (tenant_id, customer_id)
        WHERE m.survivor <> m.customer_id
        """,  # noqa: S608 - made here
        _CUSTOMERS.values([each.tenant_id for each in customers], [each.id for each in customers]),
    )
    return {Customer(row.tenant_id, row.customer_id): row.survivor for row in rows}


async def fold_merges(connection: AsyncConnection, events: Sequence[RecordedEvent]) -> None:
    """Needs the tenants' locks."""
    for event in sorted(events, key=lambda each: each.version):
        into = UUID(event.body["into"]) if event.type == CustomerMerged.type else None
        customers = await _note(connection, event, into)
        if customers:
            await _move(connection, event.tenant_id, customers)


async def _note(connection: AsyncConnection, event: RecordedEvent, into: UUID | None) -> list[UUID]:
    """Keep what the newest version says. Answers whose survivor may have changed."""
    noted = await connection.execute(
        text("""
            INSERT INTO merged_customers (tenant_id, customer_id, "into", survivor, version)
            VALUES (:tenant, :customer, :into, :customer, :version)
            ON CONFLICT (tenant_id, customer_id) DO UPDATE SET "into" = excluded."into", version = excluded.version
            WHERE merged_customers.version < excluded.version
            RETURNING 1
        """),
        {"tenant": event.tenant_id, "customer": event.subject, "into": into, "version": event.version},
    )
    if noted.first() is None:
        return []
    rows = (
        await connection.execute(
            text('SELECT customer_id, "into", survivor FROM merged_customers WHERE tenant_id = :tenant'),
            {"tenant": event.tenant_id},
        )
    ).all()
    told = {row.customer_id: row.into for row in rows}
    changed = [(row, survivor_of(row.customer_id, told)) for row in rows]
    return await _keep(connection, event.tenant_id, [(row, now) for row, now in changed if row.survivor != now])


async def _keep(
    connection: AsyncConnection, tenant: str, changed: Sequence[tuple[Row[tuple[UUID, UUID, UUID]], UUID]]
) -> list[UUID]:
    for row, now in changed:
        await connection.execute(
            text("UPDATE merged_customers SET survivor = :now WHERE tenant_id = :tenant AND customer_id = :customer"),
            {"now": now, "tenant": tenant, "customer": row.customer_id},
        )
    return list({id for row, now in changed for id in (row.customer_id, row.survivor, now)})


async def _move(connection: AsyncConnection, tenant: str, customers: Sequence[UUID]) -> None:
    """Give every fact of these customers to who they are now, and make their spans anew."""
    await connection.exec_driver_sql(
        """
        UPDATE facts f
        SET customer_id = m.survivor, origin_id = NULLIF(m.customer_id, m.survivor)
        FROM merged_customers m
        WHERE f.tenant_id = $1 AND m.tenant_id = $1 AND f.customer_id = ANY($2::uuid[])
          AND m.customer_id = coalesce(f.origin_id, f.customer_id) AND f.customer_id <> m.survivor
        """,
        (tenant, list(customers)),
    )
    await refold_activity(connection, tenant, customers)
    await enqueue_customers(connection, tenant, customers)
