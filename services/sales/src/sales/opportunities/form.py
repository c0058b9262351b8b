"""The form of an opportunity: what can be done with it, its table, and how it is seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import Field
from sqlalchemy import ARRAY, TEXT, Column, Date, Index, Integer, String, Uuid, text
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.db.owned import owned_by
from kith.db.tables import FORMER, Amount, Moment, aggregate_table, one_of, reference, values_column
from kith.nouns.inputs import AS_SET, UNSENT, Amendment, Archive, CustomValues, Input, Priced, Restore
from kith.nouns.resource import (
    ArchivableView,
    Attempt,
    Command,
    Follows,
    One,
    Resource,
    Supplies,
    Supply,
    Timer,
    personal,
)
from kith.nouns.value_inputs import Values
from kith.scalars import Code, Currency, Day, Id, Money, Text
from sales.opportunities.contacts import remaining_contacts
from sales.opportunities.rules import Opportunity
from sales.opportunities.stages import stages
from sales.opportunities.values import MOST_CONTACTS, MOST_SPLITS, OpportunityContact, OpportunitySplit, StageVisit
from sales.pipelines.form import pipelines
from sales.pipelines.values import ForecastCategory, StageKey
from sales.prices.pricing import pricing_of
from sales.products.form import products
from sales.reasons.listed import listed_reasons
from sales.tables import CONTACT, CUSTOMER, USER, metadata
from sales.values import MOST_LINES, Line

Competitors = Annotated[list[Code], Field(max_length=20), AS_SET]
Contacts = Annotated[list[OpportunityContact], Values(MOST_CONTACTS)]
Splits = Annotated[list[OpportunitySplit], Values(MOST_SPLITS)]
Lines = Annotated[list[Line], Values(MOST_LINES)]


class OpenOpportunity(Priced):
    FORMER_DEFAULTS: ClassVar = {"stage": "prospecting"}

    name: Text
    customer_id: Id | None = None
    pipeline_id: Id | None = Field(default=None, description="the tenant's default, unless one is named")
    stage: StageKey | None = Field(default=None, description="the first of the pipeline, unless one is named")
    owner_id: Id | None = None
    product_id: Id | None = None
    value: Money | None = Field(default=None, description="the sum of its lines, if it has any")
    currency: Currency | None = Field(default=None, description="the product's, if one is named")
    source: Code | None = None
    campaign: Code | None = None
    expected_close: Day | None = None
    next_step: Text | None = None
    competitors: Competitors = Field(default_factory=list)
    contacts: Contacts = Field(default_factory=list)
    splits: Splits = Field(default_factory=list, description="between users: to 100 percent in all")
    lines: Lines = Field(default_factory=list)
    custom: CustomValues = Field(default_factory=dict)
    custom_personal: CustomValues = Field(default_factory=dict)


class AmendOpportunity(Amendment):
    name: Text = UNSENT
    owner_id: Id | None = UNSENT
    product_id: Id | None = UNSENT
    value: Money | None = UNSENT
    source: Code | None = UNSENT
    campaign: Code | None = UNSENT
    expected_close: Day | None = UNSENT
    next_step: Text | None = UNSENT
    competitors: Competitors = UNSENT
    contacts: Contacts = UNSENT
    splits: Splits = UNSENT
    lines: Lines = UNSENT
    custom: CustomValues = UNSENT
    custom_personal: CustomValues = UNSENT


class AdvanceOpportunity(Input):
    stage: StageKey


class SwitchOpportunity(Input):
    pipeline_id: Id | None = Field(default=None, description="its own as it is now, unless another one is named")
    stage: StageKey


class WinOpportunity(Input):
    value: Money | None = None
    reason: Code | None = None


class LoseOpportunity(Input):
    reason: Code | None = None


class ReopenOpportunity(Input):
    stage: StageKey


class RotOpportunity(Input):
    pass


class FollowContacts(Input):
    pass


class DropContact(Input):
    contact_id: Id


opportunities = aggregate_table(
    "opportunities",
    metadata,
    Column("name", TEXT, comment="null: it was erased"),
    *reference("pipeline_id", pipelines),
    Column("pipeline_version", Integer),
    Column("stage", String(64), nullable=False),
    Column("probability_percent", Amount),
    Column("forecast_category", one_of(ForecastCategory)),
    values_column("visits", StageVisit),
    Column("rots_at", Moment),
    Column("rotted_at", Moment),
    Column("owner", TEXT, info={FORMER: "owner_id"}),
    Column("owner_id", Uuid),
    *reference("product_id", products),
    Column("value", Amount),
    Column("currency", TEXT, nullable=False),
    Column("source", TEXT),
    Column("campaign", TEXT),
    Column("next_step", TEXT),
    Column("competitors", ARRAY(TEXT), nullable=False, server_default=text("'{}'")),
    values_column("contacts", OpportunityContact),
    values_column("splits", OpportunitySplit),
    values_column("lines", Line),
    Column("last_line", Integer, nullable=False, server_default=text("0")),
    Column("expected_close", Date),
    Column("closed_at", Moment),
    Column("won_reason", TEXT),
    Column("lost_reason", TEXT),
    customer_owned=True,
    archivable=True,
    customisable=True,
    listed_by=(
        *("name", "pipeline_id", "stage", "forecast_category", "rots_at", "owner", "owner_id", "product_id", "value"),
        *("source", "campaign", "expected_close", "closed_at"),
    ),
)
owned_by(opportunities, "owner_id")
Index("opportunities_by_contacts", opportunities.c.contacts, postgresql_using="gin")


async def of_other_rows(connection: AsyncConnection, tenant: str, asked: Sequence[Attempt]) -> Supply:
    contacts = [each for given, _ in asked for each in getattr(given, "contacts", None) or ()]
    contacts += [
        each
        for given, record in asked
        if isinstance(given, FollowContacts | AmendOpportunity) and isinstance(record, Opportunity)
        for each in record.contacts
    ]
    remaining = await remaining_contacts(connection, tenant, contacts)
    return Supplies((await stages(connection, tenant, asked), remaining, await pricing_of(connection, tenant, asked)))


@dataclass(slots=True)
class OpportunityView(ArchivableView):
    customer_id: UUID | None
    pipeline_id: UUID | None
    pipeline_version: int | None
    stage: str
    probability_percent: Decimal | None
    forecast_category: ForecastCategory | None
    visits: list[StageVisit]
    rots_at: datetime | None
    rotted_at: datetime | None
    owner_id: UUID | None
    product_id: UUID | None
    value: Decimal | None
    currency: str
    source: str | None
    campaign: str | None
    competitors: list[str]
    contacts: list[OpportunityContact]
    splits: list[OpportunitySplit]
    lines: list[Line]
    expected_close: date | None
    closed_at: datetime | None
    won_reason: str | None
    lost_reason: str | None
    custom: dict[str, Any]
    name: str | None = personal()
    next_step: str | None = personal()
    custom_personal: dict[str, Any] | None = personal()


OPPORTUNITIES = Resource(
    "opportunity",
    "opportunities",
    Opportunity,
    opportunities,
    OpportunityView,
    (
        Command("open", OpenOpportunity, Opportunity.open),
        Command("amend", AmendOpportunity, Opportunity.amend),
        Command("advance", AdvanceOpportunity, Opportunity.advance),
        Command("switch", SwitchOpportunity, Opportunity.switch),
        Command("win", WinOpportunity, Opportunity.win),
        Command("lose", LoseOpportunity, Opportunity.lose),
        Command("reopen", ReopenOpportunity, Opportunity.reopen),
        Command("rot", RotOpportunity, Opportunity.rot),
        Command("archive", Archive, Opportunity.archive),
        Command("restore", Restore, Opportunity.restore, of_archived=True),
    ),
    internal=(
        Command("follow_contacts", FollowContacts, Opportunity.follow_contacts, of_archived=True),
        Command("drop_contact", DropContact, Opportunity.drop_contact, of_archived=True),
    ),
    filters=(
        "customer_id",
        "name",
        "pipeline_id",
        "stage",
        "forecast_category",
        "rots_at",
        "owner_id",
        "product_id",
        "value",
        "source",
        "campaign",
        "expected_close",
        "closed_at",
    ),
    searched=("name",),
    unpublished={
        "visits": "They follow from the moves.",
        "lines.description": "Words for people.",
        "last_line": "It follows from all lines that it had.",
        "contacts.told_contact_id": "The contact's own event says into which one it was merged.",
    },
    timers=(Timer("rot", at="next_rotting"),),
    checks=listed_reasons(lambda it: it.closed_for),
    supplies=of_other_rows,
    follows={"customer_id": CUSTOMER, "owner_id": USER, "product_id": Follows(products.c.id, ("currency",))},
    parts_name={
        "contacts.contact_id": CONTACT,
        "splits.user_id": USER,
        "lines.product_id": Follows(products.c.id, ("family",)),
        "lines.bundle_id": Follows(products.c.id, ()),
    },
    relations=(
        One("customer", many="opportunities"),
        One("product"),
        One("owner", to="user", many="opportunities"),
        One("pipeline", many="opportunities"),
    ),
)
