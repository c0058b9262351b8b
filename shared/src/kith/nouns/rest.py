"""Derives REST from a resource: get, list, create, change. It translates; the rules are elsewhere."""

from collections.abc import Callable, Sequence
from functools import cached_property
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request
from pydantic import BaseModel, create_model
from starlette.responses import Response, StreamingResponse

from kith.http.app import actor_who, context_of, json_response
from kith.http.auth import Actor
from kith.http.routers import CollectionRouter
from kith.nouns.access import reach_to_read, reach_to_write
from kith.nouns.aggregate import Aggregate
from kith.nouns.bulk_api import add_bulk
from kith.nouns.calls import Answer, By, Call, ensure_permitted
from kith.nouns.export import NDJSON, TEXT, Export, media_type_of
from kith.nouns.export_csv import CSV
from kith.nouns.history_api import add_history
from kith.nouns.inputs import read
from kith.nouns.lists.listing import Asked, Listing
from kith.nouns.lists.pages import Total
from kith.nouns.lists.query_string import parameters_of
from kith.nouns.parameters import (
    IdempotencyKey,
    IfMatch,
    article,
    body_of,
    described,
    operation,
    pascal,
    row_model,
    several,
    version_of,
)
from kith.nouns.queries import Queries
from kith.nouns.resource import Command, View
from kith.scalars import Id

_OF_PAGES = frozenset({"q", "first", "after", "order_by", "count"})
"""What is asked of pages, and not of an export."""
_LIST = """Newest first, unless `order_by` says otherwise. `next` is the cursor of the next page: send it as `after`,
with everything else as it was.

A parameter that is a field compares it: `stage=won`, or with an operator `value.gte=100`; `stage.in=won&stage.in=lost`
has any of several values. One that begins with a relation is of the related record: `customer.segment=retail`; one that
begins with `custom.` is of a custom field that is filterable: `custom.region=north`. All parameters have
to hold."""
_SEARCH = """The same as the list, asked by a document: `where` may combine its parts by `and`, `or` and `not`, up to
five deep. What is asked for is in no address, and so in no log."""
_EXPORT = """Lines of JSON, each {row}, by id, all as they were at one instant; the header Kith-Position says at which.
The last line is `{{"end": {{"rows": 1204}}}}`: without it the export broke off, and goes on `after` the last id that
came. `Accept: text/plain`
gives the same lines to clients that know none of JSON, and `Accept: text/csv` a row each, under the names of the
fields, which can be imported again."""


