"""Adoption: how much of what a customer bought it uses, counted at an instant. It never changes; the next one holds."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from kith.errors import Invalid
from kith.events.exchanges import AdoptionMeasured
from kith.nouns.aggregate import CustomerOwned


@dataclass(kw_only=True, eq=False)
class Adoption(CustomerOwned):
    """How much of what a customer bought it uses: features, seats, modules."""

    customer_id: UUID = field()  # not optional here, and so without the default it would inherit
    product: str | None = None
    bought: int
    used: int

    @property
    def share(self) -> float:
        return self.used / self.bought

    @classmethod
    def measure(cls, *, id: UUID, at: datetime, bought: int, used: int, **fields: Any) -> tuple[Self, AdoptionMeasured]:
        if used > bought:
            raise Invalid(f"Of {bought} that were bought, {used} cannot be used.", field="used")
        it = cls(id=id, bought=bought, used=used, **fields)
        return it, AdoptionMeasured.of(it)
