"""The customer, as analytics knows it: by its events. It belongs to contacts; each feature adds its fields to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from analytics.timeline.reads import unheard_of
from kith.db.connections import Database
from kith.errors import NotFound
from kith.graphql.context import Ctx


@dataclass
class Customer:
    """Its type in the subgraph; what features `extend` it by, they say in their api.py."""

    id: UUID


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
