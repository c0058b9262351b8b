"""What sales publishes of adjustments of forecasts."""

from datetime import date
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from msgspec import field

from kith.events.event import Amended, Event


class ForecastAdjustmentCreated(Event):
    """Somebody judges what a user, or a team, will win in a period."""

    type: ClassVar[str] = "sales.forecast-adjustment.created.v1"
    creates: ClassVar[bool] = True
    qualifies: ClassVar[bool] = False
    period: str
    starts_on: date
    ends_on: date
    """Its last day."""
    forecast_category: str
    direction: str
    value: Decimal
    currency: str
    reason: str
    author: str
    owner_id: UUID | None = field(name="owner", default=None)
    team_id: UUID | None = None


class ForecastAdjustmentAmended(Amended):
    type: ClassVar[str] = "sales.forecast-adjustment.amended.v1"
    qualifies: ClassVar[bool] = False
    direction: str | None = None
    value: Decimal | None = None
    reason: str | None = None


class ForecastAdjustmentArchived(Event):
    """It was put away: it adjusts nothing any more."""

    type: ClassVar[str] = "sales.forecast-adjustment.archived.v1"
    qualifies: ClassVar[bool] = False


class ForecastAdjustmentRestored(Event):
    type: ClassVar[str] = "sales.forecast-adjustment.restored.v1"
    qualifies: ClassVar[bool] = False
