"""How a product is seen."""

from dataclasses import dataclass
from decimal import Decimal

from kith.nouns.resource import View


@dataclass(slots=True)
class ProductView(View):
    name: str
    family: str | None
    price: Decimal
    currency: str
