"""The projection of merges: customers that were found to be one. What each did counts for the survivor, at every
instant, past ones too; after an unmerge it counts for each again. The ledger keeps the events as they were
published."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.ledger.unnest import UnnestParams
from analytics.ledger.withdrawals import Withdrawn
from analytics.projections.facts import Customer, RecordedEvent
from analytics.projections.lines import line_of
from analytics.projections.merging import MERGES, Merged, newest_of, target_of
from analytics.projections.past import Past
from analytics.projections.projection import Batch, GainedFact, Projection, ReadModel
from analytics.projections.replay import Recomputation
from analytics.projections.tables import merged_customers
from kith.customers.chains import survivors_of
from kith.events.catalogue import versions_of

E = TypeVar("E", RecordedEvent, Withdrawn)
_CUSTOMERS = UnnestParams(tenant_id="name", customer_id="uuid")


class Merges(Projection):
    tables = (ReadModel(merged_customers),)
    event_types = MERGES

    async def apply(self, connection: AsyncConnection, batch: Batch) -> None:
        """Applies the merges of a batch. Needs exclusive locks on their tenants."""
        for tenant, merges in _by_tenant(each for each in batch.events if each.type in MERGES).items():
            noted = await _note(connection, tenant, newest_of(merges))
            await _bring_up_to_date(connection, tenant, noted, batch)

    async def retract(self, connection: AsyncConnection, batch: Batch) -> None:
        """Of each customer whose merge was withdrawn, the newest one before it holds again; without one it stands for
        itself. Needs exclusive locks on the tenants."""
        for tenant, merges in _by_tenant(each for each in batch.withdrawn if each.type in MERGES).items():
            customers = {each.subject for each in merges}
            newest = newest_of(await _left(connection, tenant, customers))
            await _hold(connection, tenant, {each: newest.get(each) for each in customers})
            await _bring_up_to_date(connection, tenant, customers, batch)
            await connection.exec_driver_sql(_FORGET, (tenant, list(customers - newest.keys())))

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
        "SELECT tenant_id FROM unnest($1::text[]) AS t(tenant_id) "
        "WHERE EXISTS (SELECT FROM merged_customers m WHERE m.tenant_id = t.tenant_id)",
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


def _by_tenant(events: Iterable[E]) -> Mapping[str, Sequence[E]]:
    found: dict[str, list[E]] = defaultdict(list)
    for event in events:
        found[event.tenant_id].append(event)
    return found


async def _note(connection: AsyncConnection, tenant: str, newest: Mapping[UUID, RecordedEvent]) -> list[UUID]:
    """Keeps the merges that are of a newer version than the ones that are kept. Returns the customers of those."""
    noted: Any = await connection.exec_driver_sql(_NOTE, _merges(tenant, newest))
    return list(noted.scalars())


async def _left(connection: AsyncConnection, tenant: str, customers: Iterable[UUID]) -> list[RecordedEvent]:
    """Returns the merges and unmerges of the customers that the ledger has."""
    rows: Any = await connection.exec_driver_sql(_LEFT, (tenant, list(customers), _with_versions(MERGES)))
    return [RecordedEvent.of(*row) for row in rows]


async def _hold(connection: AsyncConnection, tenant: str, newest: Mapping[UUID, RecordedEvent | None]) -> None:
    """Sets the customers' rows to what the events say."""
    await connection.exec_driver_sql(_HOLD, _merges(tenant, newest))


def _merges(tenant: str, newest: Mapping[UUID, RecordedEvent | None]) -> tuple[Any, ...]:
    events = newest.values()
    return tenant, list(newest), [target_of(each) for each in events], [each.version if each else 0 for each in events]