class Rest:
    """The router of one resource, and the models of its request bodies."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._service, self._resource = service, resource = listing.service, listing.resource
        self._reader = actor_who(lambda actor: reach_to_read(actor, service, resource))
        self._writer = actor_who(lambda actor: reach_to_write(actor, service, resource))
        rows = () if resource.singleton else resource.commands
        self._rows = {command.name: row_model(command) for command in rows}
        self.router = CollectionRouter(f"/v1/{resource.path}", prefix="/v1", tags=[resource.path])
        self.models: Sequence[type[BaseModel]] = [*(c.input for c in resource.commands), *self._rows.values()]
        add_history(self.router, listing)
        if resource.singleton is not None:
            self._add_of_tenant(resource.singleton)
            return
        add_bulk(self.router, service, resource, self._rows)
        self._add_create()
        for command in resource.changes:
            self._add_change(command)
        self.models = [*self.models, listing.search]
        self._add_list()
        self._add_search()
        self._add_export()
        self._add_get()

    def _add_create(self) -> None:
        resource, command = self._resource, self._resource.create

        @self.router.post(
            f"/{resource.path}",
            status_code=HTTPStatus.CREATED,
            response_model=resource.view,
            operation_id=operation(command, resource),
            summary=f"{pascal(command.name)} {article(resource.words)}",
            description=described(command),
            openapi_extra=body_of(command.input),
        )
        async def create(
            request: Request, actor: Actor = self._writer, idempotency_key: IdempotencyKey = None
        ) -> Response:
            body = await request.body()
            call = Call(command, read(command.input, body or b"null"), sent=body)
            ensure_permitted(actor, self._service, [call])
            answer = await context_of(request).commands.run_one(
                actor.tenant, resource, call, by=self._by(actor), idempotency_key=idempotency_key
            )
            where = {"Location": f"/v1/{resource.path}/{answer.view.id}"}
            return self._written(request, answer, actor, HTTPStatus.CREATED, where)

    def _add_change(self, command: Command) -> None:
        resource = self._resource

        @self.router.post(
            f"/{resource.path}/{{id:segment}}:{command.name}",
            response_model=resource.view,
            operation_id=operation(command, resource),
            summary=f"{pascal(command.name)} {article(resource.words)}",
            description=described(command),
            openapi_extra=body_of(command.input),
        )
        async def change(
            request: Request,
            id: Id,
            actor: Actor = self._writer,
            if_match: IfMatch = None,
            idempotency_key: IdempotencyKey = None,
        ) -> Response:
            return await self._change(request, actor, command, id, if_match, idempotency_key)

    async def _change(
        self,
        request: Request,
        actor: Actor,
        command: Command,
        id: UUID,
        if_match: str | None,
        idempotency_key: str | None,
    ) -> Response:
        body = await request.body()
        given = read(command.input, body or b"{}")
        call = Call(command, given, id=id, expected_version=version_of(if_match), sent=body)
        ensure_permitted(actor, self._service, [call])
        answer = await context_of(request).commands.run_one(
            actor.tenant, self._resource, call, by=self._by(actor), idempotency_key=idempotency_key
        )
        return self._written(request, answer, actor)

    def _add_of_tenant(self, unchanged: Callable[[str], Aggregate]) -> None:
        """Adds the routes of a singleton, under the noun itself: it needs no id."""
        resource = self._resource

        @self.router.get(
            f"/{resource.path}",
            response_model=resource.view,
            operation_id=f"get{pascal(resource.name)}",
            summary=f"Get the tenant's {resource.words}",
        )
        async def get(request: Request, actor: Actor = self._reader) -> Response:
            """Its version is the ETag: send it as If-Match with a command. Version 0 is the initial state, before any
            change."""
            queries = self._queries(request, actor)
            async with context_of(request).database.read(actor.tenant) as connection:
                view = await queries.singleton(connection, actor.tenant)
            return json_response(self._shown(view, actor), headers={"ETag": f'"{view.version}"'})

        for command in resource.commands:
            self._add_change_of_tenant(command, unchanged)

    def _add_change_of_tenant(self, command: Command, unchanged: Callable[[str], Aggregate]) -> None:
        resource = self._resource

        @self.router.post(
            f"/{resource.path}:{command.name}",
            response_model=resource.view,
            operation_id=operation(command, resource),
            summary=f"{pascal(command.name)} the tenant's {resource.words}",
            description=described(command),
            openapi_extra=body_of(command.input),
        )
        async def change(
            request: Request,
            actor: Actor = self._writer,
            if_match: IfMatch = None,
            idempotency_key: IdempotencyKey = None,
        ) -> Response:
            id = unchanged(actor.tenant).id
            return await self._change(request, actor, command, id, if_match, idempotency_key)

    def _add_list(self) -> None:
        resource = self._resource

        @self.router.get(
            f"/{resource.path}",
            response_model=self._page_model,
            operation_id=f"list{pascal(resource.plural)}",
            summary=f"List {several(resource)}",
            description=_LIST,
            openapi_extra={"parameters": parameters_of(self._listing)},
        )
        async def list_(request: Request, actor: Actor = self._reader) -> Response:
            sent = request.query_params.multi_items()
            return await self._page(request, actor, self._listing.asked_in_query(sent, personal=self._sees(actor)))

    def _add_search(self) -> None:
        resource = self._resource

        @self.router.post(
            f"/{resource.path}:search",
            response_model=self._page_model,
            operation_id=f"search{pascal(resource.plural)}",
            summary=f"Search {several(resource)}",
            description=_SEARCH,
            openapi_extra=body_of(self._listing.search),
        )
        async def search(request: Request, actor: Actor = self._reader) -> Response:
            body = await request.body()
            return await self._page(request, actor, self._listing.asked_in_body(body, personal=self._sees(actor)))

    @cached_property
    def _page_model(self) -> Any:
        return create_model(
            f"{pascal(self._resource.name)}Page",
            items=(list[self._resource.view], ...),  # type: ignore[name-defined]
            next=(str | None, ...),
            total=(Total | None, None),
        )

    async def _page(self, request: Request, actor: Actor, asked: Asked) -> Response:
        queries, total = self._queries(request, actor, asked.fields), None
        by_values = asked.has_values or queries.is_limited
        async with context_of(request).database.read(actor.tenant, by_values=by_values) as connection:
            page = await queries.page(connection, actor.tenant, asked)
            if asked.counts:
                total = await queries.count(connection, actor.tenant, asked)
        found: dict[str, Any] = {"items": [self._shown(row, actor) for row in page.rows], "next": page.next}
        return json_response(found | ({"total": total} if total else {}))

    def _sees(self, actor: Actor) -> bool:
        return actor.sees_personal(self._service)

    def _queries(self, request: Request, actor: Actor, fields: tuple[str, ...] | None = None) -> Queries[Any]:
        view = dict if fields else self._resource.view
        disclosure = context_of(request).disclosure_to(actor)
        reach = reach_to_read(actor, self._service, self._resource)
        return Queries(self._listing, view, reach=reach, personal=disclosure, fields=fields)

    def _by(self, actor: Actor) -> By:
        return By(actor.id, reach_to_write(actor, self._service, self._resource))

    def _add_export(self) -> None:
        resource = self._resource
        lines = {"content": {kind: {"schema": {"type": "string"}} for kind in (NDJSON, TEXT, CSV)}}

        @self.router.get(
            f"/{resource.path}:export",
            response_class=StreamingResponse,
            responses={HTTPStatus.OK: lines},
            operation_id=f"export{pascal(resource.plural)}",
            summary=f"All {several(resource)}, a line each",
            description=_EXPORT.format(row=article(resource.view.__name__)),
            openapi_extra={"parameters": parameters_of(self._listing, but=_OF_PAGES)},
        )
        async def export(
            request: Request,
            after: Annotated[Id | None, Query(description="go on after this id, with rows as they are now")] = None,
            actor: Actor = self._reader,
        ) -> Response:
            sent = [each for each in request.query_params.multi_items() if each[0] != "after"]
            asked = self._listing.asked_in_query(sent, personal=self._sees(actor), but=_OF_PAGES)
            queries = self._queries(request, actor, asked.fields)
            return Export(context_of(request), actor.tenant, queries, asked, after, media_type_of(request))

    def _add_get(self) -> None:
        resource = self._resource

        @self.router.get(
            f"/{resource.path}/{{id:segment}}",
            response_model=resource.view,
            operation_id=f"get{pascal(resource.name)}",
            summary=f"Get {article(resource.words)}",
        )
        async def get(request: Request, id: Id, actor: Actor = self._reader) -> Response:
            """Its version is the ETag: send it as If-Match with a command."""
            queries = self._queries(request, actor)
            async with context_of(request).database.read(actor.tenant) as connection:
                view = await queries.one(connection, actor.tenant, id)
            return json_response(self._shown(view, actor), headers={"ETag": f'"{view.version}"'})

    def _written(
        self,
        request: Request,
        answer: Answer,
        actor: Actor,
        status: HTTPStatus = HTTPStatus.OK,
        headers: dict[str, str] | None = None,
    ) -> Response:
        position = context_of(request).position(answer.recorded_at)
        tagged = {"ETag": f'"{answer.view.version}"', **position, **(headers or {})}
        return json_response(self._shown(answer.view, actor), status=status, headers=tagged)

    def _shown(self, view: View | dict[str, Any], actor: Actor) -> object:
        """Leaves personal fields out, rather than emptying them, for actors without the scope."""
        resource = self._resource
        if not (resource.personal_fields or resource.partly_personal) or self._sees(actor):
            return view
        row = view if isinstance(view, dict) else {name: getattr(view, name) for name in resource.view_fields}
        return resource.without_personal(row)
