"""Return: goods or money went back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Self
from uuid import UUID

from kith.error_codes import ErrorCode
from kith.errors import Invalid
from kith.events.sales import OrderReturned
from kith.nouns.aggregate import CustomerOwned
from kith.scalars.currencies import must_fit, part_of
from sales.values import ReturnedLine, value_of


class MoreThanIsLeft(Invalid):
    code = ErrorCode.MORE_THAN_IS_LEFT


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


@dataclass
class OrderedLine:
    """A line of an order, and how much of it was returned."""

    quantity: Decimal
    amount: Decimal
    product_id: UUID | None
    family: str | None
    returned: Decimal = Decimal(0)

    def amount_of(self, quantity: Decimal, currency: str) -> Decimal:
        """Returns what is given back for the next quantity. What was given back for all of them is always the part of
        the line's amount that they are, rounded: no unit is lost or won by returning piece by piece."""
        before, after = (
            part_of(self.amount, each, self.quantity, currency) for each in (self.returned, self.returned + quantity)
        )
        return after - before


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
        lines = _completed(lines, ordered or {}, currency)
        it = cls(id=id, value=value_of(lines, value), currency=currency, order_id=order_id, lines=lines, **fields)
        must_fit(it.value, it.currency)
        return it, OrderReturned.of(it)


def _completed(lines: Sequence[ReturnedLine], ordered: Mapping[int, OrderedLine], currency: str) -> list[ReturnedLine]:
    """Returns the lines with what the order says of them. Raises MoreThanIsLeft, and Invalid for a line that the order
    has not, or that is named twice, and for a part that is not what the order says."""
    made = dict[int, ReturnedLine]()
    for place, each in enumerate(lines):
        if (line := ordered.get(each.line)) is None:
            raise Invalid(f"The order has no line {each.line}.", field=f"lines.{place}.line")
        if each.line in made:
            raise Invalid(f"Line {each.line} is named twice.", field=f"lines.{place}.line")
        if each.quantity > (left := line.quantity - line.returned):
            raise MoreThanIsLeft(f"Of line {each.line} {left:f} are left.", field=f"lines.{place}.quantity")
        amount = line.amount_of(each.quantity, currency)
        for part, own in (("amount", amount), ("product_id", line.product_id), ("family", line.family)):
            if getattr(each, part) not in (None, own):
                raise Invalid(f"By the order it is {own}.", field=f"lines.{place}.{part}")
        made[each.line] = replace(each, amount=amount, product_id=line.product_id, family=line.family)
    return [*made.values()]
