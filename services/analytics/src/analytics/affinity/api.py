"""Affinity of products, and next products of a customer, over both APIs."""

from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import strawberry
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from analytics.affinity import reads
from analytics.affinity.reads import MOST, Affinity, Basket, NextProduct
from analytics.calendar import Interval
from analytics.customer import READ, Customer, must_be_there, must_be_there_together
from analytics.elsewhere import Product
from analytics.ledger.instants import ensure_past
from analytics.projections.survivors import merged_among
from kith.api import Feature
from kith.graphql.context import Ctx
from kith.graphql.fields import field
from kith.http.app import Context, actor_reaching, actor_with, context_of, json_response, only_known_parameters
from kith.http.auth import Actor
from kith.scalars import Id, Instant, Whole

TAG = "affinity"
WORDS = "Products that are ordered together, and what a customer might order next."
YEAR = timedelta(days=365)
"""Of orders that are looked at, where nothing else is asked for."""
router = APIRouter(prefix="/v1", tags=[TAG], dependencies=[Depends(only_known_parameters)])
READER: Any = actor_reaching(READ)
WHOLE_READER: Any = actor_with(READ)
First = Annotated[int, Whole(1, MOST)]
AtLeast = Annotated[int, Whole(1, 1_000_000)]
_AT_LEAST = Query(description="how often two were together to be looked at")
_BASKET = Query(description="products of one order; or all that a customer ordered in the interval")


strawberry.enum(Basket)


@dataclass(slots=True)
class Affinities:
    items: list[Affinity]


@dataclass(slots=True)
class NextProducts:
    items: list[NextProduct]


def _over(starts_at: datetime | None, ends_at: datetime | None) -> Interval:
    """Raises Invalid."""
    ensure_past(to=ends_at)
    end = ends_at or datetime.now(UTC)
    return Interval(starts_at or end - YEAR, end)


async def _affinities(
    context: Context, actor: Actor, interval: Interval, basket: Basket, product: UUID | None, at_least: int, first: int
) -> list[Affinity]:
    actor.require(READ)
    async with context.database.read(actor.tenant, by_values=True) as connection:
        found = await reads.affinities(
            connection, actor.tenant, interval, basket, product, at_least=at_least, first=first
        )
    return [*found]


async def _next_products(
    context: Context, actor: Actor, customer: UUID, at: datetime | None, basket: Basket, at_least: int, first: int
) -> list[NextProduct]:
    interval = _over(None, at)
    async with context.database.read(actor.tenant, by_values=True) as connection:
        survivor = (await merged_among(connection, actor.tenant, [customer])).get(customer, customer)
        found = await reads.next_products(
            connection, actor.tenant, interval, basket, survivor, at_least=at_least, first=first
        )
    return [*found]


@router.get(
    "/affinity",
    operation_id="getAffinity",
    summary="Products that are ordered together",
    response_model=Affinities,
)
async def get_affinity(
    request: Request,
    product_id: Annotated[Id | None, Query(description="of this product; of all, if it is left out")] = None,
    starts_at: Annotated[Instant | None, Query(alias="from", description="a year before, by default")] = None,
    ends_at: Annotated[Instant | None, Query(alias="to", description="now, by default")] = None,
    basket: Annotated[Basket, _BASKET] = Basket.ORDER,
    at_least: Annotated[AtLeast, _AT_LEAST] = 2,
    first: First = 20,
    actor: Actor = WHOLE_READER,
) -> Response:
    """Over the orders placed in the interval, by the products that their lines name. The most lift first."""
    interval = _over(starts_at, ends_at)
    found = await _affinities(context_of(request), actor, interval, basket, product_id, at_least, first)
    return json_response(Affinities(found))


@router.get(
    "/customers/{id}/next-products",
    operation_id="getNextProducts",
    summary="What a customer might order next",
    response_model=NextProducts,
)
async def get_next_products(
    request: Request,
    id: Id,
    at: Annotated[Instant | None, Query(description="as of this instant; now, by default")] = None,
    basket: Annotated[Basket, _BASKET] = Basket.ORDER,
    at_least: Annotated[AtLeast, _AT_LEAST] = 2,
    first: First = 20,
    actor: Actor = READER,
) -> Response:
    """Products that it has not ordered, each with the one it has ordered that says most for it, by the orders of all
    customers in the year before. The most confidence first."""
    context = context_of(request)
    await must_be_there(context.database, actor, id)
    return json_response(NextProducts(await _next_products(context, actor, id, at, basket, at_least, first)))


@strawberry.type(name="ProductAffinity")
class AffinityType(Affinity):
    @strawberry.field
    def product(self) -> Product:
        return Product(self.product_id)

    @strawberry.field
    def other(self) -> Product:
        return Product(self.other_id)


@strawberry.type(name="NextProduct")
class NextProductType(NextProduct):
    @strawberry.field
    def product(self) -> Product:
        return Product(self.product_id)


@field(description="Products that are ordered together, over a year of orders by default. The most lift first.")
async def affinity(
    info: Ctx,
    product_id: Id | None = None,
    starts_at: Annotated[Instant | None, strawberry.argument(name="from")] = None,
    ends_at: Annotated[Instant | None, strawberry.argument(name="to")] = None,
    basket: Basket = Basket.ORDER,
    at_least: AtLeast = 2,
    first: First = 20,
) -> list[AffinityType]:
    context = info.context
    interval = _over(starts_at, ends_at)
    found = await _affinities(context.service, context.actor, interval, basket, product_id, at_least, first)
    return [_as(AffinityType, each) for each in found]


@field(description="What it might order next: products that it has not ordered, by the orders of all customers.")
async def next_products(
    self: Customer,
    info: Ctx,
    at: Instant | None = None,
    basket: Basket = Basket.ORDER,
    at_least: AtLeast = 2,
    first: First = 20,
) -> list[NextProductType] | None:
    context = info.context
    await must_be_there_together(info, self.id)
    found = await _next_products(context.service, context.actor, self.id, at, basket, at_least, first)
    return [_as(NextProductType, each) for each in found]


def _as(kind: Any, each: Any) -> Any:
    return kind(**{one.name: getattr(each, one.name) for one in fields(each)})


FEATURE = Feature(routers=(router,), queries=(affinity,), extends={"customer": (next_products,)})
