"""The form of a product: what can be done with it, its table, and how it is seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

from pydantic import Field
from sqlalchemy import ARRAY, TEXT, Column, Uuid, any_, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.db.tables import Amount, aggregate_table, values_column
from kith.errors import Invalid
from kith.nouns.aggregate import Aggregate
from kith.nouns.inputs import Archive, Input, Priced, Restore
from kith.nouns.resource import ArchivableView, Attempt, Check, Command, Follows, Resource
from kith.nouns.value_inputs import Values
from kith.scalars import Code, Currency, Money, Text
from sales.products.rules import Product
from sales.tables import metadata
from sales.values import MOST_COMPONENTS, BundleComponent


class CreateProduct(Priced):
    name: Text
    family: Code | None = None
    price: Money
    currency: Currency
    components: Annotated[list[BundleComponent], Values(MOST_COMPONENTS)] = Field(
        default_factory=list, description="of a bundle: what one piece of it consists of"
    )


products = aggregate_table(
    "products",
    metadata,
    Column("name", TEXT, nullable=False),
    Column("family", TEXT),
    Column("price", Amount, nullable=False),
    Column("currency", TEXT, nullable=False),
    values_column("components", BundleComponent),
    archivable=True,
    listed_by=("name", "family", "price"),
)


@dataclass(slots=True)
class ProductView(ArchivableView):
    name: str
    family: str | None
    price: Decimal
    currency: str
    components: list[BundleComponent]


async def none_is_a_bundle(connection: AsyncConnection, tenant: str, asked: Sequence[Attempt]) -> Check:
    """Returns the check that no component of a bundle is a bundle itself."""
    c = products.c
    named = {each.product_id for given, _ in asked for each in getattr(given, "components", ())}
    if not named:
        return lambda *_: None
    of_several = func.jsonb_array_length(c.components) > 0
    found = select(c.id).where(c.tenant_id == tenant, c.id == any_(cast([*named], ARRAY(Uuid))), of_several)
    bundles = {*(await connection.scalars(found)).all()}

    def check(given: Input, _: Aggregate) -> None:
        for place, each in enumerate(getattr(given, "components", ())):
            if each.product_id in bundles:
                rule = f"Product {each.product_id} is a bundle itself."
                raise Invalid(rule, field=f"components.{place}.product_id")

    return check


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
    checks=none_is_a_bundle,
    parts_name={"components.product_id": Follows(products.c.id, ())},
)
