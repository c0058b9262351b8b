"""Settings of quotes: what a tenant's sellers may give off by themselves. There is one per tenant, always there."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Self
from uuid import UUID, uuid5

from kith.events.quotes import QuoteSettingsChanged
from kith.nouns.aggregate import Aggregate

_NAMESPACE = UUID("2f6c1f0e-8a1b-4f7a-9d55-1c5f0f3a7b90")


@dataclass(kw_only=True, eq=False)
class QuoteSettings(Aggregate):
    """What a tenant's quotes are held to."""

    discount_limit: Decimal | None = None
    """By how many percent a line may be below its list price before the quote needs approval. None: any."""

    @classmethod
    def singleton(cls, tenant: str) -> Self:
        return cls(id=uuid5(_NAMESPACE, tenant))

    def amend(self, *, at: datetime, **fields: Any) -> QuoteSettingsChanged:
        """What was sent stays so. A draft is held to the limit when it is sent."""
        self.ensure_not_before_last_change(at)
        self.set(fields)
        return QuoteSettingsChanged.of(self)
