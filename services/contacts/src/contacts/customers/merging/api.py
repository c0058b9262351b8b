"""What a merge would do, before it is done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from sqlalchemy import ARRAY, Column, Uuid, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from contacts.adoptions.form import adoptions
from contacts.consents.form import consents
from contacts.contacts.form import contacts
from contacts.customers.form import CUSTOMERS, MergeCustomer, customers
from contacts.customers.merging.rules import Wins, ensure_mergeable, outcome
from contacts.customers.rules import Customer
from contacts.notes.form import notes
from contacts.touchpoints.form import touchpoints
from contacts.usages.form import usages
from contacts.web_visits.form import web_visits
from kith.api import Feature
from kith.audit.entries import Read
from kith.db.owned import within
from kith.db.statements import zoned
from kith.errors import Invalid, NotFound
from kith.http.app import actor_who, context_of, json_response
from kith.http.auth import Actor
from kith.nouns.access import reach_to_write
from kith.nouns.inputs import read
from kith.nouns.lists.pages import MOST_COUNTED, Total, total_of
from kith.nouns.parameters import body_of
from kith.reach import Reach
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
    "parts": customers.c.parent_id,
    "referrals": customers.c.referred_by,
    "merged": customers.c.merged_into,
}
ELSEWHERE = (
    "Sales and service-desk give the customer's orders, returns, opportunities, tasks and cases to the one that "
    "remains, and analytics counts what both have done for it, at every instant, as soon as they hear of the merge."
)


@dataclass(slots=True)
class MergedFieldOutcome:
    """A field of the customer that remains. `wins` says why it has its value after the merge: `kept`, `filled`,
    `chosen` or `united`. Personal values are null without the scope contacts:personal."""

    field: str
    wins: Wins
    before: Any = None
    after: Any = None


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
    context = context_of(request)
    async with context.database.read(actor.tenant) as connection:
        reach = reach_to_write(actor, "contacts", CUSTOMERS)
        found = await _customers(connection, actor.tenant, [id, given.into], reach)
        if id not in found:
            raise NotFound.of("customer", id)
        if given.into not in found:
            raise Invalid(f"There is no customer {given.into}.", field="into")
        customer, other = found[id], found[given.into]
        ensure_mergeable(customer, other)
        moved = {name: await _number(connection, actor.tenant, column, id) for name, column in MOVED.items()}
    sees = actor.sees_personal("contacts")
    if (disclosure := context.disclosure_to(actor)) is not None:
        disclosure.note(Read.READ, CUSTOMERS.name, [id, given.into])
    fields = [
        MergedFieldOutcome(name, wins, *_shown(name, (getattr(other, name), after), sees=sees))
        for name, (after, wins) in outcome(customer, other, given.take).items()
    ]
    return json_response(MergeDryRun(id, given.into, fields, MovedRecords(**moved), ELSEWHERE))


def _shown(name: str, values: Sequence[Any], *, sees: bool) -> Sequence[Any]:
    """Returns the values as an actor may see them."""
    if sees:
        return values
    if name in CUSTOMERS.personal_fields:
        return ()
    return [CUSTOMERS.without_personal({name: value})[name] for value in values]


async def _customers(
    connection: AsyncConnection, tenant: str, ids: Sequence[UUID], reach: Reach
) -> dict[UUID, Customer]:
    rows = select(*(customers.c[name] for name in CUSTOMERS.attributes))
    rows = rows.where(customers.c.tenant_id == tenant, customers.c.id.in_(ids))
    if reach.owners is not None:
        rows = rows.where(within(customers, owners=cast([*reach.owners], ARRAY(Uuid))))
    return {row.id: Customer(**zoned(row._asdict())) for row in await connection.execute(rows)}


async def _number(connection: AsyncConnection, tenant: str, column: Column[Any], id: UUID) -> Total:
    rows = select(column.table.c.id).where(column.table.c.tenant_id == tenant, column == id).limit(MOST_COUNTED + 1)
    return total_of(await connection.scalar(select(func.count()).select_from(rows.subquery())) or 0)


FEATURE = Feature(routers=[router])
