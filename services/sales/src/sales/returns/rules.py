"""Return: goods or money went back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Self
from uuid import UUID

from kith.errors import Invalid
from kith.events.sales import OrderReturned
from kith.nouns.aggregate import CustomerOwned
from kith.scalars.currencies import must_fit
from sales.orders.rules import MoreThanIsLeft, OrderedLine, taken_of
from sales.values import ReturnedLine, value_of


@dataclass
class Rest:
    """What is left of an order, to be returned."""

    left: Decimal
    currency: str
    placed_at: datetime

    def give_back(self, value: Decimal, *, at: datetime | None, field: str) -> None:
        """Raises MoreThanIsLeft, and Invalid for a return before the order; `at` is None for just now."""
        if at is not None and at < self.placed_at:
            raise Invalid(f"The order was placed at {self.placed_at.isoformat()}.", field="occurred_at")
        if value > self.left:
            left = max(self.left, Decimal(0))
            raise MoreThanIsLeft(f"Of the order {left:f} {self.currency} are left.", field=field)
        self.left -= value


@dataclass(kw_only=True, eq=False)
class Return(CustomerOwned):
    """What a customer gave back of what was bought."""

    value: Decimal
    """What was given back, zero or more."""
    currency: str
    country: str | None = None
    order_id: UUID | None = None
    lines: list[ReturnedLine] = field(default_factory=list)
    """What of the order's lines; none where that is not known."""

    @classmethod
    def record(
        cls,
        *,
        id: UUID,
        at: datetime,
        value: Decimal | None,
        currency: str,
        order_id: UUID | None,
        lines: list[ReturnedLine],
        ordered: Mapping[int, OrderedLine] | None = None,
        **fields: Any,
    ) -> tuple[Self, OrderReturned]:
        """Of a return with lines the value is their sum. `ordered` are the order's, by their numbers."""
        if lines and order_id is None:
            raise Invalid("Lines are those of an order: name it.", field="order_id")
        lines = taken_of(ordered or {}, lines, lambda line, of_it: {"amount": line.amount_of(of_it, currency)})
        it = cls(id=id, value=value_of(lines, value), currency=currency, order_id=order_id, lines=lines, **fields)
        must_fit(it.value, it.currency)
        return it, OrderReturned.of(it)
