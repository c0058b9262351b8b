"""Delivery: an order, or a part of it, came to the customer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Self
from uuid import UUID

from kith.error_codes import ErrorCode
from kith.errors import Conflict, Invalid
from kith.events.deliveries import DeliveryAmended, DeliveryCancelled, DeliveryMade
from kith.nouns.aggregate import CustomerOwned
from sales.orders.rules import MoreThanIsLeft, OrderedLine, taken_of
from sales.values import DeliveredLine

MOST_DELIVERIES = 500
"""Of an order, but those that are cancelled: each reads all others."""


class DeliveryState(StrEnum):
    MADE = "made"
    CANCELLED = "cancelled"


class DeliveryAlreadyCancelled(Conflict):
    code = ErrorCode.DELIVERY_ALREADY_CANCELLED


class OrderDeliveredWhole(Conflict):
    code = ErrorCode.ORDER_DELIVERED_WHOLE


@dataclass
class Fulfilment:
    """How far an order is delivered."""

    placed_at: datetime
    promised_at: datetime | None
    lines: Mapping[int, OrderedLine]
    """By their numbers, with what was delivered of each; of some orders none."""
    made_at: dict[UUID, datetime] = field(default_factory=dict)
    """When its deliveries were made, but those that are cancelled."""
    completed_by: UUID | None = None
    """The delivery that made it whole. None: it is not."""

    def rest(self) -> list[DeliveredLine]:
        left = ((number, each.left) for number, each in self.lines.items())
        return [DeliveredLine(line=number, quantity=quantity) for number, quantity in left if quantity]

    def is_completed_by(self, lines: Sequence[DeliveredLine]) -> bool:
        """Whether nothing is left after these; an order without lines is delivered as one."""
        given = {each.line: each.quantity for each in lines}
        return all(each.left == given.get(number, 0) for number, each in self.lines.items())

    def is_on_time(self, *more: datetime) -> bool | None:
        """Whether the last delivery of an order that is whole was made by then. None: nothing was promised."""
        return None if self.promised_at is None else max([*self.made_at.values(), *more]) <= self.promised_at

    def add(self, delivery: "Delivery", at: datetime) -> None:
        self._take(delivery, 1)
        self.made_at[delivery.id] = at
        if delivery.completes:
            self.completed_by = delivery.id

    def take_back(self, delivery: "Delivery") -> None:
        self._take(delivery, -1)
        del self.made_at[delivery.id]
        if delivery.completes:
            self.completed_by = None

    def _take(self, delivery: "Delivery", sign: int) -> None:
        for each in delivery.lines:
            self.lines[each.line].taken += sign * each.quantity


_NONE: Mapping[UUID, Fulfilment] = MappingProxyType({})


@dataclass(kw_only=True, eq=False)
class Delivery(CustomerOwned):
    """What came to the customer of an order, at once."""

    order_id: UUID
    lines: list[DeliveredLine] = field(default_factory=list)
    """Of the order's; none of an order without lines, which comes as one."""
    carrier: str | None = None
    tracking: str | None = None
    """The carrier's reference."""
    state: DeliveryState = DeliveryState.MADE
    completes: bool = False
    """Whether the order was whole with it."""
    on_time: bool | None = None
    """Whether the last delivery of the order was made by when it was promised. None: it was not whole with this one, or
    nothing was promised."""

    @classmethod
    def make(
        cls,
        *,
        id: UUID,
        at: datetime,
        order_id: UUID,
        lines: list[DeliveredLine],
        fulfilments: Mapping[UUID, Fulfilment] = _NONE,
        **fields: Any,
    ) -> tuple[Self, DeliveryMade]:
        """Without lines it is of all that is left of the order. `fulfilments` are by the order."""
        fulfilment = fulfilments[order_id]
        if at < fulfilment.placed_at:
            raise Invalid(f"The order was placed at {fulfilment.placed_at.isoformat()}.", field="occurred_at")
        if len(fulfilment.made_at) >= MOST_DELIVERIES:
            raise Invalid(f"An order has at most {MOST_DELIVERIES} deliveries.", field="order_id")
        lines = taken_of(fulfilment.lines, lines or fulfilment.rest())
        if fulfilment.completed_by is not None:
            raise MoreThanIsLeft("Nothing of the order is left to be delivered.", field="order_id")
        completes = fulfilment.is_completed_by(lines)
        on_time = fulfilment.is_on_time(at) if completes else None
        it = cls(id=id, order_id=order_id, lines=lines, completes=completes, on_time=on_time, **fields)
        return it, DeliveryMade.of(it, promised_at=fulfilment.promised_at)

    def amend(self, *, at: datetime, **fields: Any) -> DeliveryAmended:
        """By whom it came. What came is not changed: cancel it, and record another one."""
        self._must_stand(at)
        return DeliveryAmended.of_changed(self, self.set(fields))

    def cancel(self, *, at: datetime, fulfilments: Mapping[UUID, Fulfilment] = _NONE) -> DeliveryCancelled:
        """It did not take place as it was recorded. Of an order that is whole, the delivery that made it so goes
        first."""
        self._must_stand(at)
        if (last := fulfilments[self.order_id].completed_by) not in (None, self.id):
            raise OrderDeliveredWhole(f"Order {self.order_id} is whole by delivery {last}: cancel that one first.")
        self.state = DeliveryState.CANCELLED
        return DeliveryCancelled.of(self)

    def _must_stand(self, at: datetime) -> None:
        if self.state is DeliveryState.CANCELLED:
            raise DeliveryAlreadyCancelled(f"Delivery {self.id} is cancelled.")
        self.ensure_not_before_last_change(at)
