"""Order: a customer bought. Return: goods or money went back."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Self
from uuid import UUID

from kith.domain import OfCustomer
from kith.events.sales import OrderPlaced, OrderReturned


@dataclass(kw_only=True, eq=False)
class Order(OfCustomer):
    value: Decimal
    currency: str
    country: str | None = None
    opportunity_id: UUID | None = None

    @classmethod
    def place(cls, *, id: UUID, at: datetime, **fields: Any) -> tuple[Self, OrderPlaced]:
        it = cls(id=id, **fields)
        return it, OrderPlaced.of(it)


@dataclass(kw_only=True, eq=False)
class Return(OfCustomer):
    value: Decimal
    """What was given back, zero or more."""
    currency: str
    country: str | None = None
    order_id: UUID | None = None

    @classmethod
    def record(cls, *, id: UUID, at: datetime, **fields: Any) -> tuple[Self, OrderReturned]:
        it = cls(id=id, **fields)
        return it, OrderReturned.of(it)
