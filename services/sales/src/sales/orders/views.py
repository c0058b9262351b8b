"""How an order and a return are seen."""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from kith.nouns.resource import View


@dataclass(slots=True)
class OrderView(View):
    customer_id: UUID | None
    value: Decimal
    currency: str
    country: str | None
    opportunity_id: UUID | None


@dataclass(slots=True)
class ReturnView(View):
    customer_id: UUID | None
    value: Decimal
    currency: str
    country: str | None
    order_id: UUID | None
