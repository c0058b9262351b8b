"""What sales publishes of price books, and of the prices in them."""

from datetime import datetime
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from kith.events.event import Amended, Event


class PriceBookCreated(Event):
    """Prices in one currency hold from `valid_from` until `valid_until`. None: since ever, for good."""

    type: ClassVar[str] = "sales.price-book.created.v1"
    creates: ClassVar[bool] = True
    qualifies: ClassVar[bool] = False
    currency: str
    is_default: bool
    valid_from: datetime | None = None
    valid_until: datetime | None = None


class PriceBookAmended(Amended):
    type: ClassVar[str] = "sales.price-book.amended.v1"
    qualifies: ClassVar[bool] = False
    is_default: bool | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None


class PriceBookArchived(Event):
    """It was put away: nothing has its prices any more."""

    type: ClassVar[str] = "sales.price-book.archived.v1"
    qualifies: ClassVar[bool] = False


class PriceBookRestored(Event):
    type: ClassVar[str] = "sales.price-book.restored.v1"
    qualifies: ClassVar[bool] = False


class PriceCreated(Event):
    """In a price book a product costs so much, from a quantity on. None: any."""

    type: ClassVar[str] = "sales.price.created.v1"
    creates: ClassVar[bool] = True
    qualifies: ClassVar[bool] = False
    price_book_id: UUID
    product_id: UUID
    unit_price: Decimal
    min_quantity: Decimal | None = None


class PriceAmended(Amended):
    type: ClassVar[str] = "sales.price.amended.v1"
    qualifies: ClassVar[bool] = False
    unit_price: Decimal | None = None


class PriceArchived(Event):
    """It was put away: the price book has it no more."""

    type: ClassVar[str] = "sales.price.archived.v1"
    qualifies: ClassVar[bool] = False


class PriceRestored(Event):
    type: ClassVar[str] = "sales.price.restored.v1"
    qualifies: ClassVar[bool] = False
