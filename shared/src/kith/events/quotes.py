"""What sales publishes of the approval of quotes. None is an exchange with the customer, who does not know of it."""

from decimal import Decimal
from typing import ClassVar

from kith.events.event import Event, Replaced


class QuoteApproved(Event):
    """It may be sent, whatever is given off."""

    type: ClassVar[str] = "sales.quote.approved.v1"
    qualifies: ClassVar[bool] = False
    approval: str


class QuoteRejected(Event):
    """It may not be sent as it is."""

    type: ClassVar[str] = "sales.quote.rejected.v1"
    qualifies: ClassVar[bool] = False
    approval: str


class QuoteSettingsChanged(Replaced):
    """What the tenant's quotes are held to now, whole."""

    type: ClassVar[str] = "sales.quote-settings.changed.v1"
    qualifies: ClassVar[bool] = False
    discount_limit: Decimal | None = None
