"""What sales publishes."""

from datetime import date
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from kith.events.envelope import Amended, Event


class ProductCreated(Event):
    type: ClassVar[str] = "sales.product.created.v1"
    qualifies: ClassVar[bool] = False
    price: Decimal
    currency: str
    family: str | None = None


class OpportunityOpened(Event):
    type: ClassVar[str] = "sales.opportunity.opened.v1"
    stage: str
    currency: str
    owner: str | None = None
    product_id: UUID | None = None
    value: Decimal | None = None
    source: str | None = None
    expected_close: date | None = None


class OpportunityAmended(Amended):
    type: ClassVar[str] = "sales.opportunity.amended.v1"
    owner: str | None = None
    product_id: UUID | None = None
    value: Decimal | None = None
    source: str | None = None
    expected_close: date | None = None


class OpportunityAdvanced(Event):
    type: ClassVar[str] = "sales.opportunity.advanced.v1"
    stage: str
    from_stage: str


class OpportunityWon(Event):
    type: ClassVar[str] = "sales.opportunity.won.v1"
    from_stage: str
    value: Decimal
    currency: str


class OpportunityLost(Event):
    type: ClassVar[str] = "sales.opportunity.lost.v1"
    from_stage: str
    reason: str | None = None


class OrderPlaced(Event):
    type: ClassVar[str] = "sales.order.placed.v1"
    value: Decimal
    currency: str
    country: str | None = None
    opportunity_id: UUID | None = None


class OrderReturned(Event):
    """Goods or money went back. `value` is what was given back, zero or more."""

    type: ClassVar[str] = "sales.order.returned.v1"
    value: Decimal
    currency: str
    country: str | None = None
    order_id: UUID | None = None
