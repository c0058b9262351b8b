"""Customers as analytics knows them: by the events that tell of them. They belong to contacts."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from analytics.ledger.timeline import unheard_of
from kith.db.connections import Database
from kith.nouns.aggregate import NotFound
from kith.nouns.graphql import Ctx


async def must_be_heard_of(database: Database, tenant: str, customer: UUID) -> None:
    """Raises NotFound."""
    async with database.read(tenant) as connection:
        if await unheard_of(connection, tenant, [customer]):
            raise NotFound.of("customer", customer)


async def must_be_heard_of_together(info: Ctx, customer: UUID) -> None:
    """The same, looked up together with all others of the request."""
    context = info.context
    context.actor.require("analytics:read")

    async def batch(ids: Sequence[UUID]) -> Mapping[UUID, bool]:
        async with context.service.database.read(context.actor.tenant) as connection:
            return dict.fromkeys(await unheard_of(connection, context.actor.tenant, ids), True)

    if await context.load(("customers", "unheard of"), customer, batch):
        raise NotFound.of("customer", customer)
