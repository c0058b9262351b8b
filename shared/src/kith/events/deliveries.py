"""What sales publishes of deliveries. None is an exchange with the customer: what was ordered is one."""

from datetime import datetime
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from msgspec import Struct, field

from kith.events.event import Amended, Event


class DeliveredLine(Struct, omit_defaults=True):
    """So much of a line of an order, which came to the customer."""

    line: int
    """The number of the order's line."""
    quantity: Decimal
    product_id: UUID | None = None
    family: str | None = None


class DeliveryMade(Event):
    """An order came to the customer, or a part of it."""

    type: ClassVar[str] = "sales.delivery.made.v1"
    creates: ClassVar[bool] = True
    qualifies: ClassVar[bool] = False
    state: str
    order_id: UUID
    completes: bool
    """Whether the order is delivered whole with it."""
    on_time: bool | None
    """Whether the last delivery of the order was made by when it was promised. None: it is not whole, or nothing was
    promised."""
    promised_at: datetime | None = None
    """By when the order was promised."""
    lines: list[DeliveredLine] = field(default_factory=list)
    """None of an order without lines."""
    carrier: str | None = None


class DeliveryAmended(Amended):
    type: ClassVar[str] = "sales.delivery.amended.v1"
    qualifies: ClassVar[bool] = False
    carrier: str | None = None


class DeliveryCancelled(Event):
    """It did not take place as it was recorded: what it said is to be delivered again."""

    type: ClassVar[str] = "sales.delivery.cancelled.v1"
    qualifies: ClassVar[bool] = False
    state: str
