"""What can be done with an order and with a return."""

from uuid import UUID

from kith.inputs import Code, Currency, Money, NewInput
from kith.resource import Command
from sales.domain.order import Order, Return


class PlaceOrder(NewInput):
    customer_id: UUID | None = None
    value: Money
    currency: Currency
    country: Code | None = None
    opportunity_id: UUID | None = None


class RecordReturn(NewInput):
    customer_id: UUID | None = None
    value: Money
    currency: Currency
    country: Code | None = None
    order_id: UUID | None = None


ORDER_COMMANDS = (Command("place", PlaceOrder, Order.place),)
RETURN_COMMANDS = (Command("record", RecordReturn, Return.record),)
