"""Derives REST from a resource: get, list, create, change, bulk. It translates; the rules are elsewhere."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Query, Request
from msgspec import Raw
from pydantic import BaseModel, ValidationError, create_model
from starlette.responses import Response, StreamingResponse

from kith.errors import DomainError, Invalid
from kith.http import problems
from kith.http.app import actor_with, context_of, json_response
from kith.http.auth import Actor
from kith.http.bodies import MAX_BODY
from kith.nouns.aggregate import Aggregate
from kith.nouns.bulk import MAX_ROWS, rows_of
from kith.nouns.calls import Answer, Call, Outcome, Status
from kith.nouns.export import NDJSON, TEXT, Export, media_type_of
from kith.nouns.history_api import add_history
from kith.nouns.inputs import json_of, read
from kith.nouns.lists.listing import Asked, Listing
from kith.nouns.lists.pages import MOST_COUNTED
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
from kith.runtime.slices import in_slices
from kith.scalars import Id


@dataclass(slots=True)
class RowResult:
    """The result of one row. `id` and `version` are the aggregate's; `problem` is the reason of a rejection."""

    index: int
    external_id: str | None
    status: Status
    id: UUID | None = None
    version: int | None = None
    problem: problems.ProblemDetails | None = None


@dataclass(slots=True)
class BulkResult:
    results: list[RowResult]
    accepted: int
    unchanged: int
    rejected: int
    events: int


@dataclass(slots=True)
class Total:
    """How many rows all pages have. They are counted up to a limit: if it is not exact, there are more."""

    count: int
    is_exact: bool


def total_of(counted: int) -> Total:
    return Total(min(counted, MOST_COUNTED), is_exact=counted <= MOST_COUNTED)


_OF_PAGES = frozenset({"first", "after", "order_by", "count"})
"""What is asked of pages, and not of an export."""
_LIST = """Newest first, unless `order_by` says otherwise. `next` is the cursor of the next page: send it as `after`,
with everything else as it was.

A parameter that is a field compares it: `stage=won`, or with an operator `value.gte=100`; `stage.in=won&stage.in=lost`
has any of several values. One that begins with a relation is of the related record: `customer.segment=retail`. All
parameters have to hold."""
_SEARCH = """The same as the list, asked by a document: `where` may combine its parts by `and`, `or` and `not`, up to
five deep. What is asked for is in no address, and so in no log."""
_EXPORT = """Lines of JSON, each {row}, by id, all as they were at one instant; the header Kith-Position says at which.
The last line is `{{"end": {{"rows": 1204}}}}`: without it the export broke off, and goes on `after` the last id that
came. `Accept: text/plain` gives the same lines to clients that know none of JSON."""


