"""The form of a web visit: what can be done with it, its table, and how it is seen."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy import TEXT, Column, Integer

from contacts.contacts.form import OF_CONTACT, contacts
from contacts.customers.form import of_known_customer
from contacts.tables import metadata
from contacts.web_visits.rules import WebVisit
from kith.db.tables import aggregate_table, reference
from kith.nouns.inputs import NewInput
from kith.nouns.resource import Command, One, Resource, View
from kith.scalars import Code, Id, Whole


class RecordWebVisit(NewInput):
    customer_id: Id | None = Field(default=None, description="the contact's, if one is named")
    contact_id: Id | None = None
    site: Code | None = None
    landing_page: Code | None = Field(default=None, description="its path, without a query: that may say who came")
    source: Code | None = Field(default=None, description="where the visitor came from: `newsletter`")
    campaign: Code | None = None
    pages: Annotated[int, Whole(1)] = Field(default=1, description="pages that were seen")
    duration_seconds: Annotated[int, Whole(0)] | None = None


web_visits = of_known_customer(
    aggregate_table(
        "web_visits",
        metadata,
        *reference("contact_id", contacts),
        Column("site", TEXT),
        Column("landing_page", TEXT),
        Column("source", TEXT),
        Column("campaign", TEXT),
        Column("pages", Integer, nullable=False),
        Column("duration_seconds", Integer),
        customer_owned=True,
        told=("contact_id",),
        listed_by=("site", "campaign"),
    )
)


@dataclass(slots=True)
class WebVisitView(View):
    customer_id: UUID
    contact_id: UUID | None
    site: str | None
    landing_page: str | None
    source: str | None
    campaign: str | None
    pages: int
    duration_seconds: int | None


WEB_VISITS = Resource(
    "web_visit",
    "web_visits",
    WebVisit,
    web_visits,
    WebVisitView,
    (Command("record", RecordWebVisit, WebVisit.record),),
    filters=("customer_id", "contact_id", "site", "campaign"),
    follows={"contact_id": OF_CONTACT},
    relations=(One("customer", many="web_visits"), One("contact")),
    insert_only=True,
)
