"""The form of a lead: what can be done with it, its table, and how it is seen."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from pydantic import Field, model_validator
from sqlalchemy import TEXT, Boolean, Column, ColumnElement, Index, Integer, Uuid, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.db.owned import owned_by
from kith.db.tables import Moment, aggregate_table, one_of, reference, values_column
from kith.errors import Invalid
from kith.nouns.aggregate import Aggregate
from kith.nouns.inputs import (
    UNSENT,
    Amendment,
    Archive,
    CustomValues,
    Input,
    NewInput,
    Restore,
    Wrong,
    refuse,
    values_of,
)
from kith.nouns.resource import (
    ArchivableView,
    Attempt,
    Check,
    Command,
    One,
    Resource,
    Supplies,
    Supply,
    Timer,
    personal,
)
from kith.processes.beginning import Beginnings, Request
from kith.scalars import Code, Country, Currency, Day, Email, Flag, Id, Instant, Money, Phone, Text
from kith.scalars.currencies import misfit
from sales.lead_queues.form import lead_queues
from sales.lead_scoring.values import ScoreReason
from sales.leads.duplicates import open_leads
from sales.leads.rules import Lead, LeadState
from sales.leads.scoring import scoring
from sales.leads.turns import turns
from sales.opportunities.form import opportunities
from sales.pipelines.form import pipelines
from sales.reasons.listed import listed_reasons
from sales.reasons.rules import ReasonKind
from sales.tables import CONTACT, CUSTOMER, USER, metadata

CONVERSION = "lead_conversion"
"""The kind of its processes."""


class CaptureLead(NewInput):
    name: Text
    email: Email | None = None
    phone: Phone | None = None
    company: Text | None = None
    title: Text | None = None
    source: Code | None = None
    campaign: Code | None = None
    country: Country | None = None
    owner_id: Id | None = Field(default=None, description="whose turn it is in the queue, if one is named")
    queue_id: Id | None = None
    customer_id: Id | None = Field(default=None, description="one that is known already")
    custom: CustomValues = Field(default_factory=dict)
    custom_personal: CustomValues = Field(default_factory=dict)


class AmendLead(Amendment):
    name: Text = UNSENT
    email: Email | None = UNSENT
    phone: Phone | None = UNSENT
    company: Text | None = UNSENT
    title: Text | None = UNSENT
    source: Code | None = UNSENT
    campaign: Code | None = UNSENT
    country: Country | None = UNSENT
    custom: CustomValues = UNSENT
    custom_personal: CustomValues = UNSENT


class AssignLead(Input):
    owner_id: Id | None = Field(default=None, description="whose turn it is in the queue, if one is named")
    queue_id: Id | None = None


class WorkLead(Input):
    pass


class QualifyLead(Input):
    pass


class DisqualifyLead(Input):
    reason: Code


class NurtureLead(Input):
    until: Instant


class RecycleLead(Input):
    pass


class ConvertLead(Input):
    existing_customer_id: Id | None = Field(default=None, description="else a customer is created")
    existing_contact_id: Id | None = Field(default=None, description="of that customer; else a contact is created")
    customer_custom: CustomValues = Field(default_factory=dict, description="of the customer that is created")
    customer_custom_personal: CustomValues = Field(default_factory=dict)
    contact_custom: CustomValues = Field(default_factory=dict, description="of the contact that is created")
    contact_custom_personal: CustomValues = Field(default_factory=dict)
    opportunity_name: Text | None = Field(default=None, description="of the opportunity to open; none is, without")
    value: Money | None = None
    currency: Currency | None = None
    expected_close: Day | None = None
    pipeline_id: Id | None = Field(default=None, description="of the opportunity; the default one, if none is sent")
    refuse_duplicates: Flag = Field(
        default=False, description="whether it is undone where the customer or the contact may be there already"
    )

    @model_validator(mode="after")
    def _of_an_opportunity(self) -> Self:
        refuse(self, self._wrong())
        return self

    def _wrong(self) -> Iterator[Wrong]:
        for what, existing in (("customer", self.existing_customer_id), ("contact", self.existing_contact_id)):
            for name in (f"{what}_custom", f"{what}_custom_personal"):
                if existing is not None and getattr(self, name):
                    yield name, f"The {what} is there already: amend it."
        if self.opportunity_name is None:
            for name in ("value", "currency", "expected_close", "pipeline_id"):
                if getattr(self, name) is not None:
                    yield name, "It is of an opportunity: send opportunity_name as well."
        elif self.currency is None:
            yield "currency", "An opportunity has one."
        elif self.value is not None and (rule := misfit(self.value, self.currency)):
            yield "value", rule

    def fields(self) -> dict[str, Any]:
        return {}

    @property
    def needs(self) -> Sequence[str]:
        """Records of contacts are made for whoever may make some; a refusal says that an address is known."""
        return ("contacts:write", *(("contacts:read", "contacts:personal") if self.refuse_duplicates else ()))


class EndConversion(Input):
    customer_id: Id
    contact_id: Id | None
    opportunity_id: Id | None


class UndoConversion(Input):
    pass


class EraseLead(Input):
    pass


class RescoreLead(Input):
    pass


leads = aggregate_table(
    "leads",
    metadata,
    Column("name", TEXT, comment="null: it was erased"),
    Column("email", TEXT(collation="C")),
    Column("phone", TEXT),
    Column("company", TEXT),
    Column("title", TEXT),
    Column("source", TEXT),
    Column("campaign", TEXT),
    Column("country", TEXT),
    Column("owner_id", Uuid),
    *reference("queue_id", lead_queues),
    Column("state", one_of(LeadState), nullable=False),
    Column("nurture_until", Moment),
    Column("unqualified_reason", TEXT),
    Column("duplicate_of_id", Uuid),
    Column("score", Integer),
    values_column("score_reasons", ScoreReason),
    Column("scored_by", Integer),
    Column("has_reached", Boolean),
    Column("conversion_id", Uuid),
    Column("converted_by", TEXT),
    Column("state_before", one_of(LeadState)),
    Column("converted_at", Moment),
    Column("contact_id", Uuid),
    *reference("opportunity_id", opportunities),
    Column("erased_at", Moment),
    customer_owned=True,
    told=("contact_id",),
    archivable=True,
    customisable=True,
    listed_by=("owner_id", "queue_id", "state", "source", "campaign", "duplicate_of_id", "score", "contact_id"),
)
owned_by(leads, "owner_id")
SCORED_ANEW: ColumnElement[bool] = literal_column(
    "leads.state NOT IN ('unqualified', 'converting', 'converted') AND leads.archived_at IS NULL"
    " AND leads.erased_at IS NULL",
    Boolean,
)
"""In the words of the index: those that are scored anew when the rules have changed."""
Index("leads_by_scoring", leads.c.tenant_id, leads.c.scored_by, postgresql_where=SCORED_ANEW)
Index("leads_by_address", leads.c.tenant_id, func.lower(leads.c.email))
# The first that waits is found at once, however many have been taken from the queue.
Index(
    "leads_waiting",
    *(leads.c[name] for name in ("tenant_id", "queue_id", "created_at", "id")),
    postgresql_where=leads.c.owner_id.is_(None) & leads.c.queue_id.is_not(None),
)


async def of_other_rows(connection: AsyncConnection, tenant: str, asked: Sequence[Attempt]) -> Supply:
    conversions = Beginnings(connection, tenant, CONVERSION, ConvertLead, requested_of_conversion)
    captured = await open_leads(connection, tenant, leads, asked)
    scores = await scoring(connection, tenant, asked, (CaptureLead, AmendLead, RescoreLead))
    return Supplies((captured, await turns(connection, tenant, asked), scores, conversions))


def requested_of_conversion(given: ConvertLead, lead: Lead) -> Request:
    assert lead.converted_by is not None
    sent = given.model_dump(mode="json", exclude={"occurred_at", *_HELD}, exclude_none=True)
    return Request(lead.converted_by, sent, given.model_dump(mode="json", include=_HELD))


_HELD = {
    *("opportunity_name", "customer_custom", "customer_custom_personal"),
    *("contact_custom", "contact_custom_personal"),
}
"""What may name people: it is forgotten when the process has ended."""


@dataclass(slots=True)
class LeadView(ArchivableView):
    customer_id: UUID | None
    source: str | None
    campaign: str | None
    country: str | None
    owner_id: UUID | None
    queue_id: UUID | None
    state: LeadState
    nurture_until: datetime | None
    unqualified_reason: str | None
    duplicate_of_id: UUID | None
    score: int | None
    score_reasons: list[ScoreReason]
    scored_by: int | None
    conversion_id: UUID | None
    converted_by: str | None
    converted_at: datetime | None
    contact_id: UUID | None
    opportunity_id: UUID | None
    erased_at: datetime | None
    custom: dict[str, Any]
    name: str | None = personal()
    email: str | None = personal()
    phone: str | None = personal()
    company: str | None = personal()
    title: str | None = personal()
    custom_personal: dict[str, Any] | None = personal()


_reasons = listed_reasons(lambda _: ReasonKind.LEAD_DISQUALIFIED)


async def can_be_so(connection: AsyncConnection, tenant: str, asked: Sequence[Attempt]) -> Check:
    """Returns the check that a reason is one of the tenant's list, and that a conversion may begin: the pipeline of its
    deal is there, and the contact is somebody's."""
    listed, named = await _reasons(connection, tenant, asked), values_of((given for given, _ in asked), "pipeline_id")
    c = pipelines.c
    rows = select(c.id).where(c.tenant_id == tenant, c.id.in_(named), c.archived_at.is_(None))
    there = set(await connection.scalars(rows)) if named else set()

    def check(given: Input, lead: Aggregate) -> None:
        listed(given, lead)
        if not isinstance(given, ConvertLead):
            return
        known = given.existing_customer_id or getattr(lead, "customer_id", None)
        if given.existing_contact_id is not None and known is None:
            raise Invalid("A contact is of a customer: send which one.", field="existing_customer_id")
        if given.pipeline_id not in {None, *there}:
            raise Invalid(f"There is no pipeline {given.pipeline_id} that is not archived.", field="pipeline_id")

    return check


