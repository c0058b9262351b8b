"""The task of the workers that erases what was written of somebody who was erased."""

from itertools import groupby
from operator import itemgetter
from uuid import UUID

from sqlalchemy import ColumnElement, Table, and_, or_, select, union
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from contacts.contacts.form import contacts
from contacts.customers.form import customers
from contacts.erasure.rules import AlreadyErased
from contacts.notes.form import NOTES, EraseNote, notes
from contacts.tables import idempotency, outbox
from kith.db.connections import acting_for
from kith.db.removed import TABLE as REMOVED
from kith.events import actors
from kith.nouns.batch import carry_out
from kith.nouns.calls import By, Call
from kith.reach import EVERYONE
from kith.runtime.tasks import Task

AT_A_TIME = 200
(_ERASE,) = (each for each in NOTES.commands if each.erases)


def forgetting() -> Task:
    """Returns the task. Any number of workers may do it."""
    return Task("notes", step, seconds=2)


async def step(engine: AsyncEngine) -> bool:
    async with engine.begin() as connection:
        due = await _due(connection)
        for tenant, of_tenant in groupby(due, key=itemgetter(0)):
            async with acting_for(connection, tenant) as transaction:
                outcomes, _ = await carry_out(
                    transaction,
                    NOTES,
                    [Call(_ERASE, EraseNote(), id=id) for _, id in of_tenant],
                    source="contacts",
                    outbox=outbox,
                    idempotency=idempotency,
                    by=By(actors.service("contacts"), EVERYONE),
                )
            for outcome in outcomes:
                if outcome.error is not None and not isinstance(outcome.error, AlreadyErased):
                    raise outcome.error
    return len(due) == AT_A_TIME


async def _due(connection: AsyncConnection) -> list[tuple[str, UUID]]:
    """Returns the tenants and ids of notes of which the customer or the contact was erased."""
    n, removed = notes.c, select(REMOVED.c.tenant_id).where(REMOVED.c.readmitted_at.is_(None))
    whose: dict[Table, ColumnElement[bool]] = {
        contacts: n.contact_id == contacts.c.id,
        customers: or_(n.customer_id == customers.c.id, n.told_customer_id == customers.c.id),
    }
    rows = union(
        *(
            select(n.tenant_id, n.id)
            .select_from(notes.join(table, and_(n.tenant_id == table.c.tenant_id, names)))
            .where(table.c.erased_at.is_not(None), n.erased_at.is_(None), n.tenant_id.not_in(removed))
            for table, names in whose.items()
        )
    )
    found = await connection.execute(rows.order_by("tenant_id", "id").limit(AT_A_TIME))
    return [(row.tenant_id, row.id) for row in found]
