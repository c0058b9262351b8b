"""Usage: what a customer used of what it bought, as the product reports it. It happened: it never changes."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from kith.events.exchanges import UsageRecorded
from kith.nouns.aggregate import CustomerOwned, NamesContact


@dataclass(kw_only=True, eq=False)
class Usage(CustomerOwned, NamesContact):
    """A use of a product by a customer, or several uses told together."""

    customer_id: UUID = field()  # not optional here, and so without the default it would inherit
    product: str | None = None
    feature: str | None = None
    uses: int = 1
    """How many uses."""
    duration_seconds: int | None = None
    failures: int | None = None
    """How many of them failed."""

    @classmethod
    def record(cls, *, id: UUID, at: datetime, **fields: Any) -> tuple[Self, UsageRecorded]:
        it = cls(id=id, **fields)
        return it, UsageRecorded.of(it)
