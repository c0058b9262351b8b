"""How far orders are delivered: what the rules of deliveries are given, and what is shown of an order."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Table, Uuid, any_, cast, select
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.db.statements import streamed
from kith.nouns.aggregate import Aggregate
from kith.nouns.inputs import Input
from sales.deliveries.rules import Delivery, DeliveryState, Fulfilment
from sales.orders.form import orders
from sales.orders.rules import OrderedLine


@dataclass(frozen=True)
class Fulfilments:
    of: Mapping[UUID, Fulfilment]
    """By the order."""

    def arguments(self, _: Input) -> Mapping[str, Any]:
        return {"fulfilments": self.of}

    def accepted(self, _: Input, record: Aggregate) -> None:
        assert isinstance(record, Delivery)
        of_order = self.of[record.order_id]
        if record.state is DeliveryState.CANCELLED:
            of_order.take_back(record)
        elif record.id not in of_order.made_at:
            of_order.add(record, record.created_at)

    async def flush(self) -> None:
        """Nothing follows."""


async def fulfilments_of(
    connection: AsyncConnection, tenant: str, deliveries: Table, ids: Collection[UUID], *, lock: bool = False
) -> dict[UUID, Fulfilment]:
    """Returns how far orders are delivered, as far as there are any; what is to change it has a `lock` on them."""
    if not ids:
        return {}
    o, d = orders.c, deliveries.c
    wanted = cast(sorted(ids), ARRAY(Uuid))
    # In the order of their ids: no two requests deadlock.
    rows = select(o.id, o.created_at, o.promised_at, o.lines).where(o.tenant_id == tenant, o.id == any_(wanted))
    rows = rows.order_by(o.id)
    found = {
        row.id: Fulfilment(
            row.created_at,
            row.promised_at,
            {each.number: OrderedLine(each.quantity, each.amount, each.product_id, each.family) for each in row.lines},
        )
        async for row in streamed(connection, rows.with_for_update(key_share=True) if lock else rows, most=len(ids))
    }
    made = select(*(d[name] for name in ("id", "order_id", "created_at", "lines", "completes"))).where(
        d.tenant_id == tenant, d.order_id == any_(wanted), d.state == DeliveryState.MADE
    )
    for row in await connection.execute(made):
        it = Delivery(id=row.id, order_id=row.order_id, lines=row.lines, completes=row.completes)
        found[row.order_id].add(it, row.created_at)
    return found