async def _bring_up_to_date(
    connection: AsyncConnection, tenant: str, customers: Collection[UUID], batch: Batch
) -> None:
    """Brings the survivors up to date after the merges of these customers changed, and assigns the facts of all whose
    survivor is another one now to it."""
    if not customers:
        return
    rows: Any = await connection.exec_driver_sql(_CONNECTED, (tenant, list(customers)))
    connected = {customer: (into, survivor) for customer, into, survivor in rows}
    now = survivors_of({customer: into for customer, (into, _) in connected.items()})
    changed = [(id, was, now[id]) for id, (_, was) in connected.items() if now[id] != was]
    if changed:
        ids, were, are = (list(column) for column in zip(*changed, strict=True))
        await connection.exec_driver_sql(_KEEP, (tenant, ids, are))
        gained: Any = await connection.exec_driver_sql(_MOVE, (tenant, list({*were})))
        batch.moved[tenant].lost.update(were)
        batch.moved[tenant].gained += map(GainedFact._make, gained)


def _with_versions(types: Iterable[str]) -> list[str]:
    return [each for type in types for each in versions_of(type)]


_GIVEN = 'unnest($2::uuid[], $3::uuid[], $4::int[]) AS t(customer_id, "into", version)'
_NOTE = f"""
    INSERT INTO merged_customers (tenant_id, customer_id, "into", survivor, version)
    SELECT $1, customer_id, "into", customer_id, version FROM {_GIVEN}
    ON CONFLICT (tenant_id, customer_id) DO UPDATE SET "into" = excluded."into", version = excluded.version
    WHERE merged_customers.version < excluded.version
    RETURNING customer_id
"""  # noqa: S608 - made here
_LEFT = """
    SELECT tenant_id, id, type, subject, aggregate_version, time, customer_id, data::text FROM ledger
    WHERE tenant_id = $1 AND customer_id = ANY($2::uuid[]) AND subject = customer_id AND type = ANY($3::text[])
"""
_HOLD = f"""
    UPDATE merged_customers m SET "into" = t."into", version = t.version FROM {_GIVEN}
    WHERE m.tenant_id = $1 AND m.customer_id = t.customer_id
"""  # noqa: S608 - made here
# All customers that had the same survivors as these; of the others that these are merged into now, where their chains
# end, which has not changed. So it reads as many rows as there are customers concerned, however many others are merged.
_CONNECTED = """
    WITH connected AS MATERIALIZED (
        SELECT customer_id, "into", survivor FROM merged_customers
        WHERE tenant_id = $1 AND survivor = ANY(ARRAY(
            SELECT survivor FROM merged_customers WHERE tenant_id = $1 AND customer_id = ANY($2::uuid[])
        ))
    )
    SELECT customer_id, "into", survivor FROM connected
    UNION
    SELECT m.customer_id, nullif(m.survivor, m.customer_id), m.survivor
    FROM merged_customers m
    WHERE m.tenant_id = $1 AND m.customer_id = ANY(ARRAY(SELECT "into" FROM connected WHERE "into" IS NOT NULL))
      AND NOT EXISTS (SELECT FROM connected WHERE connected.customer_id = m.customer_id)
"""
_KEEP = """
    UPDATE merged_customers m SET survivor = t.survivor FROM unnest($2::uuid[], $3::uuid[]) AS t(customer_id, survivor)
    WHERE m.tenant_id = $1 AND m.customer_id = t.customer_id
"""
# It reads the facts of the customers that were the survivors until now, and looks the new one of each fact up by key.
_OF_FACT = "m.tenant_id = f.tenant_id AND m.customer_id = coalesce(f.origin_id, f.customer_id)"
_MOVE = f"""
    UPDATE facts f
    SET (customer_id, origin_id) = (
        SELECT m.survivor, nullif(m.customer_id, m.survivor) FROM merged_customers m WHERE {_OF_FACT}
    )
    WHERE f.tenant_id = $1 AND f.customer_id = ANY($2::uuid[])
      AND f.customer_id <> (SELECT m.survivor FROM merged_customers m WHERE {_OF_FACT})
    RETURNING f.customer_id, f.type, f.time
"""  # noqa: S608 - made here
_FORGET = "DELETE FROM merged_customers WHERE tenant_id = $1 AND customer_id = ANY($2::uuid[])"
