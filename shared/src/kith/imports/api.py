"""Imports over both APIs. The file itself is sent over REST, in a request of its own."""

from collections.abc import AsyncIterator, Mapping, Sequence
from csv import writer as csv_writer
from dataclasses import dataclass
from http import HTTPStatus
from io import StringIO
from typing import Annotated, Any
from uuid import UUID

import msgspec
import strawberry
from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response, StreamingResponse
from strawberry.scalars import JSON

from kith.api import Feature
from kith.audit.entries import Read
from kith.custom.known import fields_of
from kith.errors import DomainError, Invalid
from kith.graphql.context import Ctx
from kith.graphql.inputs import as_given, checked, graphql_input_of
from kith.http.app import Context, actor_with, context_of, json_response
from kith.http.auth import Actor
from kith.imports import uploads
from kith.imports.content import MOST_COLUMNS, Format, cells_of, object_of
from kith.imports.plan import REPORTED, CreateImport, Targets, fingerprint_of, is_personal
from kith.imports.plan import checked as checked_import
from kith.imports.run import ImportReport
from kith.imports.tables import FAULTS, IMPORTS
from kith.jobs.api import CANCEL, PAUSE, RESUME, JobsApi, Verb, or_problem, result_of
from kith.jobs.changes import request
from kith.jobs.reads import JobView, details_of
from kith.jobs.table import JobState
from kith.nouns.formulas import neutralised, restored
from kith.nouns.inputs import read
from kith.nouns.parameters import body_of
from kith.nouns.resource import Resource
from kith.scalars import Code, Id, Text

TAG = "imports"
WORDS = "Records created and updated from a file, as a job: with a dry run, faults row by row, pause and resume."
_PAGE = 500


@dataclass(slots=True)
class ImportView(JobView):
    kind: str
    """The noun."""
    params: dict[str, Any]
    """What was asked for, and what was found: the columns, and the target of each (`mapping`)."""
    state: str
    """`waiting` (for its content), `requested`, `running`, `paused`, `done`, `failed` or `cancelled`."""
    done: int
    """How far it is: rows, of `total`."""
    reason: str | None
    """Why it failed."""
    report: dict[str, Any] | None
    """What has become of the rows up to now."""


@dataclass(slots=True)
class Import(ImportView):
    report: ImportReport | None  # type: ignore[assignment]


@dataclass(slots=True)
class ImportPage:
    items: list[Import]
    next: str | None


@strawberry.type(name="Import")
class ImportType(ImportView):
    params: JSON  # type: ignore[assignment]
    report: JSON | None  # type: ignore[assignment]


