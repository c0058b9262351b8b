"""Price: what one unit of a product costs in a price book, from a quantity on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, Self
from uuid import UUID

from kith.errors import Invalid
from kith.events.prices import PriceAmended, PriceArchived, PriceCreated, PriceRestored
from kith.nouns.aggregate import Archivable
from kith.scalars.currencies import part_of, shared_out
from sales.price_books.rules import PriceBook
from sales.values import MOST_LINES, Line, fits_line


@dataclass(kw_only=True, eq=False)
class Price(Archivable):
    """What one unit of a product costs in a price book."""

    price_book_id: UUID
    product_id: UUID
    min_quantity: Decimal | None = None
    """From which quantity on. None: any."""
    unit_price: Decimal

    @classmethod
    def create(cls, *, id: UUID, at: datetime, **fields: Any) -> tuple[Self, PriceCreated]:
        it = cls(id=id, **fields)
        return it, PriceCreated.of(it)

    def amend(self, *, at: datetime, **fields: Any) -> PriceAmended:
        """What was quoted and ordered keeps its prices."""
        self.ensure_not_before_last_change(at)
        return PriceAmended.of_changed(self, self.set(fields))

    def archive(self, *, at: datetime) -> PriceArchived:
        """The price book has it no more, until it is restored."""
        self.put_away(at)
        return PriceArchived()

    def restore(self, *, at: datetime) -> PriceRestored:
        """The price book has it again."""
        self.take_back(at)
        return PriceRestored()


class Step(NamedTuple):
    """A price, from a quantity on."""

    min_quantity: Decimal
    unit_price: Decimal


class Component(NamedTuple):
    """What is in one piece of a bundle."""

    product_id: UUID
    family: str | None
    quantity: Decimal


@dataclass(frozen=True)
class Pricing:
    """What products cost, as far as a request names them."""

    books: Mapping[UUID, PriceBook] = field(default_factory=dict)
    """Those that are named, and the defaults; of several of one kind the later ones come first."""
    steps: Mapping[tuple[UUID, UUID], Sequence[Step]] = field(default_factory=dict)
    """By price book and product, the one that counts first."""
    products: Mapping[UUID, tuple[Decimal, str]] = field(default_factory=dict)
    """What a product costs where no price book says it, and in which currency."""
    bundles: Mapping[UUID, Sequence[Component]] = field(default_factory=dict)

    def list_price(
        self, product: UUID, quantity: Decimal, currency: str, at: datetime, book: UUID | None
    ) -> Decimal | None:
        """Returns the price in the book that is named; else that in the default of the currency, or the product's own.
        None: there is none."""
        if book is not None:
            return self._price_in(self.books.get(book), product, quantity, at)
        defaults = (each for each in self.books.values() if each.is_default and each.currency == currency)
        found = (self._price_in(each, product, quantity, at) for each in defaults)
        own, own_currency = self.products.get(product, (None, None))
        return next((each for each in found if each is not None), own if own_currency == currency else None)

    def _price_in(self, book: PriceBook | None, product: UUID, quantity: Decimal, at: datetime) -> Decimal | None:
        if book is None or not book.is_valid(at):
            return None
        steps = self.steps.get((book.id, product), ())
        return next((each.unit_price for each in steps if each.min_quantity <= quantity), None)

    def listed(
        self,
        lines: Sequence[Line],
        currency: str,
        at: datetime,
        book: UUID | None,
        *,
        former: Mapping[int, Line] | None = None,
    ) -> list[Line]:
        """Returns the lines with their list prices, and with those as unit prices where there are none. A list price
        that is sent holds; but if there are `former` lines, or might be, it has to be what it is, or what it was of the
        line of that number. Raises Invalid for that, and for a line without a price."""
        made = list[Line]()
        for place, each in enumerate(lines):
            sent = listed = each.list_price
            if each.product_id is not None and (sent is None or former is not None):
                listed = self.list_price(each.product_id, each.quantity, currency, at, book)
            before = None if former is None else former.get(each.line)
            if before is not None and each.bundle_id is not None and before.bundle_id == each.bundle_id:
                listed = before.list_price  # its share of the bundle's
            was = None if before is None else before.list_price
            if former is not None and sent not in (None, listed, was):
                raise Invalid(f"It is {listed}.", field=f"lines.{place}.list_price")
            price: Decimal | None = each.unit_price
            if price is None and (price := listed) is None:
                what = f"product {each.product_id} in {currency} for a quantity of {each.quantity.normalize():f}"
                rule = "Send it, or a product." if each.product_id is None else f"There is no price of {what}: send it."
                raise Invalid(rule, field=f"lines.{place}.unit_price")
            made.append(replace(each, unit_price=price, list_price=listed))
        return made

    def apart(
        self, lines: Sequence[Line], currency: str, at: datetime, book: UUID | None, *, last: int = 0
    ) -> list[Line]:
        """Returns the lines with those of components in place of those of bundles; the record has, or had, lines up to
        the number `last`. Each component has a share of the amount, by what it costs alone. The shares of all up to one
        are always the part of the amount that they are, rounded: they add up to it. Raises Invalid."""
        made, last = list[Line](), max([last, *(each.number for each in lines)])
        for place, each in enumerate(lines):
            components = self.bundles.get(each.product_id) if each.product_id and each.bundle_id is None else None
            if components is None:
                made.append(each)
                continue
            parts = self._parts_of(
                each, components, self._weights(components, each, currency, at, book, place), currency, place
            )
            made += [replace(part, line=last + n if n else each.line) for n, part in enumerate(parts)]
            last += len(parts) - 1
        if len(made) > MOST_LINES:
            raise Invalid(f"With the components of its bundles it has more than {MOST_LINES} lines.", field="lines")
        return made

    def _weights(
        self, components: Sequence[Component], line: Line, currency: str, at: datetime, book: UUID | None, place: int
    ) -> list[Decimal]:
        """Returns what the components of one piece cost alone; if nothing, their quantities."""
        found = list[Decimal]()
        for each in components:
            asked = (each.product_id, each.quantity * line.quantity, currency, at)
            price = self.list_price(*asked, book)
            if price is None and (price := self.list_price(*asked, None)) is None:
                rule = f"There is no price of product {each.product_id} in {currency}, which is in the bundle."
                raise Invalid(rule, field=f"lines.{place}.product_id")
            found.append(price * each.quantity)
        return found if any(found) else [each.quantity for each in components]

    def _parts_of(
        self, line: Line, components: Sequence[Component], weights: Sequence[Decimal], currency: str, place: int
    ) -> list[Line]:
        made, whole, before, listed = list[Line](), sum(weights, Decimal(0)), Decimal(0), line.list_price
        for n, (each, weight) in enumerate(zip(components, weights, strict=True), start=1):
            upto = part_of(line.amount, sum(weights[:n], Decimal(0)), whole, currency)
            quantity, amount, before = (line.quantity * each.quantity).normalize(), upto - before, upto
            unit_price = shared_out(amount, quantity)
            if not fits_line(quantity, unit_price):
                rule = f"Of product {each.product_id}, which is in the bundle, it would be {quantity:f}"
                raise Invalid(f"{rule} at {unit_price:f}: no line has that.", field=f"lines.{place}.quantity")
            part = Line(
                product_id=each.product_id,
                description=line.description,
                quantity=round(quantity, 4),
                unit_price=unit_price,
                amount=amount,
                family=each.family,
                bundle_id=line.product_id,
                list_price=None if listed is None else shared_out(listed * line.quantity * weight / whole, quantity),
            )
            made.append(part)
        return made


NO_PRICES = Pricing()
