"""The projection of merges: customers that were found to be one. What each did counts for the survivor, at every
instant, past ones too; after an unmerge it counts for each again. The ledger keeps the events as they were
published."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.ledger.unnest import UnnestParams
from analytics.projections.facts import Customer, RecordedEvent
from analytics.projections.lines import line_of
from analytics.projections.merging import MERGES, Merged, survivor_of
from analytics.projections.past import Past
from analytics.projections.projection import Batch, Projection, ReadModel
from analytics.projections.replay import Recomputation
from analytics.projections.tables import merged_customers
from kith.events.catalogue import versions_of
from kith.events.contacts import CustomerMerged

_CUSTOMERS = UnnestParams(tenant_id="name", customer_id="uuid")


class Merges(Projection):
    tables = (ReadModel(merged_customers),)
    event_types = MERGES

    async def apply(self, connection: AsyncConnection, batch: Batch) -> None:
        """Applies the merges of a batch. Needs exclusive locks on their tenants."""
        merges = [each for each in batch.events if each.type in MERGES]
        for event in sorted(merges, key=lambda each: each.version):
            into = UUID(event.body["into"]) if event.type == CustomerMerged.type else None
            customers = await _note(connection, event, into)
            if customers:
                await _move(connection, event.tenant_id, customers)
                batch.moved[event.tenant_id].update(customers)

    async def retract(self, connection: AsyncConnection, batch: Batch) -> None:
        """Of each customer whose merge was withdrawn, the newest one before it holds again; without one it stands for
        itself. Needs exclusive locks on the tenants."""
        for tenant, customer in {(each.tenant_id, each.subject) for each in batch.withdrawn if each.type in MERGES}:
            before = await _newest(connection, tenant, customer)
            customers = await _hold(connection, tenant, customer, before)
            await _move(connection, tenant, customers)
            batch.moved[tenant].update(customers)
            if before is None:
                await connection.execute(_FORGET, {"tenant": tenant, "customer": customer})

    async def recompute(self, past: Past) -> Sequence[Recomputation]:
        return [_MergedRows(past.tenant, await past.merged())]


class _MergedRows(Recomputation):
    table = merged_customers.name
    columns = ("tenant_id", "customer_id", "into", "survivor", "version")

    def __init__(self, tenant: str, merged: Iterable[Merged]) -> None:
        self._tenant, self._merged = tenant, merged

    def rest(self) -> Iterable[str]:
        return (line_of(self._tenant, *each) for each in self._merged)


async def survivors(connection: AsyncConnection, events: Iterable[RecordedEvent]) -> Mapping[Customer, UUID]:
    """Returns the current survivors of the merged ones among the events' customers."""
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


async def all_survivors(connection: AsyncConnection, tenants: Iterable[str]) -> Mapping[Customer, UUID]:
    """Returns the current survivors of all merged customers of these tenants."""
    rows: Any = await connection.exec_driver_sql(
        "SELECT tenant_id, customer_id, survivor FROM merged_customers "
        "WHERE tenant_id = ANY($1::text[]) AND survivor <> customer_id",
        (list(tenants),),
    )
    return {Customer(row.tenant_id, row.customer_id): row.survivor for row in rows}


async def _note(connection: AsyncConnection, event: RecordedEvent, into: UUID | None) -> list[UUID]:
    """Keeps the merge of the newest version. Returns the customers whose survivor may have changed."""
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
    return [] if noted.first() is None else await _resolve(connection, event.tenant_id)


async def _newest(connection: AsyncConnection, tenant: str, customer: UUID) -> RecordedEvent | None:
    """Returns the newest merge or unmerge of the customer that the ledger has."""
    row = (
        await connection.execute(_NEWEST, {"tenant": tenant, "customer": customer, "types": _with_versions(MERGES)})
    ).one_or_none()
    return None if row is None else RecordedEvent.of(*row)


async def _hold(connection: AsyncConnection, tenant: str, customer: UUID, event: RecordedEvent | None) -> list[UUID]:
    """Sets the customer's row to what the event says. Returns the customers whose survivor may have changed."""
    into = UUID(event.body["into"]) if event is not None and event.type == CustomerMerged.type else None
    values = {"tenant": tenant, "customer": customer, "into": into, "version": event.version if event else 0}
    await connection.execute(_HOLD, values)
    return await _resolve(connection, tenant)


async def _resolve(connection: AsyncConnection, tenant: str) -> list[UUID]:
    """Brings the survivors of a tenant's merged customers up to date. Returns the customers that were concerned."""
    rows = (
        await connection.execute(
            text('SELECT customer_id, "into", survivor FROM merged_customers WHERE tenant_id = :tenant'),
            {"tenant": tenant},
        )
    ).all()
    merges = {row.customer_id: row.into for row in rows}
    changed = [(row, survivor_of(row.customer_id, merges)) for row in rows]
    return await _keep(connection, tenant, [(row, now) for row, now in changed if row.survivor != now])


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
    """Assigns every fact of these customers to their current survivor."""
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


def _with_versions(types: Iterable[str]) -> list[str]:
    return [each for type in types for each in versions_of(type)]


_NEWEST = text("""
    SELECT tenant_id, id, type, subject, aggregate_version, time, customer_id, data::text FROM ledger
    WHERE tenant_id = :tenant AND customer_id = :customer AND subject = :customer AND type = ANY(:types)
    ORDER BY aggregate_version DESC LIMIT 1
""")
_HOLD = text("""
    UPDATE merged_customers SET "into" = :into, version = :version
    WHERE tenant_id = :tenant AND customer_id = :customer
""")
_FORGET = text("DELETE FROM merged_customers WHERE tenant_id = :tenant AND customer_id = :customer")
