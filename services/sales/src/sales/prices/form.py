"""The form of a price: what can be done with it, its table, and how it is seen."""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from pydantic import Field
from sqlalchemy import Column, ForeignKeyConstraint, Index, Numeric, Uuid

from kith.db.tables import Amount, aggregate_table
from kith.nouns.inputs import UNSENT, Amendment, Archive, NewInput, Restore
from kith.nouns.resource import ArchivableView, Command, One, Resource
from kith.scalars import Id, Money, Quantity
from sales.price_books.form import price_books
from sales.prices.rules import Price
from sales.products.form import products
from sales.tables import metadata


class CreatePrice(NewInput):
    price_book_id: Id
    product_id: Id
    min_quantity: Quantity | None = Field(default=None, description="from which quantity on; any, by default")
    unit_price: Money


class AmendPrice(Amendment):
    unit_price: Money = UNSENT


prices = aggregate_table(
    "prices",
    metadata,
    Column("price_book_id", Uuid, nullable=False),
    Column("product_id", Uuid, nullable=False),
    Column("min_quantity", Numeric(20, 4)),
    Column("unit_price", Amount, nullable=False),
    ForeignKeyConstraint(["tenant_id", "price_book_id"], [price_books.c.tenant_id, price_books.c.id]),
    ForeignKeyConstraint(["tenant_id", "product_id"], [products.c.tenant_id, products.c.id]),
    archivable=True,
    listed_by=("price_book_id", "product_id"),
)
Index("prices_by_what_they_are_of", prices.c.tenant_id, prices.c.price_book_id, prices.c.product_id)


@dataclass(slots=True)
class PriceView(ArchivableView):
    price_book_id: UUID
    product_id: UUID
    min_quantity: Decimal | None
    unit_price: Decimal


PRICES = Resource(
    "price",
    "prices",
    Price,
    prices,
    PriceView,
    (
        Command("create", CreatePrice, Price.create),
        Command("amend", AmendPrice, Price.amend),
        Command("archive", Archive, Price.archive),
        Command("restore", Restore, Price.restore, of_archived=True),
    ),
    filters=("price_book_id", "product_id"),
    relations=(One("price_book", many="prices"), One("product", many="prices")),
    reference_data=True,
)
