"""Order: a customer bought."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Self
from uuid import UUID

from kith.events.sales import OrderPlaced
from kith.nouns.aggregate import CustomerOwned, Customisable
from kith.scalars.currencies import must_fit
from sales.values import Line, completed, value_of


@dataclass(kw_only=True, eq=False)
class Order(Customisable, CustomerOwned):
    """What a customer bought."""

    value: Decimal
    currency: str
    country: str | None = None
    opportunity_id: UUID | None = None
    lines: list[Line] = field(default_factory=list)

    @classmethod
    def place(
        cls, *, id: UUID, at: datetime, value: Decimal | None, currency: str, lines: list[Line], **fields: Any
    ) -> tuple[Self, OrderPlaced]:
        """Of an order with lines the value is their sum."""
        lines = completed(lines, currency) if lines else lines  # most have none
        it = cls(id=id, value=value_of(lines, value), currency=currency, lines=lines, **fields)
        must_fit(it.value, it.currency)
        return it, OrderPlaced.of(it)
