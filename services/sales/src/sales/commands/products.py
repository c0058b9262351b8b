"""What can be done with a product."""

from kith.inputs import Code, Currency, Money, NewInput, Text
from kith.resource import Command
from sales.domain.product import Product


class CreateProduct(NewInput):
    name: Text
    family: Code | None = None
    price: Money
    currency: Currency


COMMANDS = (Command("create", CreateProduct, Product.create),)
