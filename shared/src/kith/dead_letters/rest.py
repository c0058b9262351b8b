"""The REST of dead letters, of every service: what it could not apply, and what it could not publish. See them, mend
them, have them replayed.

No request applies an event: that takes the worker's role, which sees all tenants. A request leaves a wish; the worker
does it within a second, and the answer waits a little for that. 202 says it is not done yet: look at the letter again.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import DBAPIError
from starlette.responses import Response

from kith.audit import entries as audit
from kith.audit.entries import Entry
from kith.consumer import reads, requests
from kith.consumer.amendment import AMENDABLE
from kith.consumer.reads import LetterDetails, LetterView, State
from kith.consumer.replay import Wish
from kith.consumer.requests import Progress
from kith.db.connections import Transaction
from kith.db.sqlstates import sqlstate
from kith.errors import Conflict, Invalid
from kith.http.app import actor_with, context_of, json_response
from kith.http.auth import Actor
from kith.http.openapi import answers
from kith.nouns.inputs import json_of, read
from kith.nouns.lists.pages import DEFAULT_PAGE
from kith.nouns.parameters import First
from kith.scalars import Code, Cursor, Flag, Note, Whole, reading

DEAD_LETTERS = "Events that this service could not apply, or could not publish: why, and how to mend and replay them."
PATIENCE = 2.0
"""Seconds an answer waits for the worker."""
_LOOK_SECONDS = 0.1
_LOCK_PATIENCE = "2s"
_BUSY = "55P03"  # lock_not_available

Id = Annotated[int, Whole(1, 2**63 - 1)]


@dataclass(slots=True)
class LetterPage:
    items: list[LetterView]
    next: str | None


class LetterQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    first: First = Field(default=DEFAULT_PAGE, description="rows of the page")
    after: Cursor | None = Field(default=None, description="cursor of the page before")
    state: State | None = None
    type: Code | None = Field(default=None, description="of the event")
    parked: Flag | None = Field(default=None, description="false: only the ones that failed themselves")


class ReplayLetters(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    ids: list[Id] | None = Field(
        default=None, min_length=1, max_length=requests.MAX_LETTERS, description="all that are unresolved, if not sent"
    )


class DiscardLetter(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    note: Note = Field(description="why it may be left out; kept with it, so name no person")


class AmendLetter(msgspec.Struct, forbid_unknown_fields=True):
    """Read by msgspec: the body is kept as it was sent, to the last digit."""

    body: msgspec.Raw = msgspec.Raw()
    headers: dict[str, str | None] = {}
    note: Annotated[str, msgspec.Meta(min_length=1, max_length=500)] | None = None


_AMEND_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "body": {"type": "object", "description": "the whole body of the event, after the schema of its type"},
        "headers": {
            "type": "object",
            "description": "the ones to change; null removes one. `ce_id` and `ce_subject` only where they "
            "cannot be read",
            "additionalProperties": False,
            "properties": {name: {"type": ["string", "null"]} for name in AMENDABLE},
        },
        "note": {"type": ["string", "null"], "minLength": 1, "maxLength": 500},
    },
}


def dead_letters_router(service: str) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["dead letters"])
    reader, operator = actor_with(f"{service}:read"), actor_with(f"{service}:operate")

    @router.get(
        "/dead-letters",
        response_model=LetterPage,
        operation_id="listDeadLetters",
        summary="Events that could not be applied, or not be published",
    )
    async def list_(request: Request, query: Annotated[LetterQuery, Query()], actor: Actor = reader) -> Response:
        """Oldest first. `next` is the cursor of the next page: send it as `after`."""
        async with context_of(request).database.read(actor.tenant) as connection:
            page = await reads.page_of(connection, actor.tenant, **query.model_dump())
        return json_response(LetterPage(page.rows, page.next))

    @router.get(
        "/dead-letters/{id:segment}",
        response_model=LetterDetails,
        operation_id="getDeadLetter",
        summary="Get a dead letter",
    )
    async def get(request: Request, id: Id, actor: Actor = reader) -> Response:
        """Why it failed, the message, what waits behind it, and what was requested and changed by whom."""
        return json_response(await _details(request, actor, id))

    @router.post(
        "/dead-letters:replay",
        response_model=Progress,
        operation_id="replayDeadLetters",
        summary="Replay many dead letters",
        openapi_extra=_body(ReplayLetters.model_json_schema(), required=False),
        responses=_ACCEPTED | answers(HTTPStatus.NOT_FOUND),
    )
    async def replay_many(request: Request, actor: Actor = operator) -> Response:
        """Those of `ids`, or all, each with the rest of its aggregate's, in order. At most 1,000 are requested in one
        call: send it again while `left` falls. What fails again stays, with its new reason."""
        wanted = read(ReplayLetters, await request.body() or b"{}")
        async with _write(request, actor) as transaction:
            requested = await requests.ask_replay(transaction, wanted.ids, by=actor.subject)
            await _note(transaction, actor, "replay", wanted.ids or ())
        database = context_of(request).database

        async def done() -> bool:
            async with database.read(actor.tenant) as connection:
                return not await requests.is_pending(connection, actor.tenant)

        await _wait(done)
        async with database.read(actor.tenant) as connection:
            progress = await requests.progress_of(connection, actor.tenant, requested=requested, since=transaction.now)
        return json_response(progress, status=HTTPStatus.ACCEPTED if progress.pending else HTTPStatus.OK)

    @router.post(
        "/dead-letters/{id:segment}:replay",
        response_model=LetterDetails,
        operation_id="replayDeadLetter",
        summary="Replay a dead letter",
        responses=_ACCEPTED,
    )
    async def replay(request: Request, id: Id, actor: Actor = operator) -> Response:
        """With the dead letters of its aggregate before and behind it, in order, up to one that still fails."""
        return await _ask(request, actor, id, Wish.REPLAY)

    @router.post(
        "/dead-letters/{id:segment}:discard",
        response_model=LetterDetails,
        operation_id="discardDeadLetter",
        summary="Discard a dead letter",
        openapi_extra=_body(DiscardLetter.model_json_schema()),
        responses=_ACCEPTED,
    )
    async def discard(request: Request, id: Id, actor: Actor = operator) -> Response:
        """It will have no effect. If it was the first of its aggregate, what waited behind it is replayed."""
        given = read(DiscardLetter, await request.body() or b"{}")
        return await _ask(request, actor, id, Wish.DISCARD, given.note)

    @router.post(
        "/dead-letters/{id:segment}:amend",
        response_model=LetterDetails,
        operation_id="amendDeadLetter",
        summary="Amend a dead letter",
        openapi_extra=_body(_AMEND_SCHEMA),
    )
    async def amend(request: Request, id: Id, actor: Actor = operator) -> Response:
        """Amends the message, then replays it. It must be an event of the published language, of the same tenant;
        what it was stays in `history`."""
        given = _amendment_of(await request.body())
        async with _write(request, actor) as transaction:
            await requests.amend_letter(
                transaction,
                id,
                body=bytes(given.body) or None,
                headers=given.headers,
                by=actor.subject,
                note=given.note,
            )
            await _note(transaction, actor, "amend", (id,))
        return json_response(await _details(request, actor, id))

    return router


async def _ask(request: Request, actor: Actor, id: int, wish: Wish, note: str | None = None) -> Response:
    async with _write(request, actor) as transaction:
        await requests.ask(transaction, id, wish, by=actor.subject, note=note)
        await _note(transaction, actor, wish, (id,))
    letter = await _details(request, actor, id)

    async def done() -> bool:
        nonlocal letter
        letter = await _details(request, actor, id)
        return letter.requested is None

    await _wait(done)
    return json_response(letter, status=HTTPStatus.OK if letter.requested is None else HTTPStatus.ACCEPTED)


async def _note(transaction: Transaction, actor: Actor, action: str, ids: Sequence[int]) -> None:
    """Adds to the audit log what was requested."""
    which = ", ".join(map(str, ids)) or "all"
    entry = Entry(transaction.tenant, transaction.now, actor.id, action, "dead-letter", detail=which)
    await audit.add(transaction.connection, [entry])


async def _details(request: Request, actor: Actor, id: int) -> LetterDetails:
    async with context_of(request).database.read(actor.tenant) as connection:
        return await reads.details_of(connection, actor.tenant, id)


@asynccontextmanager
async def _write(request: Request, actor: Actor) -> AsyncIterator[Transaction]:
    try:
        async with context_of(request).database.write(actor.tenant) as transaction:
            await transaction.connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_PATIENCE}'")
            yield transaction
    except DBAPIError as error:
        if sqlstate(error) != _BUSY:
            raise
        raise Conflict("A worker is trying it right now: look at it again, and try again.") from error


async def _wait(done: Callable[[], Awaitable[bool]]) -> None:
    """Until it is done, for as long as an answer may wait. No connection is held meanwhile."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while not await done() and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 - the worker is elsewhere
        await asyncio.sleep(_LOOK_SECONDS)


def _amendment_of(body: bytes) -> AmendLetter:
    json_of(body)
    try:
        given = msgspec.json.decode(body, type=AmendLetter)
    except msgspec.ValidationError as wrong:
        words, _, where = str(wrong).partition(" - at `$")
        fields = ", ".join(AmendLetter.__struct_fields__)
        raise Invalid(f"{words}. Allowed: {fields}.", field=where.strip(".`") or "body") from wrong
    except (msgspec.DecodeError, ValueError, RecursionError) as wrong:
        raise Invalid(f"It is not JSON: {wrong}.", field="body") from wrong
    if not (bytes(given.body) or given.headers):
        raise Invalid("Send body, headers, or both.", field="body")
    if given.note is not None:
        given.note = reading(Note, given.note, field="note")
    return given


_ACCEPTED: Any = {202: {"description": "Requested, and not done yet"}}


def _body(schema: dict[str, Any], *, required: bool = True) -> dict[str, Any]:
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}}
