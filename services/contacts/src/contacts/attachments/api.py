"""The content of attachments over REST: sent and fetched as it is."""

from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import unquote
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request
from pydantic import Field
from sqlalchemy import select
from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse

from contacts.attachments.form import ATTACHMENTS, AddAttachment, AttachedTo, AttachmentView, attachments
from kith.api import Feature
from kith.attachments.kinds import Sha256
from kith.attachments.receiving import Content, Contents
from kith.attachments.sending import Sent, response
from kith.errors import Invalid, NotFound
from kith.http.app import Context, actor_who, context_of, json_response, only_known_parameters
from kith.http.auth import Actor
from kith.http.bodies import declared_bytes
from kith.http.openapi import answers
from kith.nouns.access import reach_to_read, reach_to_write
from kith.nouns.calls import By, Call
from kith.nouns.lists.listing import Listing
from kith.nouns.parameters import IdempotencyKey
from kith.nouns.queries import Queries
from kith.scalars import Code, Id, Instant

router = APIRouter(prefix="/v1", tags=["attachments"], dependencies=[Depends(only_known_parameters)])
_LISTING = Listing("contacts", ATTACHMENTS, {})
_READER: Any = actor_who(lambda actor: reach_to_read(actor, "contacts", ATTACHMENTS))
_WRITER: Any = actor_who(lambda actor: reach_to_write(actor, "contacts", ATTACHMENTS))
_BYTES: dict[str, Any] = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_BODY = {"requestBody": {"required": True, "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}}}
_FULL = answers(HTTPStatus.CONFLICT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
_FileName = Annotated[
    str,
    Header(
        alias="Kith-File-Name", description="percent-encoded UTF-8, as of encodeURIComponent: `Gr%C3%BC%C3%9Fe.pdf`"
    ),
]


_NONE = UUID(int=0)


class Uploaded(AddAttachment):
    """What comes with its content. The same is recognised by what is in it: when it is sent again, that has another
    id."""

    content_id: Id = Field(exclude=True)


@router.post(
    "/attachments/content",
    status_code=HTTPStatus.CREATED,
    response_model=Content,
    responses=_FULL,
    operation_id="sendAttachmentContent",
    summary="Send the content of an attachment",
    openapi_extra=_BODY,
)
async def content(
    request: Request,
    sha256: Annotated[Sha256 | None, Query(description="what it has to have, in hexadecimal")] = None,
    actor: Actor = _WRITER,
) -> Response:
    """For what is added over GraphQL or in bulk, by `content_id`, within a day. Content-Type says of what kind."""
    received = await _received(request, actor, sha256)
    return json_response(received, status=HTTPStatus.CREATED)


@router.post(
    "/attachments:upload",
    status_code=HTTPStatus.CREATED,
    response_model=AttachmentView,
    responses=_FULL,
    operation_id="uploadAttachment",
    summary="Add an attachment with its content",
    openapi_extra=_BODY,
)
async def upload(
    request: Request,
    file_name: _FileName,
    customer_id: Annotated[Id | None, Query(description="the contact's, if one is named")] = None,
    contact_id: Id | None = None,
    about: Annotated[AttachedTo | None, Query(description="the noun of what else it belongs to")] = None,
    about_id: Annotated[Id | None, Query(description="which one of them")] = None,
    category: Annotated[Code | None, Query(description="a word of the tenant's: `contract`, `invoice`")] = None,
    sha256: Annotated[Sha256 | None, Query(description="what it has to have, in hexadecimal")] = None,
    external_id: Annotated[Code | None, Query(description="the sender's own key; unique per tenant and noun")] = None,
    occurred_at: Annotated[Instant | None, Query(description="when it happened, if not just now")] = None,
    idempotency_key: IdempotencyKey = None,
    actor: Actor = _WRITER,
) -> Response:
    """The body is the file as it is, and Content-Type says of what kind. `sha256` is compared with what has come; if it
    has another, nothing is kept."""
    context = context_of(request)
    # What is wrong with it is said before all of the file is in.
    given = Uploaded.model_validate(
        {
            "customer_id": customer_id,
            "contact_id": contact_id,
            "about": about,
            "about_id": about_id,
            "external_id": external_id,
            "occurred_at": occurred_at,
            "file_name": _named(file_name),
            "category": category,
            "content_id": _NONE,
        }
    )
    received = await _received(request, actor, sha256)
    of_content = {name: getattr(received, name) for name in ("media_type", "size", "sha256")}
    call = Call(ATTACHMENTS.create, given.taking({**of_content, "content_id": received.id}))
    by, is_attached = By(actor.id, reach_to_write(actor, "contacts", ATTACHMENTS)), False
    try:
        answer = await context.commands.run_one(actor.tenant, ATTACHMENTS, call, by=by, idempotency_key=idempotency_key)
        # What was carried out before has its content.
        is_attached = await _content_id(context, actor.tenant, answer.view.id) == received.id
    finally:
        if not is_attached:
            await _contents(context).withdraw(actor.tenant, received.id)
    row = {name: getattr(answer.view, name) for name in ATTACHMENTS.view_fields}
    shown = row if actor.sees_personal("contacts") else ATTACHMENTS.without_personal(row)
    where = {"Location": f"/v1/attachments/{answer.view.id}", "ETag": f'"{answer.view.version}"'}
    return json_response(shown, status=HTTPStatus.CREATED, headers=where | context.position(answer.recorded_at))


@router.get(
    "/attachments/{id}/content",
    response_class=StreamingResponse,
    responses={
        HTTPStatus.OK: {"content": _BYTES},
        HTTPStatus.PARTIAL_CONTENT: {"content": _BYTES, "description": "A range"},
    },
    operation_id="getAttachmentContent",
    summary="The content of an attachment",
)
async def get_content(request: Request, id: Id, actor: Actor = _READER) -> Response:
    """The file as it was sent, to be saved and never to be shown: by its name, of its type. It may tell of people, and
    so needs the scope for personal data. A range of it can be asked for; its ETag is its SHA-256."""
    context = context_of(request)
    actor.require("contacts:personal")
    reach = reach_to_read(actor, "contacts", ATTACHMENTS)
    queries = Queries(_LISTING, AttachmentView, reach=reach, personal=context.disclosure_to(actor))
    async with context.database.read(actor.tenant) as connection:
        found = await queries.one(connection, actor.tenant, id)
    content_id = await _content_id(context, actor.tenant, id)
    if found.file_name is None or found.sha256 is None or content_id is None:
        raise NotFound(f"The content of attachment {id} was erased.", field="id")
    sent = Sent(actor.tenant, content_id, found.file_name, found.media_type, found.size, found.sha256)
    return await response(request, _contents(context).store, sent)


async def _received(request: Request, actor: Actor, sha256: str | None) -> Content:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    size = declared_bytes(request.headers)
    return await _contents(context_of(request)).receive(actor.tenant, media_type, size, request.stream(), sha256)


def _contents(context: Context) -> Contents:
    if context.contents is None:
        raise HTTPException(
            HTTPStatus.SERVICE_UNAVAILABLE, "There is no store for attachments here: see KITH_ATTACHMENTS_FOLDER."
        )
    return context.contents


def _named(header: str) -> str:
    """Raises Invalid."""
    try:
        return unquote(header, errors="strict")
    except UnicodeDecodeError:
        raise Invalid("It is percent-encoded UTF-8, as in Gr%C3%BC%C3%9Fe.pdf.", field="Kith-File-Name") from None


async def _content_id(context: Context, tenant: str, id: UUID) -> UUID | None:
    a = attachments.c
    async with context.database.read(tenant) as connection:
        found: UUID | None = await connection.scalar(select(a.content_id).where(a.tenant_id == tenant, a.id == id))
    return found


FEATURE = Feature(routers=(router,))
