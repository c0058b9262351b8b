"""The form of a product: what can be done with it, its table, and how it is seen."""

from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import TEXT, Column

from kith.db.tables import Amount, aggregate_table
from kith.nouns.inputs import Priced
from kith.nouns.resource import Command, Resource, View
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
    listed_by=("name", "family", "price"),
)


@dataclass(slots=True)
class ProductView(View):
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
    (Command("create", CreateProduct, Product.create),),
    filters=("name", "family", "price"),
    searched=("name",),
    unpublished={"name": "Words for people. Figures go by the family."},
)
