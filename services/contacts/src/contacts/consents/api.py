"""Whether somebody may be contacted, and what a contact had consented to at any instant, over both APIs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

import strawberry
from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from contacts.consents.reads import ConsentAt, clock, consents_at, who_may_be_contacted
from contacts.consents.rules import REASONS, Because, ConsentChannel, Standing
from contacts.contacts.form import CONTACTS, ContactView
from kith.api import Feature
from kith.errors import NotFound
from kith.graphql.context import Ctx
from kith.graphql.fields import field
from kith.http.app import Context, actor_who, context_of, json_response, only_known_parameters
from kith.http.auth import Actor
from kith.http.openapi import answers
from kith.nouns.access import reach_to_read
from kith.nouns.inputs import read
from kith.nouns.lists.listing import Listing
from kith.nouns.parameters import body_of
from kith.nouns.queries import Queries
from kith.reach import Reach
from kith.scalars import Code, Id, Instant

router = APIRouter(prefix="/v1", tags=["consents"], dependencies=[Depends(only_known_parameters)])
_CONTACTS = Listing("contacts", CONTACTS, {})
_READER = actor_who(lambda actor: reach_to_read(actor, "contacts", CONTACTS))
_WORDS = "Whether a contact may be sent something for a purpose by a channel, and why, or why not."


class ConsentCheckRequest(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    contact_id: Id
    purpose: Code
    channel: ConsentChannel
    at: Instant | None = Field(default=None, description="when; now, if none is sent")


@dataclass(slots=True)
class ConsentCheck:
    """Whether a contact may be sent something. `because` is a code for programs, and `reason` says it in words."""

    allowed: bool
    because: Because
    reason: str
    consent_id: UUID | None
    """The consent that decided."""


@dataclass(slots=True)
class ConsentsAt:
    at: datetime
    items: list[ConsentAt]


@router.post(
    "/consents:check",
    response_model=ConsentCheck,
    responses=answers(HTTPStatus.NOT_FOUND),
    operation_id="checkConsent",
    summary="Whether a contact may be contacted",
    openapi_extra=body_of(ConsentCheckRequest),
)
async def check(request: Request, actor: Actor = _READER) -> Response:
    """By the consent for this channel, or the one for any, whichever changed last. Nothing is recorded."""
    given = read(ConsentCheckRequest, await request.body() or b"{}")
    found = await _checked(context_of(request), actor, given.contact_id, given.purpose, given.channel, given.at)
    return json_response(found)


@router.get(
    "/contacts/{id:segment}/consents",
    response_model=ConsentsAt,
    operation_id="listContactConsents",
    summary="What a contact had consented to at an instant",
)
async def of_contact(
    request: Request,
    id: Id,
    as_of: Annotated[Instant | None, Query(description="an instant; now, if none is sent")] = None,
    actor: Actor = _READER,
) -> Response:
    """All consents of the contact as they were, by purpose and channel. One that had expired is `expired`."""
    context = context_of(request)
    async with context.database.read(actor.tenant) as connection:
        at = as_of or await clock(connection)
        # Whoever may not see the contact may not see its consents.
        await _contacts(actor).one(connection, actor.tenant, id)
        found = await consents_at(connection, actor.tenant, [id], at, _reach(actor))
    return json_response(ConsentsAt(at, found.get(id, [])))


def _reach(actor: Actor) -> Reach:
    return reach_to_read(actor, "contacts", CONTACTS)


def _contacts(actor: Actor) -> Queries[ContactView]:
    return Queries(_CONTACTS, ContactView, reach=_reach(actor), personal=None)


async def _checked(
    context: Context, actor: Actor, contact_id: UUID, purpose: str, channel: ConsentChannel, at: datetime | None
) -> ConsentCheck:
    async with context.database.read(actor.tenant) as connection:
        found = await who_may_be_contacted(
            connection,
            actor.tenant,
            [*await _contacts(actor).many(connection, actor.tenant, [contact_id])],
            purpose=purpose,
            channel=channel,
            at=at or await clock(connection),
        )
    if contact_id not in found:
        raise NotFound.of(CONTACTS.words, contact_id, field="contact_id")
    it = found[contact_id]
    return ConsentCheck(it.allowed, it.because, REASONS[it.because], it.consent_id)


for _kind in (Because, Standing):
    strawberry.enum(_kind, name=f"Consent{_kind.__name__}")
_Check = strawberry.type(ConsentCheck, name="ConsentCheck", description=ConsentCheck.__doc__)
_Consent = strawberry.type(ConsentAt, name="ConsentAt", description=ConsentAt.__doc__)


@field(description=_WORDS)
async def may_contact(
    info: Ctx, contact_id: UUID, purpose: Code, channel: ConsentChannel, at: datetime | None = None
) -> _Check:  # type: ignore[valid-type]
    context = info.context
    return await _checked(context.service, context.actor, contact_id, purpose, channel, at)


@field(description="What the contact had consented to at an instant, by purpose and channel.")
async def consents_as_of(self: ContactView, info: Ctx, at: datetime) -> list[_Consent]:  # type: ignore[valid-type]
    context = info.context
    reach = _reach(context.actor)  # the contact is within it

    async def batch(ids: Sequence[UUID]) -> Mapping[UUID, list[ConsentAt]]:
        async with context.service.database.read(context.actor.tenant) as connection:
            return await consents_at(connection, context.actor.tenant, ids, at, reach)

    return await context.load(("consents", "as_of", at), self.id, batch) or []


FEATURE = Feature(
    routers=[router],
    models=[ConsentCheckRequest],
    queries=[may_contact],
    extends={"contact": [consents_as_of]},
)
