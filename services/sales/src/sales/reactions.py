"""What sales does of itself when something happens, here or in contacts."""

from collections.abc import Iterable
from uuid import UUID

import msgspec
from sqlalchemy import Select, Uuid, cast, func, literal, or_, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.customers.links import survivors
from kith.events.contacts import ContactErased, ContactMerged, ContactUnmerged
from kith.events.envelope import Envelope
from kith.events.leads import LeadScoreReached
from kith.events.sales import OpportunityLost
from kith.reactions.declared import On
from sales.lead_scoring.form import lead_scoring
from sales.leads.form import LEADS, leads
from sales.leads.rules import QUALIFIABLE
from sales.opportunities.form import OPPORTUNITIES, DropContact, opportunities
from sales.pipelines.values import LOST
from sales.quotes.form import QUOTES, quotes
from sales.quotes.rules import OPEN
from sales.tables import known_contacts


async def open_quotes_of(_: AsyncConnection, envelope: Envelope, __: OpportunityLost) -> Select[UUID]:
    """Those of an opportunity that is lost still."""
    q, o, tenant = quotes.c, opportunities.c, envelope.tenant_id
    is_lost = select(o.id).where(o.tenant_id == tenant, o.id == envelope.subject, o.stage == LOST)
    return select(q.id).where(q.tenant_id == tenant, q.opportunity_id.in_(is_lost), q.state.in_(OPEN))


async def naming_another(
    connection: AsyncConnection, envelope: Envelope, event: ContactMerged | ContactUnmerged
) -> Select[UUID]:
    """Opportunities with a contact of whom another one remains than the one that they name."""
    tenant, other = envelope.tenant_id, event.into if isinstance(event, ContactMerged) else event.out_of
    both = {envelope.subject, other}
    ends = await survivors(connection, tenant, known_contacts, both)
    k, each = known_contacts.c, func.jsonb_array_elements(opportunities.c.contacts, type_=JSONB).column_valued("each")
    named = cast(each["contact_id"].astext, Uuid)
    told = func.coalesce(cast(each["told_contact_id"].astext, Uuid), named)
    remains = select(k.merged_into).where(k.tenant_id == tenant, k.id == told).scalar_subquery()
    is_another = select(each).where(func.coalesce(remains, told) != named)
    return _naming(tenant, both | {*ends.values()}).where(is_another.exists())


async def naming_it(_: AsyncConnection, envelope: Envelope, __: ContactErased) -> Select[UUID]:
    return _naming(envelope.tenant_id, [envelope.subject])


def _naming(tenant: str, contacts: Iterable[UUID]) -> Select[UUID]:
    c = opportunities.c
    names = [
        c.contacts.bool_op("@>")(cast(literal(msgspec.json.encode([{part: id}]).decode()), JSONB))
        for id in contacts
        for part in ("contact_id", "told_contact_id")
    ]
    return select(c.id).where(c.tenant_id == tenant, or_(*names))


async def to_be_qualified(_: AsyncConnection, envelope: Envelope, __: LeadScoreReached) -> Select[UUID]:
    """The lead, if the tenant wants so, and it is worth a call still."""
    c, s = leads.c, lead_scoring.c
    row = select(c.id).join(lead_scoring, s.tenant_id == c.tenant_id).where(s.qualifies_leads, c.score >= s.threshold)
    its = (c.tenant_id == envelope.tenant_id, c.id == envelope.subject, c.archived_at.is_(None))
    return row.where(*its, c.state.in_(QUALIFIABLE))


REACTIONS = (
    On(LeadScoreReached).do(LEADS, "qualify", to=to_be_qualified),
    On(OpportunityLost).do(QUOTES, "withdraw", to=open_quotes_of),
    On(ContactMerged).do(OPPORTUNITIES, "follow_contacts", to=naming_another, again=True),
    On(ContactUnmerged).do(OPPORTUNITIES, "follow_contacts", to=naming_another, again=True),
    On(ContactErased).do(
        OPPORTUNITIES,
        "drop_contact",
        to=naming_it,
        input=lambda erased: DropContact(contact_id=erased.subject),
        again=True,
    ),
)
