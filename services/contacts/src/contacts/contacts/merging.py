"""What a merge of contacts would do, before it is done."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from sqlalchemy import Column
from starlette.responses import Response

from contacts.attachments.form import attachments
from contacts.consents.form import consents
from contacts.contacts.form import CONTACTS, MergeContact, contacts
from contacts.contacts.rules import MergedContactField
from contacts.merging.dry_run import DryRun, MergedFieldOutcome, dry_run_of, fields_and_moved
from contacts.notes.form import notes
from contacts.touchpoints.form import touchpoints
from contacts.usages.form import usages
from contacts.web_visits.form import web_visits
from kith.api import Feature
from kith.graphql.context import Ctx
from kith.graphql.fields import field
from kith.http.app import actor_who, context_of, json_response
from kith.http.auth import Actor
from kith.nouns.access import reach_to_write
from kith.nouns.inputs import read
from kith.nouns.lists.pages import Total
from kith.nouns.parameters import body_of
from kith.scalars import Id

router = APIRouter(prefix="/v1", tags=["contacts"])
_WRITER = actor_who(lambda actor: reach_to_write(actor, "contacts", CONTACTS))
MOVED: Mapping[str, Column[Any]] = {
    "touchpoints": touchpoints.c.contact_id,
    "usages": usages.c.contact_id,
    "web_visits": web_visits.c.contact_id,
    "consents": consents.c.contact_id,
    "notes": notes.c.contact_id,
    "attachments": attachments.c.contact_id,
    "merged": contacts.c.merged_into,
}
ELSEWHERE = (
    "Service-desk gives the contact's cases to the one that remains as soon as it hears of the merge. What happened "
    "stays with the customers that it happened with: no figure changes."
)


@dataclass(slots=True)
class MovedContactRecords:
    """How many records of contacts name the contact that remains from then on."""

    touchpoints: Total
    usages: Total
    web_visits: Total
    consents: Total
    notes: Total
    attachments: Total
    merged: Total
    """Contacts that were merged into it before."""


@dataclass(slots=True)
class ContactMergeDryRun:
    id: UUID
    into: UUID
    fields: list[MergedFieldOutcome]
    moved: MovedContactRecords
    elsewhere: str


@router.post(
    "/contacts/{id:segment}:merge_dry_run",
    response_model=ContactMergeDryRun,
    operation_id="dryRunContactMerge",
    summary="What a merge would do",
    openapi_extra=body_of(MergeContact),
)
async def dry_run(request: Request, id: Id, actor: Actor = _WRITER) -> Response:
    """Says of each field who wins and why, and how many records name the contact that remains from then on. Nothing is
    changed. It refuses what `:merge` refuses."""
    given = read(MergeContact, await request.body() or b"{}")
    fields, moved = await fields_and_moved(context_of(request), actor, CONTACTS, id, given.into, given.take, MOVED)
    return json_response(ContactMergeDryRun(id, given.into, fields, MovedContactRecords(**moved), ELSEWHERE))


@field(description="What a merge of the contact into another one would do. Nothing is changed.")
async def contact_merge_dry_run(info: Ctx, id: Id, into: Id, take: list[MergedContactField] | None = None) -> DryRun:
    context = info.context
    reach_to_write(context.actor, "contacts", CONTACTS)
    given = (id, into, take or [])
    return await dry_run_of(context.service, context.actor, CONTACTS, given, MOVED, ELSEWHERE)


FEATURE = Feature(routers=[router], queries=[contact_merge_dry_run])
