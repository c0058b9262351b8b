"""Product: something that can be sold. A family holds products that stand in for each other."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Self
from uuid import UUID

from kith.events.sales import ProductArchived, ProductCreated, ProductRestored
from kith.nouns.aggregate import Archivable


@dataclass(kw_only=True, eq=False)
class Product(Archivable):
    """Something that is sold, with its list price."""

    name: str
    price: Decimal
    currency: str
    family: str | None = None

    @classmethod
    def create(cls, *, id: UUID, at: datetime, **fields: Any) -> tuple[Self, ProductCreated]:
        it = cls(id=id, **fields)
        return it, ProductCreated.of(it)

    def archive(self, *, at: datetime) -> ProductArchived:
        """It is left out of lists, and is not changed until it is restored. What happened stays counted."""
        self.put_away(at)
        return ProductArchived()

    def restore(self, *, at: datetime) -> ProductRestored:
        """It is in lists again, as it was."""
        self.take_back(at)
        return ProductRestored()
