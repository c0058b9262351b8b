"""ForecastAdjustment: what somebody judges the forecast of a period to be, beside what is computed."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from kith.errors import Invalid
from kith.events.forecast_adjustments import (
    ForecastAdjustmentAmended,
    ForecastAdjustmentArchived,
    ForecastAdjustmentCreated,
    ForecastAdjustmentRestored,
)
from kith.scalars.currencies import must_fit
from sales.pipelines.values import ForecastCategory
from sales.quotas.rules import OfPeriod


class AdjustmentDirection(StrEnum):
    UP = "up"
    DOWN = "down"
    OVERRIDE = "override"


@dataclass(kw_only=True, eq=False)
class ForecastAdjustment(OfPeriod):
    """So much more or less than is computed for a category, or an amount in place of that."""

    forecast_category: ForecastCategory
    direction: AdjustmentDirection
    """An override stands in place of what is computed, whatever that comes to."""
    reason: str
    author: str | None = None
    """The actor who made it; the history says who changed it."""

    @classmethod
    def create(cls, *, id: UUID, at: datetime, actor: str, **fields: Any) -> tuple[Self, ForecastAdjustmentCreated]:
        it = cls(id=id, author=actor, **fields)
        it._check()
        if it.forecast_category is ForecastCategory.OMITTED:
            raise Invalid("What is omitted is in no forecast.", field="forecast_category")
        return it, ForecastAdjustmentCreated.of(it)

    @property
    def alike(self) -> tuple[Any, ...]:
        return *super().alike, self.forecast_category

    def amend(self, *, at: datetime, **fields: Any) -> ForecastAdjustmentAmended:
        """Only the fields sent change. Another period or category is another adjustment."""
        self.ensure_not_before_last_change(at)
        must_fit(fields.get("value"), self.currency)
        return ForecastAdjustmentAmended.of_changed(self, self.set(fields))

    def archive(self, *, at: datetime) -> ForecastAdjustmentArchived:
        """It adjusts nothing any more."""
        self.put_away(at)
        return ForecastAdjustmentArchived()

    def restore(self, *, at: datetime) -> ForecastAdjustmentRestored:
        """It adjusts the forecast again."""
        self.take_back(at)
        return ForecastAdjustmentRestored()
