"""The tree of customers: a customer is a part of its parent organisation.

No customer is found twice, and no search goes on for ever, whatever the records say: events of several customers may
have told at some instant of a circle, that none of them was ever in. Whoever is in one is its own ultimate parent.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, CTE, ColumnElement, FromClause, Uuid, and_, case, cast, exists, func, select

from analytics.projections.tables import merged_customers


def parent_of(state: Any) -> ColumnElement[Any]:
    """Returns the parent that the state of a record names; null for what is no id."""
    said = state["parent_id"].astext
    return case((func.pg_input_is_valid(said, "uuid"), cast(said, Uuid)), else_=None)


def parts_of(customers: FromClause, tenant: str) -> CTE:
    """Selects those of these customers, by their ids and states, that are parts of another, and that one. Who was
    merged stands for its survivor."""
    parent = parent_of(customers.c.state)
    m = merged_customers.c
    survivor = func.coalesce(m.survivor, parent)
    return (
        select(customers.c.id, survivor.label("parent_id"))
        .select_from(customers.outerjoin(merged_customers, and_(m.tenant_id == tenant, m.customer_id == parent)))
        .where(parent.is_not(None), survivor != customers.c.id)
        .cte()
    )


def ultimate_parents(parts: CTE) -> CTE:
    """Selects for each part the customer at the top of its tree."""
    above = parts.alias()
    is_top = ~exists().where(above.c.id == parts.c.parent_id)
    found = select(parts.c.id, parts.c.parent_id.label("top")).where(is_top).cte(recursive=True)
    return found.union_all(select(parts.c.id, found.c.top).join_from(parts, found, parts.c.parent_id == found.c.id))


def within(parts: CTE, tenant: str, ids: Sequence[UUID]) -> CTE:
    """Selects these customers and all below them."""
    named = func.unnest(cast(list(ids), ARRAY(Uuid))).table_valued("id").render_derived()
    m = merged_customers.c
    id: ColumnElement[Any] = func.coalesce(m.survivor, named.c.id)
    survivors = named.outerjoin(merged_customers, and_(m.tenant_id == tenant, m.customer_id == named.c.id))
    found = select(id.label("id")).select_from(survivors).cte(recursive=True)
    return found.union(select(parts.c.id).join_from(parts, found, parts.c.parent_id == found.c.id))