class SuggestMapping(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    noun: Code
    columns: Annotated[list[Text], Field(min_length=1, max_length=MOST_COLUMNS)]


@dataclass(slots=True)
class SuggestedMapping:
    mapping: dict[str, str | None]
    """As with the last file that had these columns, or else by their names."""
    targets: list[str]
    """All that a column may be mapped to."""


async def _apply(connection: AsyncConnection, _: Any, tenant: str, id: UUID) -> None:
    await uploads.apply(connection, tenant, id)
    await connection.execute(delete(FAULTS).where(FAULTS.c.tenant_id == tenant, FAULTS.c.import_id == id))


APPLY = Verb(
    "apply", "Carry out what a dry run has tried", "A dry run that is done, with the content that was sent.", _apply
)


def imports_feature(service: str, resources: Sequence[Resource]) -> Feature:
    """Returns what a service offers that imports these nouns."""
    nouns = {each.name: each for each in resources}
    jobs = JobsApi(
        IMPORTS,
        service,
        "import",
        "imports",
        TAG,
        ImportView,
        ImportView,
        ImportPage,
        Import,
        ImportType,
        ImportType,
        {
            "list": "They are kept for 90 days.",
            "import": "How far an import is, and what has become of its rows.",
            "imports": "Imports, newest first.",
        },
        (PAUSE, RESUME, CANCEL, APPLY),
    )
    router = jobs.router()
    writer: Any = actor_with(f"{service}:write")
    reader: Any = actor_with(f"{service}:read")

    @router.post(
        "",
        status_code=HTTPStatus.CREATED,
        response_model=Import,
        operation_id="createImport",
        summary="Begin an import",
        openapi_extra=body_of(CreateImport),
    )
    async def create(request: Request, actor: Actor = writer) -> Response:
        """It waits for its content, which is sent next: `PUT /v1/imports/{id}/content`. What is recognised says what is
        there, so it takes the scope to read as well; and that for personal data, if it is by something personal."""
        given = read(CreateImport, await request.body() or b"null")
        made = await _create(context_of(request), nouns, actor, given)
        where = {"Location": f"{jobs.path}/{made.id}"}
        return json_response(made, status=HTTPStatus.CREATED, headers=where)

    @router.post(
        ":suggest",
        response_model=SuggestedMapping,
        operation_id="suggestMapping",
        summary="To what the columns of a file may be mapped",
        openapi_extra=body_of(SuggestMapping),
    )
    async def suggest(request: Request, actor: Actor = reader) -> Response:
        """The mapping that an import takes if it is given none."""
        given = read(SuggestMapping, await request.body() or b"null")
        if given.noun not in nouns:
            raise Invalid(f"It is one of {', '.join(nouns)}.", field="noun")
        resource, fingerprint = nouns[given.noun], fingerprint_of(given.columns)
        async with context_of(request).database.read(actor.tenant) as connection:
            found = await uploads.suggested(connection, actor.tenant, resource, given.columns, fingerprint)
        return json_response(SuggestedMapping(found, Targets(resource).all))

    @router.put(
        "/{id}/content",
        status_code=HTTPStatus.ACCEPTED,
        response_model=Import,
        operation_id="sendImportContent",
        summary="Send the content of an import",
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {kind: {"schema": {"type": "string"}} for kind in ("text/csv", "application/x-ndjson")},
            }
        },
    )
    async def content(request: Request, id: Id, actor: Actor = writer) -> Response:
        """CSV with a row of names first, or lines of JSON, in UTF-8: up to 2 GiB, and 256 KiB a row. The import is due
        as soon as all of it is there."""
        database = context_of(request).database
        await uploads.upload(database, nouns, actor.tenant, id, request.stream())
        async with database.read(actor.tenant) as connection:
            return await jobs.accepted(connection, actor, id)

    @router.get(
        "/{id}/faults",
        response_class=StreamingResponse,
        responses={HTTPStatus.OK: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
        operation_id="getImportFaults",
        summary="The rows that were refused, each with the reason",
    )
    async def faults(request: Request, id: Id, actor: Actor = reader) -> Response:
        """CSV: the columns of the content, and `import_row`, `import_field` and `import_reason`. Mended, it can be
        imported again. Without the scope for personal data the columns of the content are left out."""
        context = context_of(request)
        async with context.database.read(actor.tenant) as connection:
            found = await details_of(connection, IMPORTS, ImportView, actor.tenant, id)
        shows = actor.sees_personal(service) or not nouns[found.kind].has_personal
        if (disclosure := context.disclosure_to(actor)) is not None:
            disclosure.note(Read.EXPORT, found.kind, None)
        lines = _faults(context, actor.tenant, found, shows=shows)
        name = {"Content-Disposition": f'attachment; filename="faults-{id}.csv"', "X-Content-Type-Options": "nosniff"}
        return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=name)

    input_type = graphql_input_of(CreateImport)

    result = result_of("createImport", ImportType)

    async def create_import(info: Ctx, input: input_type) -> result:  # type: ignore[valid-type]
        context, actor = info.context, info.context.actor

        async def made() -> Any:
            actor.require(f"{service}:write")
            given = CreateImport.model_validate(as_given(input))
            return await _create(context.service, nouns, actor, given)

        return await or_problem(made(), ImportType)  # type: ignore[no-any-return]

    words = "Begins an import. Its content is sent over REST: PUT /v1/imports/{id}/content."
    creating = strawberry.mutation(checked(create_import), name="createImport", description=words)
    return Feature(
        queries=jobs.queries(),
        mutations_of=lambda _: (creating, *jobs.mutations()),
        routers=(router,),
        models=(CreateImport, SuggestMapping),
    )


async def _create(context: Context, nouns: Mapping[str, Resource], actor: Actor, given: CreateImport) -> ImportView:
    resource, service = checked_import(given, nouns), context.service
    actor.require(f"{service}:read")
    async with context.database.write(actor.tenant) as transaction:
        connection, params = transaction.connection, given.model_dump(mode="json")
        fields = (await fields_of(connection, actor.tenant)).of(resource.name)
        if is_personal(given.match_by, resource, fields):
            actor.require(f"{service}:personal")
        id = await request(
            connection, IMPORTS, actor.tenant, resource.name, params, by=actor.id, state=JobState.WAITING
        )
        return await details_of(connection, IMPORTS, ImportView, actor.tenant, id)


async def _faults(context: Context, tenant: str, found: ImportView, *, shows: bool) -> AsyncIterator[bytes]:
    columns: list[str] = found.params.get("columns", []) if shows else []
    yield _line([*(neutralised(each) for each in columns), *REPORTED])
    f, last = FAULTS.c, 0
    while True:
        query = select(f.row, f.field, f.reason, f.record).where(f.tenant_id == tenant, f.import_id == found.id)
        async with context.database.read(tenant) as connection:
            rows = (await connection.execute(query.where(f.row > last).order_by(f.row).limit(_PAGE))).all()
        yield b"".join(
            _line([*_cells(found.params, each.record, columns), str(each.row), each.field or "", each.reason])
            for each in rows
        )
        if len(rows) < _PAGE:
            return
        last = rows[-1].row


def _cells(params: Mapping[str, Any], record: str, columns: Sequence[str]) -> list[str]:
    """Returns the cells of a row that was sent; if it is no row, all of it stands in the first one."""
    if not columns:
        return []
    try:
        if params["format"] == Format.CSV:
            cells = cells_of(record, params["delimiter"], len(columns))
        else:
            values = object_of(record)
            cells = [_text(values[each]) if each in values else "" for each in columns]
    except DomainError:
        cells = [record]
    padded = [*cells, *([""] * (len(columns) - len(cells)))]
    return [neutralised(restored(each)) for each in padded[: len(columns)]]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _line(cells: Sequence[str]) -> bytes:
    into = StringIO()
    csv_writer(into).writerow(cells)
    return into.getvalue().encode()
