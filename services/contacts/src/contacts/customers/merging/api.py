"""What a merge of customers would do, before it is done."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from sqlalchemy import Column
from starlette.responses import Response

from contacts.adoptions.form import adoptions
from contacts.attachments.form import attachments
from contacts.consents.form import consents
from contacts.contacts.form import contacts
from contacts.customers.form import CUSTOMERS, MergeCustomer, customers
from contacts.customers.rules import MergedField
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

router = APIRouter(prefix="/v1", tags=["customers"])
_WRITER = actor_who(lambda actor: reach_to_write(actor, "contacts", CUSTOMERS))
MOVED: Mapping[str, Column[Any]] = {
    "contacts": contacts.c.customer_id,
    "touchpoints": touchpoints.c.customer_id,
    "usages": usages.c.customer_id,
    "adoptions": adoptions.c.customer_id,
    "web_visits": web_visits.c.customer_id,
    "consents": consents.c.customer_id,
    "notes": notes.c.customer_id,
    "attachments": attachments.c.customer_id,
    "parts": customers.c.parent_id,
    "referrals": customers.c.referred_by,
    "merged": customers.c.merged_into,
}
ELSEWHERE = (
    "Sales and service-desk give the customer's orders, returns, opportunities, tasks and cases to the one that "
    "remains, and analytics counts what both have done for it, at every instant, as soon as they hear of the merge."
)


@dataclass(slots=True)
class MovedRecords:
    """How many records of contacts are given to the customer that remains."""

    contacts: Total
    touchpoints: Total
    usages: Total
    adoptions: Total
    web_visits: Total
    consents: Total
    notes: Total
    attachments: Total
    parts: Total
    referrals: Total
    merged: Total
    """Customers that were merged into it before."""


@dataclass(slots=True)
class MergeDryRun:
    id: UUID
    into: UUID
    fields: list[MergedFieldOutcome]
    moved: MovedRecords
    elsewhere: str


@router.post(
    "/customers/{id:segment}:merge_dry_run",
    response_model=MergeDryRun,
    operation_id="dryRunMerge",
    summary="What a merge would do",
    openapi_extra=body_of(MergeCustomer),
)
async def dry_run(request: Request, id: Id, actor: Actor = _WRITER) -> Response:
    """Says of each field who wins and why, and how many records are given to the customer that remains. Nothing is
    changed. It refuses what `:merge` refuses."""
    given = read(MergeCustomer, await request.body() or b"{}")
    fields, moved = await fields_and_moved(context_of(request), actor, CUSTOMERS, id, given.into, given.take, MOVED)
    return json_response(MergeDryRun(id, given.into, fields, MovedRecords(**moved), ELSEWHERE))


@field(description="What a merge of the customer into another one would do. Nothing is changed.")
async def customer_merge_dry_run(info: Ctx, id: Id, into: Id, take: list[MergedField] | None = None) -> DryRun:
    context = info.context
    reach_to_write(context.actor, "contacts", CUSTOMERS)
    given = (id, into, take or [])
    return await dry_run_of(context.service, context.actor, CUSTOMERS, given, MOVED, ELSEWHERE)


FEATURE = Feature(routers=[router], queries=[customer_merge_dry_run])
