"""The projection of whose each customer is: of the user whom its record names now. One that was merged is nobody's
here: whoever asks for it asks for its survivor.

An actor with a limited reach reads of the customers of the users within it (kith.reach), so statements have it as a
condition, which an index serves.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Select, Uuid, any_, cast, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.projections.facts import Customer, types_of
from analytics.projections.lines import line_of
from analytics.projections.past import Past
from analytics.projections.projection import Batch, Moved, Projection, ReadModel
from analytics.projections.replay import CountedFact, Recomputation
from analytics.projections.survivors import merged_among
from analytics.projections.tables import customer_owners, merged_customers
from kith.db.owned import within
from kith.reach import Reach

_TYPES = frozenset(types_of("contacts.customer"))


class Owners(Projection):
    tables = (ReadModel(customer_owners),)

    async def apply(self, connection: AsyncConnection, batch: Batch) -> None:
        owned, others = [], []
        for fact in batch.written:
            if fact.type in _TYPES and fact.until is None:
                owner = _owner(fact.state.get("owner"))
                if owner is not None and Customer(fact.tenant_id, fact.subject) not in batch.survivors:
                    owned.append((fact.tenant_id, fact.subject, owner))
                elif fact.version > 1:  # of one that has just come there is no row
                    others.append((fact.tenant_id, fact.subject))
        await _hold(connection, owned)
        await _forget(connection, others)

    async def move(self, connection: AsyncConnection, tenant: str, moved: Moved) -> None:
        """Also of those whose events were withdrawn."""
        await _look_up(connection, tenant, moved.customers)

    async def recompute(self, past: Past) -> Sequence[Recomputation]:
        return [_OwnerRows(past.tenant)]


class _OwnerRows(Recomputation):
    table, columns = customer_owners.name, ("tenant_id", "id", "owner_id")

    def __init__(self, tenant: str) -> None:
        self._tenant = tenant

    def take(self, facts: Sequence[CountedFact]) -> Iterable[str]:
        standing = (fact for fact, origin in facts if fact.type in _TYPES and fact.until is None and origin is None)
        owners = ((fact.subject, _owner(fact.state.get("owner"))) for fact in standing)
        return [line_of(self._tenant, id, owner) for id, owner in owners if owner is not None]


def _owner(said: Any) -> UUID | None:
    """Returns the user whom a record names; what is no id names nobody."""
    try:
        return UUID(said)
    except (ValueError, TypeError, AttributeError):
        return None


async def _look_up(connection: AsyncConnection, tenant: str, customers: Collection[UUID]) -> None:
    """Brings the rows of customers up to their facts."""
    await _forget(connection, [(tenant, each) for each in customers])
    rows: Any = await connection.exec_driver_sql(_SAID, (tenant, list(customers), sorted(_TYPES)))
    owners = ((id, _owner(said)) for id, said in rows)
    await _hold(connection, [(tenant, id, owner) for id, owner in owners if owner is not None])


async def _hold(connection: AsyncConnection, owned: Sequence[tuple[str, UUID, UUID]]) -> None:
    if owned:
        columns = tuple(list(column) for column in zip(*owned, strict=True))
        await connection.exec_driver_sql(
            """
            INSERT INTO customer_owners AS o (tenant_id, id, owner_id)
            SELECT * FROM unnest($1::text[], $2::uuid[], $3::uuid[])
            ON CONFLICT (tenant_id, id) DO UPDATE SET owner_id = excluded.owner_id WHERE o.owner_id <> excluded.owner_id
            """,
            columns,
        )


async def _forget(connection: AsyncConnection, customers: Sequence[tuple[str, UUID]]) -> None:
    if customers:
        await connection.exec_driver_sql(
            """
            DELETE FROM customer_owners o USING unnest($1::text[], $2::uuid[]) AS t(tenant_id, id)
            WHERE o.tenant_id = t.tenant_id AND o.id = t.id
            """,
            tuple(list(column) for column in zip(*customers, strict=True)),
        )


_SAID = """
    SELECT subject, state->>'owner' FROM facts
    WHERE tenant_id = $1 AND subject = ANY($2::uuid[]) AND type = ANY($3::text[]) AND until IS NULL
      AND customer_id = subject
"""


# Reading


def of_reach(
    tenant: str, reach: Reach, customer: ColumnElement[Any], *, merged: bool = False
) -> Sequence[ColumnElement[bool]]:
    """Returns the conditions, none or one, of the rows whose customer is within reach; with `merged`, also of those
    that name customers who were merged into one that is."""
    if not reach.is_limited:
        return ()
    m, is_owned = merged_customers.c, customer.in_(ids_within(tenant, reach))
    if not merged:
        return (is_owned,)
    absorbed = select(m.customer_id).join(customer_owners, m.survivor == customer_owners.c.id)
    # Not one list of both, which is read anew for each row.
    return (or_(is_owned, customer.in_(absorbed.where(m.tenant_id == tenant, *_is_within(tenant, reach)))),)


def ids_within(tenant: str, reach: Reach) -> Select[Any]:
    """Selects the customers within a limited reach."""
    return select(customer_owners.c.id).where(*_is_within(tenant, reach))


async def owners_of(connection: AsyncConnection, tenant: str, customers: Sequence[UUID]) -> Mapping[UUID, UUID | None]:
    """Returns whose each of the customers is, of a merged one whose its survivor is. None: nobody's."""
    merged = await merged_among(connection, tenant, customers)
    survivors = list({merged.get(each, each) for each in customers})
    o = customer_owners.c
    rows = await connection.execute(
        select(o.id, o.owner_id).where(o.tenant_id == tenant, o.id == any_(cast(survivors, ARRAY(Uuid))))
    )
    owners = {row.id: row.owner_id for row in rows}
    return {each: owners.get(merged.get(each, each)) for each in customers}


async def out_of_reach(
    connection: AsyncConnection, tenant: str, reach: Reach, customers: Sequence[UUID]
) -> frozenset[UUID]:
    """Returns those of the customers that are out of reach."""
    if not reach.is_limited:
        return frozenset()
    within_reach = frozenset(reach.owners or ())
    owners = await owners_of(connection, tenant, customers)
    return frozenset(each for each, owner in owners.items() if owner not in within_reach)


def _is_within(tenant: str, reach: Reach) -> Sequence[ColumnElement[bool]]:
    owners = cast(list(reach.owners or ()), ARRAY(Uuid))
    return customer_owners.c.tenant_id == tenant, within(customer_owners, owners=owners)
