"""Order: a customer bought."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Self
from uuid import UUID

from kith.events.sales import OrderPlaced
from kith.nouns.aggregate import CustomerOwned, Customisable
from kith.scalars.currencies import must_fit


@dataclass(kw_only=True, eq=False)
class Order(Customisable, CustomerOwned):
    """What a customer bought."""

    value: Decimal
    currency: str
    country: str | None = None
    opportunity_id: UUID | None = None

    @classmethod
    def place(cls, *, id: UUID, at: datetime, **fields: Any) -> tuple[Self, OrderPlaced]:
        it = cls(id=id, **fields)
        must_fit(it.value, it.currency)
        return it, OrderPlaced.of(it)
