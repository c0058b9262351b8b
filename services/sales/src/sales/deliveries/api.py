"""How far an order is delivered, over both APIs."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import strawberry
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from kith.api import Feature
from kith.graphql.context import Ctx
from kith.graphql.fields import field
from kith.http.app import Context, actor_who, context_of, json_response, only_known_parameters
from kith.http.auth import Actor
from kith.nouns.access import reach_to_read
from kith.nouns.lists.listing import Listing
from kith.nouns.queries import Queries
from kith.scalars import Id
from sales.deliveries.form import deliveries
from sales.deliveries.fulfilment import fulfilments_of
from sales.deliveries.rules import Fulfilment
from sales.orders.form import ORDERS


@dataclass(slots=True)
class LineFulfilment:
    """How much of a line of an order is delivered."""

    line: int
    product_id: UUID | None
    ordered: Decimal
    delivered: Decimal
    left: Decimal


@dataclass(slots=True)
class OrderFulfilment:
    """How far an order is delivered."""

    promised_at: datetime | None
    delivered_at: datetime | None
    """When its last delivery was made. Null: none was."""
    whole: bool
    """Whether nothing is left."""
    on_time: bool | None
    """Whether its last delivery was made by when it was promised. Null: it is not whole, or nothing was promised."""
    lines: list[LineFulfilment]


def _shown(of: Fulfilment) -> OrderFulfilment:
    whole = of.completed_by is not None
    return OrderFulfilment(
        of.promised_at,
        max(of.made_at.values(), default=None),
        whole,
        of.is_on_time() if whole else None,
        [
            LineFulfilment(number, each.product_id, each.quantity, each.taken, each.left)
            for number, each in of.lines.items()
        ],
    )


async def _read(context: Context, actor: Actor, ids: Collection[UUID]) -> Mapping[UUID, OrderFulfilment]:
    async with context.database.read(actor.tenant) as connection:
        found = await fulfilments_of(connection, actor.tenant, deliveries, ids)
    return {id: _shown(each) for id, each in found.items()}


router = APIRouter(prefix="/v1", tags=["orders"], dependencies=[Depends(only_known_parameters)])
_LISTING = Listing("sales", ORDERS, {})
_READER: Any = actor_who(lambda actor: reach_to_read(actor, "sales", ORDERS))


@router.get(
    "/orders/{id:segment}/fulfilment",
    response_model=OrderFulfilment,
    operation_id="getOrderFulfilment",
    summary="Get how far an order is delivered",
)
async def get_fulfilment(request: Request, id: Id, actor: Actor = _READER) -> Response:
    """By line: what was ordered, what was delivered of it, and what is left. Cancelled deliveries are none."""
    context, reach = context_of(request), reach_to_read(actor, "sales", ORDERS)
    async with context.database.read(actor.tenant) as connection:
        await Queries(_LISTING, ORDERS.view, reach=reach, personal=None).one(connection, actor.tenant, id)
    return json_response((await _read(context, actor, [id]))[id])


@strawberry.type(name="LineFulfilment")
class LineFulfilmentType(LineFulfilment):
    pass


@strawberry.type(name="OrderFulfilment")
class OrderFulfilmentType(OrderFulfilment):
    lines: list[LineFulfilmentType]  # type: ignore[assignment]


@field(description="How far it is delivered, by line: what was delivered, and what is left.")
async def fulfilment(self: Any, info: Ctx) -> OrderFulfilmentType | None:
    context = info.context
    reach_to_read(context.actor, "sales", ORDERS)  # the order is within it

    async def batch(ids: Sequence[UUID]) -> Mapping[UUID, Any]:
        return await _read(context.service, context.actor, ids)

    return await context.load(("orders", "fulfilment"), self.id, batch)


FEATURE = Feature(routers=(router,), extends={"order": (fulfilment,)})
