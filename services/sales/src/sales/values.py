"""The value objects of sales: the lines of a record, each so much of something at a price."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Annotated

from kith.errors import Invalid
from kith.scalars import MOST_MONEY, MOST_QUANTITY, Code, Id, Money, Percentage, Quantity, Text, Whole
from kith.scalars.currencies import misfit, most_rounded, priced, shared_out
from kith.values import Value, filled

MOST_NUMBER = 1_000_000
"""Of a line."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Line(Value):
    """So much of a product, or of something else, and what is charged for it."""

    line: Annotated[int, Whole(1, MOST_NUMBER)] = filled()
    """Its number: no other line of the record has, or had, it."""
    product_id: Id | None = None
    description: Text | None = None
    quantity: Quantity
    unit_price: Money = filled()
    """The list price, unless another one is asked."""
    discount_percent: Percentage = Decimal("0.0000")
    amount: Money = filled()
    """quantity * unit price, less the discount."""
    family: Code | None = None
    """The product's, as it was when the line was made."""
    bundle_id: Id | None = None
    """The bundle of which it is a part: then its amount is its share of what that comes to."""
    list_price: Money | None = None
    """What one unit costs by the price book, or the product, as it was when the line was made. Null: neither says."""

    @property
    def number(self) -> int:
        """Of a line of a record."""
        return self.line


@dataclass(frozen=True, kw_only=True, slots=True)
class BundleComponent(Value):
    """So much of a product, which is in one piece of a bundle."""

    product_id: Id
    quantity: Quantity


@dataclass(frozen=True, kw_only=True, slots=True)
class ReturnedLine(Value):
    """So much of a line of an order, which went back."""

    line: Annotated[int, Whole(1, MOST_NUMBER)]
    """The number of the order's line."""
    quantity: Quantity
    amount: Money = filled()
    """What is given back for it: its part of the amount of the order's line."""
    product_id: Id | None = filled()
    """The order's line's, as is the family."""
    family: Code | None = filled()


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliveredLine(Value):
    """So much of a line of an order, which came to the customer."""

    line: Annotated[int, Whole(1, MOST_NUMBER)]
    """The number of the order's line."""
    quantity: Quantity
    product_id: Id | None = filled()
    """The order's line's, as is the family."""
    family: Code | None = filled()


MOST_LINES = 200
"""Of one record."""
MOST_COMPONENTS = 50
"""Of one bundle."""


def completed(
    lines: Sequence[Line], currency: str, *, kept: Collection[int] = (), last: int = 0, field: str = "lines"
) -> list[Line]:
    """Returns the lines with their numbers and amounts. The record has, or had, lines up to the number `last`; `kept`
    are those that it has. Raises Invalid for a number that is another line's, and for an amount that is not what is
    computed."""
    numbers = set[int]()
    for place, each in enumerate(lines):
        number = each.line
        if number is None:
            continue
        if number in numbers or (number <= last and number not in kept):
            raise Invalid(f"Another line has, or had, the number {number}.", field=f"{field}.{place}.line")
        numbers.add(number)
    made, given = list[Line](), max(numbers | {last})
    for place, each in enumerate(lines):
        given += each.line is None
        if given > MOST_NUMBER:
            raise Invalid(f"A line has a number up to {MOST_NUMBER:,}.", field=f"{field}.{place}.line")
        amount = _amount_of(each, currency)
        if each.amount not in (None, amount):
            rule = f"quantity * unit price, less the discount, is {amount.normalize():f} {currency}."
            raise Invalid(rule, field=f"{field}.{place}.amount")
        made.append(replace(each, line=each.line or given, amount=amount))
    return made


def fits_line(quantity: Decimal, unit_price: Decimal) -> bool:
    """Returns whether a line may have them, which are computed."""
    return quantity <= MOST_QUANTITY and quantity == round(quantity, 4) and unit_price <= MOST_MONEY


def _amount_of(line: Line, currency: str) -> Decimal:
    """Of a part of a bundle the unit price is its share, divided and rounded: times the quantity that is not the share
    again, to the cent."""
    share: Decimal | None = line.amount if line.bundle_id is not None and not line.discount_percent else None
    if share is not None and not misfit(share, currency) and shared_out(share, line.quantity) == line.unit_price:
        return share
    return priced(line.quantity, line.unit_price, line.discount_percent, currency)


def least_of(line: Line, limit: Decimal, currency: str) -> Decimal:
    """Returns what a line comes to if so many percent are off its list price; off the price asked, if none is known."""
    listed = line.unit_price if line.list_price is None else line.list_price
    least = priced(line.quantity, listed, limit, currency)
    return least if line.bundle_id is None else least - most_rounded(line.quantity, currency)


def value_of(lines: Sequence[Line | ReturnedLine], value: Decimal | None) -> Decimal:
    """Returns the value of a record: the sum of its lines, or what was sent, if it has none. Raises Invalid."""
    if not lines:
        if value is None:
            raise Invalid("Send it, or lines.", field="value")
        return value
    total = sum((each.amount for each in lines), Decimal(0))
    if total > MOST_MONEY:
        raise Invalid(f"Its lines come to more than {MOST_MONEY:,}.", field="lines")
    if value not in (None, total):
        raise Invalid(f"Its lines come to {total.normalize():f}.", field="value")
    return total
