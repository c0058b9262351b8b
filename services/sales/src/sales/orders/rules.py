"""Order: a customer bought. What is returned or delivered of it names its lines, and is never more than is left."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Self, TypeVar
from uuid import UUID

from kith.error_codes import ErrorCode
from kith.errors import Invalid
from kith.events.sales import OrderPlaced
from kith.nouns.aggregate import CustomerOwned, Customisable
from kith.scalars.currencies import must_fit, part_of
from sales.prices.rules import NO_PRICES, Pricing
from sales.values import DeliveredLine, Line, ReturnedLine, completed, value_of

P = TypeVar("P", ReturnedLine, DeliveredLine)


@dataclass(kw_only=True, eq=False)
class Order(Customisable, CustomerOwned):
    """What a customer bought."""

    value: Decimal
    currency: str
    country: str | None = None
    opportunity_id: UUID | None = None
    price_book_id: UUID | None = None
    """By which its lines are priced, where that was said."""
    promised_at: datetime | None = None
    """By when it is to be delivered whole."""
    lines: list[Line] = field(default_factory=list)

    @classmethod
    def place(
        cls,
        *,
        id: UUID,
        at: datetime,
        value: Decimal | None,
        currency: str,
        price_book_id: UUID | None = None,
        lines: list[Line],
        pricing: Pricing = NO_PRICES,
        **fields: Any,
    ) -> tuple[Self, OrderPlaced]:
        """Of an order with lines the value is their sum. A line without a price has the list price."""
        if lines:  # most have none
            lines = completed(pricing.listed(lines, currency, at, price_book_id), currency)
            lines = pricing.apart(lines, currency, at, price_book_id)
        it = cls(
            id=id,
            value=value_of(lines, value),
            currency=currency,
            price_book_id=price_book_id,
            lines=lines,
            **fields,
        )
        must_fit(it.value, it.currency)
        return it, OrderPlaced.of(it)


class MoreThanIsLeft(Invalid):
    code = ErrorCode.MORE_THAN_IS_LEFT


@dataclass
class OrderedLine:
    """A line of an order, and how much of it was returned, or delivered."""

    quantity: Decimal
    amount: Decimal
    product_id: UUID | None
    family: str | None
    taken: Decimal = Decimal("0.0000")

    @property
    def left(self) -> Decimal:
        return self.quantity - self.taken

    def amount_of(self, quantity: Decimal, currency: str) -> Decimal:
        """Returns what the next quantity comes to. What all that was taken comes to is always the part of the line's
        amount that it is, rounded: no unit is lost or won piece by piece."""
        before, after = (
            part_of(self.amount, each, self.quantity, currency) for each in (self.taken, self.taken + quantity)
        )
        return after - before


def taken_of(
    ordered: Mapping[int, OrderedLine],
    parts: Sequence[P],
    more: Callable[[OrderedLine, Decimal], Mapping[str, Any]] = lambda *_: {},
) -> list[P]:
    """Returns the parts with what the order says of them: product, family, and `more`, given a line and the quantity.
    Raises MoreThanIsLeft, and Invalid for a line that the order has not, or that is named twice, and for what is not as
    the order says."""
    made: dict[int, P] = {}
    for place, each in enumerate(parts):
        if (line := ordered.get(each.line)) is None:
            raise Invalid(f"The order has no line {each.line}.", field=f"lines.{place}.line")
        if each.line in made:
            raise Invalid(f"Line {each.line} is named twice.", field=f"lines.{place}.line")
        if each.quantity > line.left:
            raise MoreThanIsLeft(f"Of line {each.line} {line.left:f} are left.", field=f"lines.{place}.quantity")
        said = {**more(line, each.quantity), "product_id": line.product_id, "family": line.family}
        for name, own in said.items():
            if getattr(each, name) not in (None, own):
                raise Invalid(f"By the order it is {own}.", field=f"lines.{place}.{name}")
        made[each.line] = replace(each, **said)
    return list(made.values())
