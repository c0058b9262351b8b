"""An exchange rate: what a currency was worth in another one on a day, by whose word."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Self
from uuid import UUID

from kith.errors import Invalid
from kith.events.exchange_rates import (
    ExchangeRateAmended,
    ExchangeRateArchived,
    ExchangeRateCreated,
    ExchangeRateRestored,
)
from kith.nouns.aggregate import Archivable


@dataclass(kw_only=True, eq=False)
class ExchangeRate(Archivable):
    """What one unit of a currency was worth in another one on a day. It converts in that direction alone."""

    base: str
    quote: str
    rate: Decimal
    """One unit of `base` is so much in `quote`."""
    day: date
    source: str | None = None
    """By whose word: a central bank, a contract."""

    @classmethod
    def create(cls, *, id: UUID, at: datetime, **fields: Any) -> tuple[Self, ExchangeRateCreated]:
        it = cls(id=id, **fields)
        if it.base == it.quote:
            raise Invalid("A rate is between two currencies.", field="quote")
        return it, ExchangeRateCreated.of(it)

    def amend(self, *, at: datetime, **fields: Any) -> ExchangeRateAmended:
        """Only the fields sent change. Figures of the past are converted by what it says now."""
        self.ensure_not_before_last_change(at)
        return ExchangeRateAmended.of_changed(self, self.set(fields))

    def archive(self, *, at: datetime) -> ExchangeRateArchived:
        """It converts nothing until it is restored, whichever day it is of."""
        self.put_away(at)
        return ExchangeRateArchived()

    def restore(self, *, at: datetime) -> ExchangeRateRestored:
        """It converts again."""
        self.take_back(at)
        return ExchangeRateRestored()
