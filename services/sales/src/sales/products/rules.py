"""Product: something that can be sold. A family holds products that stand in for each other."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Self
from uuid import UUID

from kith.events.sales import ProductCreated
from kith.nouns.aggregate import Aggregate


@dataclass(kw_only=True, eq=False)
class Product(Aggregate):
    """Something that is sold, with its list price."""

    name: str
    price: Decimal
    currency: str
    family: str | None = None

    @classmethod
    def create(cls, *, id: UUID, at: datetime, **fields: Any) -> tuple[Self, ProductCreated]:
        it = cls(id=id, **fields)
        return it, ProductCreated.of(it)
