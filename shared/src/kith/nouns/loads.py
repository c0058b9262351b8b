"""What the resolvers of GraphQL load of a noun: one record, a page of a list, and the pages of many lists at once."""

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from kith.graphql.connections import NounConnection, noun_connection
from kith.graphql.context import Ctx
from kith.nouns.access import reach_to_read
from kith.nouns.lists.listing import Asked, Listing
from kith.nouns.lists.pages import Page, Total
from kith.nouns.queries import Queries

N = TypeVar("N")


def load_one(info: Ctx, listing: Listing, view: type[N], id: UUID) -> Awaitable[N]:
    """Loads one record by id, batched over the request."""
    context = info.context
    queries = _queries(info, listing, view)

    async def batch(ids: Sequence[UUID]) -> Mapping[UUID, Any]:
        async with context.service.database.read(context.actor.tenant) as connection:
            return await queries.many(connection, context.actor.tenant, ids)

    return context.load((listing.resource.plural, "one"), id, batch)


async def load_page(
    info: Ctx, listing: Listing, view: type[N], asked: Asked, *, of: str, owner: UUID
) -> NounConnection[N]:
    """Loads a page of the records that name `owner` by their column `of`, batched over the request."""
    context, queries = info.context, _queries(info, listing, view)
    tenant, by_values = context.actor.tenant, asked.has_values or queries.is_limited
    name = (listing.resource.plural, of, asked.key)

    async def pages(owners: Sequence[UUID]) -> Mapping[UUID, Page[Any]]:
        async with context.service.database.read(tenant, by_values=by_values) as connection:
            return await queries.pages_of(connection, tenant, of, owners, asked)

    async def counts(owners: Sequence[UUID]) -> Mapping[UUID, Total]:
        async with context.service.database.read(tenant, by_values=by_values) as connection:
            return await queries.counts_of(connection, tenant, of, owners, asked)

    async def counted() -> Total:
        return await context.load(("count", *name), owner, counts)

    return noun_connection(await context.load(name, owner, pages), counted)


async def page_of(info: Ctx, listing: Listing, node: type[N], asked: Asked) -> NounConnection[N]:
    """Loads a page of a list by itself."""
    queries = _queries(info, listing, node)
    database, tenant = info.context.service.database, info.context.actor.tenant
    by_values = asked.has_values or queries.is_limited

    async def counted() -> Total:
        async with database.read(tenant, by_values=by_values) as connection:
            return await queries.count(connection, tenant, asked)

    async with database.read(tenant, by_values=by_values) as connection:
        found = await queries.page(connection, tenant, asked)
    return noun_connection(found, counted)


def _queries(info: Ctx, listing: Listing, view: type[Any]) -> Queries[Any]:
    """Raises Forbidden."""
    context = info.context
    reach = reach_to_read(context.actor, listing.service, listing.resource)
    return Queries(listing, view, reach=reach, personal=context.disclosure)
