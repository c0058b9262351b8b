"""The form of an opportunity: what can be done with it, its table, and how it is seen."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import Field
from sqlalchemy import TEXT, Column, Date, Uuid

from kith.db.owned import owned_by
from kith.db.tables import FORMER, Amount, Moment, aggregate_table, one_of, reference
from kith.nouns.inputs import UNSENT, Amendment, Archive, CustomValues, Input, Priced, Restore
from kith.nouns.resource import ArchivableView, Command, Follows, One, Resource, personal
from kith.scalars import Code, Currency, Day, Id, Money, Text
from sales.opportunities.rules import Opportunity, Stage
from sales.products.form import products
from sales.tables import CUSTOMER, USER, metadata


class OpenOpportunity(Priced):
    name: Text
    customer_id: Id | None = None
    stage: Stage = Stage.PROSPECTING
    owner_id: Id | None = None
    product_id: Id | None = None
    value: Money | None = None
    currency: Currency | None = Field(default=None, description="the product's, if one is named")
    source: Code | None = None
    expected_close: Day | None = None
    custom: CustomValues = Field(default_factory=dict)
    custom_personal: CustomValues = Field(default_factory=dict)


class AmendOpportunity(Amendment):
    name: Text = UNSENT
    owner_id: Id | None = UNSENT
    product_id: Id | None = UNSENT
    value: Money | None = UNSENT
    source: Code | None = UNSENT
    expected_close: Day | None = UNSENT
    custom: CustomValues = UNSENT
    custom_personal: CustomValues = UNSENT


class AdvanceOpportunity(Input):
    stage: Stage


class WinOpportunity(Input):
    value: Money | None = None


class LoseOpportunity(Input):
    reason: Code | None = None


opportunities = aggregate_table(
    "opportunities",
    metadata,
    Column("name", TEXT, comment="null: it was erased"),
    Column("stage", one_of(Stage), nullable=False),
    Column("owner", TEXT, info={FORMER: "owner_id"}),
    Column("owner_id", Uuid),
    *reference("product_id", products),
    Column("value", Amount),
    Column("currency", TEXT, nullable=False),
    Column("source", TEXT),
    Column("expected_close", Date),
    Column("closed_at", Moment),
    Column("lost_reason", TEXT),
    customer_owned=True,
    archivable=True,
    customisable=True,
    listed_by=("name", "stage", "owner", "owner_id", "product_id", "value", "source", "expected_close", "closed_at"),
)
owned_by(opportunities, "owner_id")


@dataclass(slots=True)
class OpportunityView(ArchivableView):
    customer_id: UUID | None
    stage: Stage
    owner_id: UUID | None
    product_id: UUID | None
    value: Decimal | None
    currency: str
    source: str | None
    expected_close: date | None
    closed_at: datetime | None
    lost_reason: str | None
    custom: dict[str, Any]
    name: str | None = personal()
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
        Command("win", WinOpportunity, Opportunity.win),
        Command("lose", LoseOpportunity, Opportunity.lose),
        Command("archive", Archive, Opportunity.archive),
        Command("restore", Restore, Opportunity.restore, of_archived=True),
    ),
    filters=(
        "customer_id",
        "name",
        "stage",
        "owner_id",
        "product_id",
        "value",
        "source",
        "expected_close",
        "closed_at",
    ),
    searched=("name",),
    follows={"customer_id": CUSTOMER, "owner_id": USER, "product_id": Follows(products.c.id, ("currency",))},
    relations=(One("customer", many="opportunities"), One("product"), One("owner", to="user", many="opportunities")),
)
