"""Exports over both APIs. The content itself is fetched over REST."""

import json
import zlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

import msgspec
import strawberry
from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response, StreamingResponse
from strawberry.scalars import JSON

from kith.api import Feature
from kith.attachments import sending
from kith.attachments.sending import Sent
from kith.attachments.store import ContentLost
from kith.audit.entries import Read
from kith.custom.known import fields_of
from kith.db.connections import Database
from kith.errors import Conflict, Forbidden, Gone, Invalid
from kith.exports.dropping import CANCELLED, bytes_kept, drop
from kith.exports.run import MOST_BYTES, Checkpoint, ExportReport
from kith.exports.tables import EXPORTS, PIECES
from kith.graphql.context import Ctx
from kith.graphql.inputs import as_given, checked, graphql_input_of
from kith.http.app import Context, actor_who, context_of
from kith.http.auth import Actor
from kith.http.openapi import answers
from kith.imports.content import Format
from kith.jobs.api import CANCEL, PAUSE, RESUME, JobsApi, Verb, or_problem, result_of
from kith.jobs.changes import request as request_job
from kith.jobs.reads import JobView
from kith.jobs.table import JobState
from kith.nouns import export_csv
from kith.nouns.access import reach_to_read
from kith.nouns.inputs import read
from kith.nouns.lists.conditions import customs_in
from kith.nouns.lists.listing import Asked, Listing, listings_of
from kith.nouns.parameters import body_of, pascal
from kith.nouns.queries import Queries
from kith.nouns.resource import Resource
from kith.scalars import Code, Id

TAG = "exports"
WORDS = "Files of all records of a noun, made as a job: with a condition, progress, pause and resume."
MOST_KEPT = 100
"""Exports of a tenant whose content is kept, or being made."""
_MEDIA_TYPES = {Format.CSV: "text/csv; charset=utf-8", Format.NDJSON: "application/x-ndjson"}