LEADS = Resource(
    "lead",
    "leads",
    Lead,
    leads,
    LeadView,
    (
        Command("capture", CaptureLead, Lead.capture),
        Command("amend", AmendLead, Lead.amend),
        Command("assign", AssignLead, Lead.assign),
        Command("work", WorkLead, Lead.work),
        Command("qualify", QualifyLead, Lead.qualify),
        Command("disqualify", DisqualifyLead, Lead.disqualify),
        Command("nurture", NurtureLead, Lead.nurture),
        Command("recycle", RecycleLead, Lead.recycle),
        Command("convert", ConvertLead, Lead.convert),
        Command("archive", Archive, Lead.archive),
        Command("restore", Restore, Lead.restore, of_archived=True),
        Command("erase", EraseLead, Lead.erase, erases=True),
    ),
    internal=(
        Command("end_conversion", EndConversion, Lead.end_conversion),
        Command("undo_conversion", UndoConversion, Lead.undo_conversion),
        Command("rescore", RescoreLead, Lead.rescore),
    ),
    filters=(
        "customer_id",
        "owner_id",
        "queue_id",
        "state",
        "source",
        "campaign",
        "country",
        "duplicate_of_id",
        "score",
        "scored_by",
        "contact_id",
    ),
    unindexed={
        "country": "It is asked of those of a state or an owner.",
        "scored_by": "It is asked while leads are scored anew, of those of a state.",
    },
    searched=("name", "company", "email"),
    unpublished={"score_reasons": "A rule may look at what shows people."},
    timers=(Timer("recycle", at="next_recycling"),),
    checks=can_be_so,
    supplies=of_other_rows,
    follows={"customer_id": CUSTOMER, "contact_id": CONTACT, "owner_id": USER},
    relations=(
        One("customer", many="leads"),
        One("owner", to="user", many="leads"),
        One("queue", to="lead_queue", many="leads"),
        One("contact"),
        One("opportunity"),
    ),
)
