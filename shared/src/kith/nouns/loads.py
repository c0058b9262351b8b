"""What the resolvers of GraphQL load of a noun: one record, a page of a list, and the pages of many lists at once."""

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from kith.graphql.connections import NounConnection, noun_connection
from kith.graphql.context import Ctx
from kith.nouns.lists.listing import Asked, Listing
from kith.nouns.lists.pages import Page, Total
from kith.nouns.queries import Queries

N = TypeVar("N")


def load_one(info: Ctx, listing: Listing, view: type[N], id: UUID) -> Awaitable[N]:
    """Loads one record by id, batched over the request."""
    context = info.context
    context.actor.require(f"{context.service.service}:read")

    async def batch(ids: Sequence[UUID]) -> Mapping[UUID, Any]:
        queries: Queries[Any] = Queries(listing, view, personal=context.disclosure)
        async with context.service.database.read(context.actor.tenant) as connection:
            return await queries.many(connection, context.actor.tenant, ids)

    return context.load((listing.resource.plural, "one"), id, batch)


async def load_page(
    info: Ctx, listing: Listing, view: type[N], asked: Asked, *, of: str, owner: UUID
) -> NounConnection[N]:
    """Loads a page of the records that name `owner` by their column `of`, batched over the request."""
    context = info.context
    context.actor.require(f"{context.service.service}:read")
    tenant, queries = context.actor.tenant, Queries[Any](listing, view, personal=context.disclosure)
    name = (listing.resource.plural, of, asked.key)

    async def pages(owners: Sequence[UUID]) -> Mapping[UUID, Page[Any]]:
        async with context.service.database.read(tenant, by_values=asked.has_values) as connection:
            return await queries.pages_of(connection, tenant, of, owners, asked)

    async def counts(owners: Sequence[UUID]) -> Mapping[UUID, Total]:
        async with context.service.database.read(tenant, by_values=asked.has_values) as connection:
            return await queries.counts_of(connection, tenant, of, owners, asked)

    async def counted() -> Total:
        return await context.load(("count", *name), owner, counts)

    return noun_connection(await context.load(name, owner, pages), counted)


async def page_of(info: Ctx, listing: Listing, node: type[N], asked: Asked) -> NounConnection[N]:
    """Loads a page of a list by itself."""
    context = info.context
    context.actor.require(f"{context.service.service}:read")
    queries: Queries[Any] = Queries(listing, node, personal=context.disclosure)
    database, tenant = context.service.database, context.actor.tenant

    async def counted() -> Total:
        async with database.read(tenant, by_values=asked.has_values) as connection:
            return await queries.count(connection, tenant, asked)

    async with database.read(tenant, by_values=asked.has_values) as connection:
        found = await queries.page(connection, tenant, asked)
    return noun_connection(found, counted)
