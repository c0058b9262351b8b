"""Return: goods or money went back."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Self
from uuid import UUID

from kith.error_codes import ErrorCode
from kith.errors import Invalid
from kith.events.sales import OrderReturned
from kith.nouns.aggregate import CustomerOwned
from kith.scalars.currencies import must_fit


class MoreThanIsLeft(Invalid):
    code = ErrorCode.MORE_THAN_IS_LEFT


@dataclass
class Rest:
    """What is left of an order, to be returned."""

    left: Decimal
    currency: str
    placed_at: datetime

    def give_back(self, value: Decimal, *, at: datetime | None) -> None:
        """Raises MoreThanIsLeft, and Invalid for a return before the order; `at` is None for just now."""
        if at is not None and at < self.placed_at:
            raise Invalid(f"The order was placed at {self.placed_at.isoformat()}.", field="occurred_at")
        if value > self.left:
            left = max(self.left, Decimal(0))
            raise MoreThanIsLeft(f"Of the order {left:f} {self.currency} are left.", field="value")
        self.left -= value


@dataclass(kw_only=True, eq=False)
class Return(CustomerOwned):
    """What a customer gave back of what was bought."""

    value: Decimal
    """What was given back, zero or more."""
    currency: str
    country: str | None = None
    order_id: UUID | None = None

    @classmethod
    def record(cls, *, id: UUID, at: datetime, **fields: Any) -> tuple[Self, OrderReturned]:
        it = cls(id=id, **fields)
        must_fit(it.value, it.currency)
        return it, OrderReturned.of(it)
