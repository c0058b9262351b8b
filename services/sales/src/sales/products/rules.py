"""Product: something that can be sold. A family holds products that stand in for each other; a bundle consists of
others."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Self
from uuid import UUID

from kith.errors import Invalid
from kith.events.sales import ProductArchived, ProductCreated, ProductRestored
from kith.nouns.aggregate import Archivable
from sales.values import BundleComponent


@dataclass(kw_only=True, eq=False)
class Product(Archivable):
    """Something that is sold, with its list price."""

    name: str
    price: Decimal
    currency: str
    family: str | None = None
    components: list[BundleComponent] = field(default_factory=list)
    """What one piece of a bundle consists of; of any other product none."""

    @classmethod
    def create(cls, *, id: UUID, at: datetime, **fields: Any) -> tuple[Self, ProductCreated]:
        it = cls(id=id, **fields)
        named = [each.product_id for each in it.components]
        for place, each in enumerate(named):
            if each in named[:place]:
                raise Invalid(f"Product {each} is named twice.", field=f"components.{place}.product_id")
        return it, ProductCreated.of(it)

    def archive(self, *, at: datetime) -> ProductArchived:
        """It is left out of lists, and is not changed until it is restored. What happened stays counted."""
        self.put_away(at)
        return ProductArchived()

    def restore(self, *, at: datetime) -> ProductRestored:
        """It is in lists again, as it was."""
        self.take_back(at)
        return ProductRestored()