class Rest:
    """The router of one resource, and the models of its request bodies."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._service, self._resource = service, resource = listing.service, listing.resource
        self._reader = actor_with(f"{service}:read")
        self._writer = actor_with(f"{service}:{resource.write_verb}")
        rows = () if resource.singleton else resource.commands
        self._rows = {command.name: row_model(command) for command in rows}
        self.router = APIRouter(prefix="/v1", tags=[resource.path])
        self.models: Sequence[type[BaseModel]] = [*(c.input for c in resource.commands), *self._rows.values()]
        add_history(self.router, listing)
        if resource.singleton is not None:
            self._add_of_tenant(resource.singleton)
            return
        self._add_bulk()
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
            answer = await context_of(request).commands.run_one(
                actor.tenant, resource, call, actor=actor.id, idempotency_key=idempotency_key
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
        answer = await context_of(request).commands.run_one(
            actor.tenant, self._resource, call, actor=actor.id, idempotency_key=idempotency_key
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

    def _add_bulk(self) -> None:
        resource = self._resource
        row_refs = [{"$ref": f"#/components/schemas/{model.__name__}"} for model in self._rows.values()]
        body = {
            "type": "object",
            "required": ["rows"],
            "additionalProperties": False,
            "properties": {
                "rows": {
                    "type": "array",
                    "maxItems": MAX_ROWS,
                    "items": row_refs[0] if len(row_refs) == 1 else {"anyOf": row_refs},
                }
            },
        }

        @self.router.post(
            f"/{resource.path}:bulk",
            response_model=BulkResult,
            operation_id=f"bulk{pascal(resource.plural)}",
            summary=f"Many commands on {several(resource)}, safe to send twice",
            openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": body}}}},
        )
        async def bulk(request: Request, actor: Actor = self._writer) -> Response:
            """Rows are carried out in order, in one transaction. A row that is rejected does not stop the others.
            A row without `command` creates. A row sent before is answered `unchanged`."""
            context = context_of(request)
            rows = await rows_of(await request.body())
            results: list[RowResult] = []
            calls: list[Call] = []
            async for index, raw in in_slices(enumerate(rows)):
                parsed = self._parse(index, raw)
                if isinstance(parsed, Call):
                    calls.append(parsed)
                    results.append(RowResult(index, parsed.external_id, Status.ACCEPTED))
                else:
                    results.append(parsed)
            outcomes, recorded_at = await context.commands.run(actor.tenant, resource, calls, actor=actor.id)
            outcome_of = iter(outcomes)
            counts = dict.fromkeys(Status, 0)
            written: list[Any] = []
            async for result in in_slices(results):
                if result.status is Status.ACCEPTED:
                    _fill_in(result, next(outcome_of))
                counts[result.status] += 1
                written.append(Raw(msgspec.json.encode(result)))
            done = BulkResult(
                written,
                accepted=counts[Status.ACCEPTED],
                unchanged=counts[Status.UNCHANGED],
                rejected=counts[Status.REJECTED],
                events=sum(outcome.events for outcome in outcomes),
            )
            return json_response(done, headers=context.position(recorded_at))

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
        async with context_of(request).database.read(actor.tenant, by_values=asked.has_values) as connection:
            page = await queries.page(connection, actor.tenant, asked)
            if asked.counts:
                total = total_of(await queries.count(connection, actor.tenant, asked))
        found: dict[str, Any] = {"items": [self._shown(row, actor) for row in page.rows], "next": page.next}
        return json_response(found | ({"total": total} if total else {}))

    def _sees(self, actor: Actor) -> bool:
        return actor.sees_personal(self._service)

    def _queries(self, request: Request, actor: Actor, fields: tuple[str, ...] | None = None) -> Queries[Any]:
        view = dict if fields else self._resource.view
        disclosure = context_of(request).disclosure_to(actor)
        return Queries(self._listing, view, personal=disclosure, fields=fields)

    def _add_export(self) -> None:
        resource = self._resource
        lines = {"content": {kind: {"schema": {"type": "string"}} for kind in (NDJSON, TEXT)}}

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

    def _parse(self, index: int, raw: bytes) -> Call | RowResult:
        external_id = None
        try:
            if len(raw) > MAX_BODY:
                raise Invalid(f"It has at most {MAX_BODY} bytes.", field="row")
            row = json_of(raw, field="row")
            if not isinstance(row, dict):
                raise Invalid("It is an object.", field="row")
            external_id = sent if isinstance(sent := row.get("external_id"), str) else None
            name = row.get("command", self._resource.create.name)
            if not isinstance(name, str) or name not in self._rows:
                raise Invalid(f"It is one of {', '.join(self._rows)}.", field="command")
            given: Any = self._rows[name].model_validate_json(raw)
        except (DomainError, ValidationError) as error:
            return RowResult(index, external_id, Status.REJECTED, problem=problems.of_refusal(error))
        command = next(command for command in self._resource.commands if command.name == name)
        return Call(command, given, external_id=given.external_id, remembered=True, sent=raw)

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
        if isinstance(view, dict):
            return view
        if not (resource.personal_fields or resource.partly_personal) or self._sees(actor):
            return view
        return resource.without_personal({name: getattr(view, name) for name in resource.view_fields})


def _fill_in(result: RowResult, outcome: Outcome) -> None:
    result.status = outcome.status
    if outcome.aggregate is not None:
        result.id, result.version = outcome.aggregate.id, outcome.aggregate.version
    if outcome.error is not None:
        result.problem = problems.of_domain_error(outcome.error)
