"""The task of the workers that erases what was written of somebody who was erased, or attached to them, and what was
merged into them."""

from sqlalchemy import ColumnElement, FromClause, Subquery, Table, and_, func, or_, select, union
from sqlalchemy.ext.asyncio import AsyncEngine

from contacts.contacts.form import contacts
from contacts.customers.form import customers
from contacts.erasure.erasing import erase
from kith.db.removed import TABLE as REMOVED
from kith.nouns.aggregate import AlreadyErased
from kith.nouns.resource import Resource
from kith.runtime.tasks import Task
from kith.runtime.turns import Turns

AT_A_TIME = 200


def forgetting(resource: Resource) -> Task:
    """Returns the task, given a noun of which records are of a customer and may be of a contact, or may be merged. Any
    number of workers may do it."""
    due = _due(resource.table)
    turns = Turns(select(due.c.tenant_id))

    async def step(engine: AsyncEngine) -> bool:
        async with engine.begin() as connection:
            if (tenant := await turns.next(connection)) is None:
                return False
            # In any order, so that what cannot be erased is not always before the others.
            rows = select(due.c.id).where(due.c.tenant_id == tenant).order_by(func.random()).limit(AT_A_TIME)
            refused = await erase(connection, tenant, resource, sorted(await connection.scalars(rows)))
        for why in refused.values():  # when the others are erased
            if not isinstance(why, AlreadyErased):
                raise why
        return True

    return Task(resource.plural, step, seconds=2)


def _due(records: Table) -> Subquery:
    """Selects the tenants and ids of records of which the customer or the contact was erased, or the one that remains
    of them."""
    n, removed = records.c, select(REMOVED.c.tenant_id).where(REMOVED.c.readmitted_at.is_(None))
    whose: dict[FromClause, ColumnElement[bool]] = {}
    if "merged_into" in n:
        remains = records.alias("remains")
        whose[remains] = n.merged_into == remains.c.id
    else:
        whose[contacts] = or_(n.contact_id == contacts.c.id, n.told_contact_id == contacts.c.id)
        whose[customers] = or_(n.customer_id == customers.c.id, n.told_customer_id == customers.c.id)
    return union(
        *(
            select(n.tenant_id, n.id)
            .select_from(records.join(table, and_(n.tenant_id == table.c.tenant_id, names)))
            .where(table.c.erased_at.is_not(None), n.erased_at.is_(None), n.tenant_id.not_in(removed))
            for table, names in whose.items()
        )
    ).subquery()
