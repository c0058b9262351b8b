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
from sales.price_books.rules import PriceBook
from sales.values import Line


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


@dataclass(frozen=True)
class Pricing:
    """What products cost, as far as a request names them."""

    books: Mapping[UUID, PriceBook] = field(default_factory=dict)
    """Those that are named, and the defaults; of several of one kind the later ones come first."""
    steps: Mapping[tuple[UUID, UUID], Sequence[Step]] = field(default_factory=dict)
    """By price book and product, the one that counts first."""
    products: Mapping[UUID, tuple[Decimal, str]] = field(default_factory=dict)
    """What a product costs where no price book says it, and in which currency."""

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
            if former is not None and sent not in (None, listed):
                before = former.get(each.line)
                if before is None or sent != before.list_price:
                    raise Invalid(f"It is {listed}.", field=f"lines.{place}.list_price")
            price: Decimal | None = each.unit_price
            if price is None and (price := listed) is None:
                what = f"product {each.product_id} in {currency} for a quantity of {each.quantity.normalize():f}"
                rule = "Send it, or a product." if each.product_id is None else f"There is no price of {what}: send it."
                raise Invalid(rule, field=f"lines.{place}.unit_price")
            made.append(replace(each, unit_price=price, list_price=listed))
        return made


NO_PRICES = Pricing()
