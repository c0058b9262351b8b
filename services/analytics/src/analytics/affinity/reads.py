"""Products that are ordered together, and what a customer might order next by that.

An order is a basket of the products that its lines name; or, where that is asked, all that a customer ordered in the
interval is one, as where one thing is sold at a time. Of two products a and b, over the baskets of an interval:
support is the share of baskets with both; confidence, of those with a, the share that has b, too; lift, how many times
that is what it would be if the two had nothing to do with each other, which is 1.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CTE, ColumnElement, Float, Integer, Select, Uuid, and_, cast, exists, func, literal, select, true
from sqlalchemy.dialects.postgresql import JSONB, distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.calendar import Interval
from analytics.metrics.lines import opened
from analytics.metrics.reads import PLANNING
from analytics.projections.tables import facts
from kith.db.sessions import driver_of
from kith.events.sales import OrderPlaced

MOST = 100
MOST_TOGETHER = 200
"""Products of a customer, as of an order: who buys more than so many says little of what goes with what, and the pairs
are as the square of them."""
_TYPES = (OrderPlaced.type,)
_UUID = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"


class Basket(StrEnum):
    """What is looked at together."""

    ORDER = "order"
    CUSTOMER = "customer"
    """All that a customer ordered in the interval, if it is not more than 200 products."""


@dataclass(slots=True)
class Affinity:
    """Of a product, to another one."""

    product_id: UUID
    other_id: UUID
    together: int
    """Baskets with both."""
    support: float
    """The share of all baskets that have both."""
    confidence: float
    """Of the baskets with the product, the share that has the other one, too."""
    lift: float
    """How many times as often as if the two had nothing to do with each other."""


@dataclass(slots=True)
class NextProduct:
    """A product that a customer has not ordered yet."""

    product_id: UUID
    because_of: UUID
    """A product that the customer has ordered, which says most for it."""
    together: int
    """Baskets with both, of all customers."""
    confidence: float
    lift: float


async def affinities(
    connection: AsyncConnection,
    tenant: str,
    interval: Interval,
    basket: Basket,
    product: UUID | None,
    *,
    at_least: int,
    first: int,
) -> Sequence[Affinity]:
    """Returns the affinities of a product, or of all products, in orders of the interval: those with the most lift
    first, of pairs that are together so often at least."""
    await driver_of(connection).execute(PLANNING)
    pairs = _pairs(_baskets(tenant, interval, basket), at_least)
    p = pairs.c
    found = select(p.product, p.other, p.together, p.support, p.confidence, p.lift)
    if product is not None:
        found = found.where(p.product == product)
    ordered = found.order_by(p.lift.desc(), p.together.desc(), p.product, p.other).limit(first)
    return [Affinity(*row) for row in await connection.execute(ordered)]


async def next_products(
    connection: AsyncConnection,
    tenant: str,
    interval: Interval,
    basket: Basket,
    customer: UUID,
    *,
    at_least: int,
    first: int,
) -> Sequence[NextProduct]:
    """Returns what a customer might order next: products that it has not ordered by the end of the interval, each by
    the product it has ordered which has the most confidence; only where the two have to do with each other."""
    await driver_of(connection).execute(PLANNING)
    baskets = _baskets(tenant, interval, basket)
    own = facts.c.customer_id == customer, facts.c.time < interval.ends_at
    bought = _ordered(tenant, facts.c.customer_id, own).cte("bought")
    p, b = _pairs(baskets, at_least).c, bought.c
    best = (
        select(p.other, p.product, p.together, p.confidence, p.lift)
        .where(p.product.in_(select(b.product)), p.lift > 1)
        .where(~exists(select(literal(1)).where(b.product == p.other)))
        .order_by(p.other, p.confidence.desc(), p.lift.desc(), p.product)
        .ext(distinct_on(p.other))
        .subquery("best")
    )
    c = best.c
    ordered = select(best).order_by(c.confidence.desc(), c.lift.desc(), c.other).limit(first)
    return [NextProduct(*row) for row in await connection.execute(ordered)]


def _baskets(tenant: str, interval: Interval, basket: Basket) -> CTE:
    """Selects the baskets of an interval with their products, each once."""
    when: list[ColumnElement[bool]] = [facts.c.time >= interval.starts_at, facts.c.time < interval.ends_at]
    if basket is Basket.CUSTOMER:
        when.append(facts.c.customer_id.is_not(None))
    if basket is Basket.ORDER:
        return _ordered(tenant, facts.c.subject, when).cte("baskets").prefix_with("MATERIALIZED")
    of_customers = _ordered(tenant, facts.c.customer_id, when).cte("of_customers").prefix_with("MATERIALIZED")
    c = of_customers.c
    small = select(c.basket).group_by(c.basket).having(func.count() <= MOST_TOGETHER)
    return select(c.basket, c.product).where(c.basket.in_(small)).cte("baskets").prefix_with("MATERIALIZED")


def _ordered(
    tenant: str, whose: ColumnElement[UUID], where: Iterable[ColumnElement[bool]]
) -> Select[tuple[UUID, UUID]]:
    """Selects the products that the lines of a tenant's orders name, each once of a basket."""
    line = opened()
    product = cast(line.c.value, JSONB)["product_id"].astext
    return (
        select(whose.label("basket"), cast(product, Uuid).label("product"))
        .select_from(facts.join(line, true()))
        .where(facts.c.tenant_id == tenant, facts.c.type.in_(_TYPES), product.regexp_match(_UUID), *where)
        .distinct()
    )


def _pairs(baskets: CTE, at_least: int) -> CTE:
    one, other = baskets.alias("one"), baskets.alias("other")
    each = select(baskets.c.product, func.count().label("n")).group_by(baskets.c.product).cte("each")
    total = select(func.count(baskets.c.basket.distinct())).scalar_subquery()
    together = (
        select(one.c.product, other.c.product.label("other"), cast(func.count(), Integer).label("together"))
        .where(and_(one.c.basket == other.c.basket, one.c.product != other.c.product))
        .group_by(one.c.product, other.c.product)
        .having(func.count() >= at_least)
        .cte("together")
    )
    t, a, b = together.c, each.alias("a").c, each.alias("b").c
    confidence = cast(t.together, Float) / a.n
    return (
        select(
            t.product,
            t.other,
            t.together,
            (cast(t.together, Float) / total).label("support"),
            confidence.label("confidence"),
            (confidence * total / b.n).label("lift"),
        )
        .where(a.product == t.product, b.product == t.other)
        .cte("pairs")
    )
