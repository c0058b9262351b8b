"""What sales publishes of exchange rates."""

from datetime import date
from decimal import Decimal
from typing import ClassVar

from kith.events.event import Amended, Event


class ExchangeRateCreated(Event):
    """On `day` one unit of `base` was worth `rate` in `quote`."""

    type: ClassVar[str] = "sales.exchange-rate.created.v1"
    creates: ClassVar[bool] = True
    qualifies: ClassVar[bool] = False
    base: str
    quote: str
    rate: Decimal
    day: date
    source: str | None = None


class ExchangeRateAmended(Amended):
    type: ClassVar[str] = "sales.exchange-rate.amended.v1"
    qualifies: ClassVar[bool] = False
    rate: Decimal | None = None
    source: str | None = None


class ExchangeRateArchived(Event):
    """It was put away: it converts nothing."""

    type: ClassVar[str] = "sales.exchange-rate.archived.v1"
    qualifies: ClassVar[bool] = False


class ExchangeRateRestored(Event):
    type: ClassVar[str] = "sales.exchange-rate.restored.v1"
    qualifies: ClassVar[bool] = False
