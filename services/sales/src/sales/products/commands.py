"""What can be done with a product."""

from kith.nouns.inputs import Priced
from kith.nouns.resource import Command
from kith.scalars import Code, Currency, Money, Text
from sales.products.rules import Product


class CreateProduct(Priced):
    name: Text
    family: Code | None = None
    price: Money
    currency: Currency


COMMANDS = (Command("create", CreateProduct, Product.create),)
