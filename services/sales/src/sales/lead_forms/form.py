"""The form of a lead form: what can be done with it, its table, and how it is seen."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy import ARRAY, TEXT, Column

from kith.db.tables import aggregate_table, reference
from kith.nouns.inputs import AS_SET, UNSENT, Amendment, Archive, NewInput, Restore
from kith.nouns.resource import ArchivableView, Command, One, Resource
from kith.scalars import Code, Id, Text
from sales.lead_forms.rules import LeadForm
from sales.lead_queues.form import lead_queues
from sales.tables import metadata

Origins = Annotated[list[Code], Field(max_length=50), AS_SET]
Fields = Annotated[list[Code], Field(min_length=1, max_length=50), AS_SET]


class CreateLeadForm(NewInput):
    name: Text
    origins: Origins = Field(default_factory=list, description="of the pages that have it, as in https://example.com")
    takes: Fields = Field(description="of the lead, that it takes: `name` among them")
    source: Code | None = None
    campaign: Code | None = None
    queue_id: Id | None = None
    honeypot: Code | None = Field(default=None, description="a field that people do not see, and robots fill in")


class AmendLeadForm(Amendment):
    name: Text = UNSENT
    origins: Origins = UNSENT
    takes: Fields = UNSENT
    source: Code | None = UNSENT
    campaign: Code | None = UNSENT
    queue_id: Id | None = UNSENT
    honeypot: Code | None = UNSENT


lead_forms = aggregate_table(
    "lead_forms",
    metadata,
    Column("name", TEXT, nullable=False),
    Column("origins", ARRAY(TEXT), nullable=False),
    Column("takes", ARRAY(TEXT), nullable=False),
    Column("source", TEXT),
    Column("campaign", TEXT),
    *reference("queue_id", lead_queues),
    Column("honeypot", TEXT),
    archivable=True,
)


@dataclass(slots=True)
class LeadFormView(ArchivableView):
    name: str
    origins: list[str]
    takes: list[str]
    source: str | None
    campaign: str | None
    queue_id: UUID | None
    honeypot: str | None


LEAD_FORMS = Resource(
    "lead_form",
    "lead_forms",
    LeadForm,
    lead_forms,
    LeadFormView,
    (
        Command("create", CreateLeadForm, LeadForm.create),
        Command("amend", AmendLeadForm, LeadForm.amend),
        Command("archive", Archive, LeadForm.archive),
        Command("restore", Restore, LeadForm.restore, of_archived=True),
    ),
    unpublished={"name": "Words for people. Events of leads have source and campaign."},
    relations=(One("queue", to="lead_queue"),),
    reference_data=True,
)
