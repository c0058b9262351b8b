"""The customer, as analytics knows it: by its events. It belongs to contacts; each feature adds its fields to it.

What is said of one customer is said to whoever reaches its owner of now, whatever instant it is of; to all others it is
not there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.projections.owners import out_of_reach
from analytics.timeline.reads import unheard_of
from kith.db.connections import Database
from kith.errors import NotFound
from kith.graphql.context import Ctx
from kith.http.auth import Actor
from kith.reach import Reach

READ = "analytics:read"


@dataclass
class Customer:
    """Its type in the subgraph; what features `extend` it by, they say in their api.py."""

    id: UUID


async def not_there(
    connection: AsyncConnection, tenant: str, reach: Reach, customers: Sequence[UUID]
) -> frozenset[UUID]:
    """Returns the customers that no event names, and those that are out of reach."""
    unheard = await unheard_of(connection, tenant, customers)
    return await out_of_reach(connection, tenant, reach, customers) | unheard


async def must_be_there(database: Database, actor: Actor, customer: UUID) -> None:
    """Raises NotFound, and Forbidden."""
    reach = actor.reach(READ)
    async with database.read(actor.tenant) as connection:
        if await not_there(connection, actor.tenant, reach, [customer]):
            raise NotFound.of("customer", customer)


async def must_be_there_together(info: Ctx, customer: UUID) -> None:
    """The same, looked up together with all others of the request."""
    context = info.context
    reach, tenant = context.actor.reach(READ), context.actor.tenant

    async def batch(ids: Sequence[UUID]) -> Mapping[UUID, bool]:
        async with context.service.database.read(tenant) as connection:
            return dict.fromkeys(await not_there(connection, tenant, reach, ids), True)

    if await context.load(("customers", "not there"), customer, batch):
        raise NotFound.of("customer", customer)
