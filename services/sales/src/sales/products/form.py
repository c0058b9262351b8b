"""The form of a product: what can be done with it, its table, and how it is seen."""

from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import TEXT, Column

from kith.db.tables import Amount, aggregate_table
from kith.nouns.inputs import Archive, Priced, Restore
from kith.nouns.resource import ArchivableView, Command, Resource
from kith.scalars import Code, Currency, Money, Text
from sales.products.rules import Product
from sales.tables import metadata


class CreateProduct(Priced):
    name: Text
    family: Code | None = None
    price: Money
    currency: Currency


products = aggregate_table(
    "products",
    metadata,
    Column("name", TEXT, nullable=False),
    Column("family", TEXT),
    Column("price", Amount, nullable=False),
    Column("currency", TEXT, nullable=False),
    archivable=True,
    listed_by=("name", "family", "price"),
)


@dataclass(slots=True)
class ProductView(ArchivableView):
    name: str
    family: str | None
    price: Decimal
    currency: str


PRODUCTS = Resource(
    "product",
    "products",
    Product,
    products,
    ProductView,
    (
        Command("create", CreateProduct, Product.create),
        Command("archive", Archive, Product.archive),
        Command("restore", Restore, Product.restore, of_archived=True),
    ),
    filters=("name", "family", "price"),
    searched=("name",),
    unpublished={"name": "Words for people. Figures go by the family."},
    reference_data=True,
)
