"""The form of a delivery: what can be done with it, its table, and how it is seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy import TEXT, Boolean, Column, ForeignKeyConstraint, Uuid
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.db.owned import owned_through
from kith.db.tables import ERASED_TOO, aggregate_table, one_of, values_column
from kith.nouns.inputs import UNSENT, Amendment, Input, NewInput
from kith.nouns.resource import Attempt, Command, Follows, One, Resource, View, personal
from kith.nouns.value_inputs import Values
from kith.scalars import Code, Id
from sales.deliveries.fulfilment import Fulfilments, fulfilments_of
from sales.deliveries.rules import Delivery, DeliveryState
from sales.orders.form import orders
from sales.tables import CUSTOMER, known_customers, metadata
from sales.values import MOST_LINES, DeliveredLine


class MakeDelivery(NewInput):
    customer_id: Id | None = None
    order_id: Id
    lines: Annotated[list[DeliveredLine], Values(MOST_LINES)] = Field(
        default_factory=list, description="of the order's, by their numbers; by default all that is left of it"
    )
    carrier: Code | None = None
    tracking: Code | None = Field(default=None, description="the carrier's reference")


class AmendDelivery(Amendment):
    carrier: Code | None = UNSENT
    tracking: Code | None = UNSENT


class CancelDelivery(Input):
    pass


deliveries = aggregate_table(
    "deliveries",
    metadata,
    Column("order_id", Uuid, nullable=False),
    ForeignKeyConstraint(["tenant_id", "order_id"], [orders.c.tenant_id, orders.c.id]),
    values_column("lines", DeliveredLine),
    Column("carrier", TEXT),
    Column("tracking", TEXT, info={ERASED_TOO: True}),
    Column("state", one_of(DeliveryState), nullable=False),
    Column("completes", Boolean, nullable=False),
    Column("on_time", Boolean),
    customer_owned=True,
    listed_by=("order_id", "carrier", "state", "on_time"),
)
owned_through(deliveries, known_customers)


@dataclass(slots=True)
class DeliveryView(View):
    customer_id: UUID | None
    order_id: UUID
    lines: list[DeliveredLine]
    carrier: str | None
    state: DeliveryState
    completes: bool
    on_time: bool | None
    tracking: str | None = personal()


async def orders_locked(connection: AsyncConnection, tenant: str, asked: Sequence[Attempt]) -> Fulfilments:
    """Returns how far the orders are delivered that are named, which nobody else delivers anything of meanwhile."""
    named = {each for given, before in asked if (each := getattr(before or given, "order_id", None)) is not None}
    return Fulfilments(await fulfilments_of(connection, tenant, deliveries, named, lock=True))


DELIVERIES = Resource(
    "delivery",
    "deliveries",
    Delivery,
    deliveries,
    DeliveryView,
    (
        Command("make", MakeDelivery, Delivery.make),
        Command("amend", AmendDelivery, Delivery.amend),
        Command("cancel", CancelDelivery, Delivery.cancel),
    ),
    filters=("customer_id", "order_id", "carrier", "state", "on_time"),
    follows={"customer_id": CUSTOMER, "order_id": Follows(orders.c.id, ("customer_id",))},
    relations=(One("customer", many="deliveries"), One("order", many="deliveries")),
    supplies=orders_locked,
)
