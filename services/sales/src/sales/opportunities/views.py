"""How an opportunity is seen."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from kith.nouns.resource import View
from sales.opportunities.rules import Stage


@dataclass(slots=True)
class OpportunityView(View):
    customer_id: UUID | None
    name: str
    stage: Stage
    owner: str | None
    product_id: UUID | None
    value: Decimal | None
    currency: str
    source: str | None
    expected_close: date | None
    closed_at: datetime | None
    lost_reason: str | None
