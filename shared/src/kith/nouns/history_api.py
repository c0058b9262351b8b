"""The history of a noun's records, over both APIs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import cleandoc
from typing import Any
from uuid import UUID

import strawberry
from fastapi import APIRouter, Request
from starlette.responses import Response
from strawberry.scalars import JSON
from strawberry.utils.str_converters import to_camel_case

from kith.graphql.context import Ctx
from kith.graphql.fields import PageInfo, field
from kith.http.app import actor_who, context_of, json_response
from kith.http.auth import Actor
from kith.nouns.access import reach_to_read
from kith.nouns.history_reads import FieldChange, HistoryEntry, pages
from kith.nouns.lists.listing import Listing
from kith.nouns.lists.pages import DEFAULT_PAGE, Page
from kith.nouns.parameters import First, article, pascal
from kith.nouns.queries import Queries
from kith.nouns.resource import Resource
from kith.scalars import Cursor, Id

_WORDS = "Which command changed which fields, from what to what, when and on whose behalf, newest first."


@dataclass(slots=True)
class HistoryPage:
    items: list[HistoryEntry]
    next: str | None


def add_history(router: APIRouter, listing: Listing) -> None:
    """Adds the route of the history, if the noun has one."""
    service, resource = listing.service, listing.resource
    if resource.insert_only:
        return
    reader = actor_who(lambda actor: reach_to_read(actor, service, resource))
    path, of_one = f"/{resource.path}", f"/{resource.path}/{{id:segment}}"
    named: dict[str, Any] = {
        "response_model": HistoryPage,
        "operation_id": f"get{pascal(resource.name)}History",
        "description": f"{_WORDS} `next` is the cursor of the next page: send it as `after`.",
    }

    async def page_of(request: Request, actor: Actor, id: UUID, first: int, after: str | None) -> Response:
        personal = context_of(request).disclosure_to(actor)
        async with context_of(request).database.read(actor.tenant) as connection:
            if resource.singleton is None:  # whoever may not see the record may not see its history
                reach = reach_to_read(actor, service, resource)
                await Queries(listing, resource.view, reach=reach, personal=None).one(connection, actor.tenant, id)
            found = await pages(connection, actor.tenant, resource, [id], personal=personal, first=first, after=after)
        return json_response(HistoryPage(found[id].rows, found[id].next))

    if (singleton := resource.singleton) is not None:

        @router.get(f"{path}/history", summary=f"Get the history of the tenant's {resource.words}", **named)
        async def history_of_tenant(
            request: Request, first: First = DEFAULT_PAGE, after: Cursor | None = None, actor: Actor = reader
        ) -> Response:
            return await page_of(request, actor, singleton(actor.tenant).id, first, after)

        return

    @router.get(f"{of_one}/history", summary=f"Get the history of {article(resource.words)}", **named)
    async def history(
        request: Request, id: Id, first: First = DEFAULT_PAGE, after: Cursor | None = None, actor: Actor = reader
    ) -> Response:
        return await page_of(request, actor, id, first, after)


@strawberry.federation.type(name="FieldChange", shareable=True, description=cleandoc(FieldChange.__doc__ or ""))
class _FieldChange(FieldChange):
    field: str = strawberry.field(resolver=lambda root: to_camel_case(root.field))
    old: JSON | None
    new: JSON | None


@strawberry.federation.type(name="HistoryEntry", shareable=True, description=cleandoc(HistoryEntry.__doc__ or ""))
class _HistoryEntry(HistoryEntry):
    changes: list[_FieldChange]  # type: ignore[assignment]  # resolved by field name


@strawberry.federation.type(shareable=True)
class HistoryConnection:
    """A page of a history. For the next one send `pageInfo.endCursor` as `after`."""

    nodes: list[_HistoryEntry]
    page_info: PageInfo


def history_field(service: str, resource: Resource) -> Any:
    """The field of the noun's type."""

    @field(description=_WORDS)
    async def history(
        self: Any, info: Ctx, first: First = DEFAULT_PAGE, after: Cursor | None = None
    ) -> HistoryConnection | None:
        context = info.context
        reach_to_read(context.actor, service, resource)  # of the record, which is within its reach

        async def batch(ids: Sequence[UUID]) -> Mapping[UUID, Page[HistoryEntry]]:
            async with context.service.database.read(context.actor.tenant) as connection:
                return await pages(
                    connection,
                    context.actor.tenant,
                    resource,
                    ids,
                    personal=context.disclosure,
                    first=first,
                    after=after,
                )

        page = await context.load((resource.plural, "history", first, after), self.id, batch)
        info_of_page = PageInfo(has_next_page=page.next is not None, end_cursor=page.next)
        return HistoryConnection(nodes=page.rows, page_info=info_of_page)  # type: ignore[arg-type]  # by field name

    return history
