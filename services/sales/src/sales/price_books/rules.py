"""Price book: what products cost, in one currency and for a time."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from kith.errors import Invalid
from kith.events.prices import PriceBookAmended, PriceBookArchived, PriceBookCreated, PriceBookRestored
from kith.nouns.aggregate import Archivable


@dataclass(kw_only=True, eq=False)
class PriceBook(Archivable):
    """A list of prices in one currency."""

    name: str
    currency: str
    valid_from: datetime | None = None
    """From then on it has prices. None: since ever."""
    valid_until: datetime | None = None
    """The instant at which it has none any more. None: for good."""
    is_default: bool = False
    """Whether it is for lines in its currency that name no price book."""

    @classmethod
    def create(cls, *, id: UUID, at: datetime, **fields: Any) -> tuple[Self, PriceBookCreated]:
        it = cls(id=id, **fields)
        it._must_last()
        return it, PriceBookCreated.of(it)

    def amend(self, *, at: datetime, **fields: Any) -> PriceBookAmended:
        """Only the fields sent change. What was quoted and ordered keeps its prices."""
        self.ensure_not_before_last_change(at)
        changed = self.set(fields)
        self._must_last()
        return PriceBookAmended.of_changed(self, changed)

    def archive(self, *, at: datetime) -> PriceBookArchived:
        """Nothing has its prices until it is restored."""
        self.put_away(at)
        return PriceBookArchived()

    def restore(self, *, at: datetime) -> PriceBookRestored:
        """It has prices again."""
        self.take_back(at)
        return PriceBookRestored()

    def is_valid(self, at: datetime) -> bool:
        return (self.valid_from or at) <= at and (self.valid_until is None or at < self.valid_until)

    def _must_last(self) -> None:
        if self.valid_from is not None and self.valid_until is not None and self.valid_until <= self.valid_from:
            raise Invalid("It is after valid_from.", field="valid_until")
