"""What can be done with an order and with a return."""

from kith.inputs import Priced
from kith.resource import Command
from kith.scalars import Code, Currency, Id, Money
from sales.domain.order import Order, Return


class PlaceOrder(Priced):
    customer_id: Id | None = None
    value: Money
    currency: Currency
    country: Code | None = None
    opportunity_id: Id | None = None


class RecordReturn(Priced):
    customer_id: Id | None = None
    value: Money
    currency: Currency
    country: Code | None = None
    order_id: Id | None = None


ORDER_COMMANDS = (Command("place", PlaceOrder, Order.place),)
RETURN_COMMANDS = (Command("record", RecordReturn, Return.record),)