class CreateExport(BaseModel):
    """What is to be exported."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    noun: Code = Field(description="in the singular: `customer`")
    format: Code = Field(default="csv", description="`csv` or `ndjson`")
    where: dict[str, Any] | None = Field(
        default=None, description="as in a search of the noun: `POST /v1/customers:search`"
    )
    fields: Annotated[list[Code], Field(max_length=200)] = Field(
        default_factory=list, description="fields to export; all by default"
    )


@dataclass(slots=True)
class ExportView(JobView):
    kind: str
    """The noun."""
    params: dict[str, Any]
    """What was asked for: `format`, `fields`, `where` unless it may say who somebody is, and whether `personal` fields
    are in it."""
    state: str
    """`requested`, `running`, `paused`, `done`, `failed` or `cancelled`."""
    done: int
    """How far it is: rows, of `total`."""
    reason: str | None
    """Why it failed, or why its content is not there any more."""
    report: dict[str, Any] | None
    """What is made up to now: `rows`, `bytes`, and once it is done `sha256`."""


@dataclass(slots=True)
class Export(ExportView):
    report: ExportReport | None  # type: ignore[assignment]


@dataclass(slots=True)
class ExportPage:
    items: list[Export]
    next: str | None


async def _cancel(connection: AsyncConnection, _: Any, tenant: str, id: UUID) -> None:
    e = EXPORTS.c
    found = select(e.state).where(e.tenant_id == tenant, e.id == id, e.checkpoint.is_not(None)).with_for_update()
    if await connection.scalar(found) is None:
        raise Conflict("Nothing of it is kept: there is nothing to cancel.")
    await drop(connection, tenant, id, CANCELLED, JobState.CANCELLED)


_CANCEL = Verb(CANCEL.name, "Call an export off, or drop its content", "What it has made is dropped at once.", _cancel)


def exports_feature(service: str, resources: Sequence[Resource]) -> Feature:
    """Returns what a service offers that exports its nouns by jobs."""
    listings = {name: each for name, each in listings_of(service, resources).items() if each.resource.singleton is None}
    name = f"{service.replace('-', '_')}_export"
    camel = f"{pascal(name)[0].lower()}{pascal(name)[1:]}"

    @strawberry.type(name=pascal(name))  # in GraphQL a name is one service's alone
    class ExportType(ExportView):
        params: JSON  # type: ignore[assignment]
        report: JSON | None  # type: ignore[assignment]

    def whose(actor: Actor, verb: str) -> str | None:
        """Whoever reads some records only sees the exports of its own."""
        actor.reach(f"{service}:read")
        return None if actor.scopes >= {f"{service}:read", f"{service}:{verb}"} else actor.id

    jobs = JobsApi(
        EXPORTS,
        service,
        name,
        f"{name}s",
        TAG,
        ExportView,
        ExportView,
        ExportPage,
        Export,
        ExportType,
        ExportType,
        {
            "list": "They are kept for 90 days, and their contents for 7.",
            camel: "How far an export is. Its content is fetched over REST: GET /v1/exports/{id}/content.",
            f"{camel}s": "Exports, newest first.",
        },
        (PAUSE, RESUME, _CANCEL),
        at="/v1/exports",
        whose=whose,
    )
    router = jobs.router()
    reader: Any = actor_who(lambda actor: actor.reach(f"{service}:read"))

    @router.post(
        "",
        status_code=HTTPStatus.ACCEPTED,
        response_model=Export,
        operation_id="createExport",
        summary="Begin an export",
        openapi_extra=body_of(CreateExport),
    )
    async def create(request: Request, actor: Actor = reader) -> Response:
        """It has the records, and the fields, that whoever asks for it may see now. Each record is as it was when its
        piece was read; what is created after it was asked for is left out."""
        given = read(CreateExport, await request.body() or b"null")
        context = context_of(request)
        id = await _create(context, listings, actor, given)
        async with context.database.read(actor.tenant) as connection:
            return await jobs.accepted(connection, actor, id)

    @router.get(
        "/{id}/content",
        response_class=StreamingResponse,
        responses={
            HTTPStatus.OK: {"content": _CONTENT},
            HTTPStatus.PARTIAL_CONTENT: {"content": _CONTENT, "description": "A range"},
            **answers(HTTPStatus.CONFLICT, HTTPStatus.GONE, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE),
        },
        operation_id="getExportContent",
        summary="The content of an export that is done",
    )
    async def content(request: Request, id: Id, actor: Actor = reader) -> Response:
        """A file. A range of it can be asked for, so that a download that broke off goes on; its ETag is its SHA-256.
        It takes all that the export was made with: its reach, and the scope for personal data if that was there."""
        context = context_of(request)
        async with context.database.read(actor.tenant) as connection:
            job: ExportView = await jobs.one(connection, actor, id)
            held = await connection.scalar(
                select(EXPORTS.c.checkpoint).where(EXPORTS.c.tenant_id == actor.tenant, EXPORTS.c.id == id)
            )
        resource = listings[job.kind].resource
        if held is None:
            raise Gone(job.reason or "Its content is not here any more.")
        _ensure_permitted(actor, service, resource, job, msgspec.convert(held, Checkpoint))
        if job.state != JobState.DONE or job.report is None:
            raise Conflict(f"It is {job.state}: there is a content once it is done.")
        if job.params["personal"] and resource.has_personal and (to := context.disclosure_to(actor)) is not None:
            to.note(Read.EXPORT, job.kind, None)
        format = Format(job.params["format"])
        file_name, made = f"{resource.path}-{id}.{format}", msgspec.convert(job.report, ExportReport)
        assert made.sha256 is not None
        it = Sent(actor.tenant, id, file_name, _MEDIA_TYPES[format], made.bytes, made.sha256)
        return await sending.response(request, _Pieces(context.database, made.bytes), it)

    input_type = graphql_input_of(CreateExport)
    mutation = f"create{pascal(name)}"
    result = result_of(mutation, ExportType)

    async def create_export(info: Ctx, input: input_type) -> result:  # type: ignore[valid-type]
        context, actor = info.context.service, info.context.actor

        async def made() -> Any:
            actor.reach(f"{service}:read")
            id = await _create(context, listings, actor, CreateExport.model_validate(as_given(input)))
            async with context.database.read(actor.tenant) as connection:
                return await jobs.one(connection, actor, id)

        return await or_problem(made(), ExportType)  # type: ignore[no-any-return]

    words = "Begins an export. Its content is fetched over REST: GET /v1/exports/{id}/content."
    return Feature(
        queries=jobs.queries(),
        mutations_of=lambda _: (
            strawberry.mutation(checked(create_export), name=mutation, description=words),
            *jobs.mutations(),
        ),
        routers=(router,),
        models=(CreateExport,),
    )


_CONTENT = {kind.partition(";")[0]: {"schema": {"type": "string"}} for kind in _MEDIA_TYPES.values()}


async def _create(context: Context, listings: Mapping[str, Listing], actor: Actor, given: CreateExport) -> UUID:
    for field, choices in (("noun", tuple(listings)), ("format", tuple(Format))):
        if getattr(given, field) not in choices:
            raise Invalid(f"It is one of {', '.join(choices)}.", field=field)
    listing, service, tenant = listings[given.noun], context.service, actor.tenant
    resource, personal = listing.resource, actor.sees_personal(service)
    reach = reach_to_read(actor, service, resource)
    sent = {"where": given.where, "fields": given.fields}
    asked = listing.asked_in_body(json.dumps(sent).encode(), personal=personal)
    queries = Queries(listing, dict, reach=reach, personal=personal or None, fields=asked.fields)
    params: dict[str, Any] = {"format": given.format, "fields": given.fields, "personal": personal}
    names_people = _names_people(listing, asked)
    if given.where and not names_people:
        params["where"] = given.where
    async with context.database.write(tenant) as transaction:
        connection, c = transaction.connection, resource.table.c
        await queries.known(connection, tenant, asked)
        custom = await fields_of(connection, tenant)
        last = select(c.id).where(c.tenant_id == tenant).order_by(c.id.desc()).limit(1)
        held = Checkpoint(
            table=str(resource.table.name),
            columns=export_csv.columns_of(resource, queries.shown, custom),
            upto=await connection.scalar(last),
            owners=None if reach.owners is None else [*reach.owners],
            where=given.where if names_people else None,
        )
        checkpoint = msgspec.to_builtins(held)
        id = await request_job(connection, EXPORTS, tenant, given.noun, params, by=actor.id, checkpoint=checkpoint)
        await _ensure_room(connection, tenant)
    return id


def _names_people(listing: Listing, asked: Asked) -> bool:
    """Whether a condition may say who somebody is."""
    if asked.condition is None:
        return False
    related = {over: each.fields for over, each in listing.relations.items()} | {None: listing.fields}
    compared = [related[over][name] for over, name in asked.fields_compared()]
    return any(each.personal or each.name == "external_id" for each in compared) or any(
        customs_in(asked.condition.shape)
    )


async def _ensure_room(connection: AsyncConnection, tenant: str) -> None:
    """Raises Conflict."""
    e = EXPORTS.c
    kept = select(func.count()).where(e.tenant_id == tenant, e.checkpoint.is_not(None))
    if (await connection.execute(kept)).scalar_one() > MOST_KEPT:
        raise Conflict(f"{MOST_KEPT} exports are kept, which is as many as there may be: cancel some.")
    if await bytes_kept(connection, tenant) > MOST_BYTES:
        raise Conflict(f"More than {MOST_BYTES} bytes of exports are kept: cancel some.")


def _ensure_permitted(actor: Actor, service: str, resource: Resource, job: ExportView, held: Checkpoint) -> None:
    """Raises Forbidden for an actor that may not read now all that the export was made with."""
    owners = reach_to_read(actor, service, resource).owners
    if owners is not None and (held.owners is None or not {*held.owners} <= {*owners}):
        raise Forbidden("It was made with more records within reach than there are now.")
    if job.params["personal"]:
        actor.require(f"{service}:personal")


class _Pieces:
    """The content of exports, as it is sent."""

    def __init__(self, database: Database, size: int) -> None:
        self._database = database
        self._size = size

    async def size(self, tenant: str, id: UUID) -> int | None:  # noqa: ARG002 - of the port
        return self._size

    async def read(self, tenant: str, id: UUID, first: int, count: int) -> AsyncIterator[bytes]:
        """Yields so many bytes from that one on. Raises ContentLost where it is dropped meanwhile: the download breaks
        off."""
        p = PIECES.c
        mine = select(p.position, p.first_byte, p.content).where(p.tenant_id == tenant, p.export_id == id)
        query = mine.where(p.first_byte <= first).order_by(p.position.desc()).limit(1)
        while count:
            async with self._database.read(tenant) as connection:
                piece = (await connection.execute(query)).one_or_none()
            if piece is None:
                raise ContentLost(f"Export {id} was dropped while it was fetched.")
            skipped = max(0, first - piece.first_byte)
            sent = zlib.decompress(piece.content)[skipped : skipped + count]
            count -= len(sent)
            yield sent
            query = mine.where(p.position == piece.position + 1)
