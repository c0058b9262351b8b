"""What the products in the lines of a request cost, which its rules are given."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, cast, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.db.statements import streamed
from kith.nouns.aggregate import Aggregate
from kith.nouns.inputs import Input, values_of
from kith.nouns.resource import Attempt
from sales.price_books.form import price_books
from sales.price_books.rules import PriceBook
from sales.prices.form import prices
from sales.prices.rules import Component, Pricing, Step
from sales.products.form import products

_OF_BOOK = [each.name for each in fields(PriceBook)]


@dataclass(frozen=True)
class Priced:
    pricing: Pricing

    def arguments(self, _: Input) -> Mapping[str, Any]:
        return {"pricing": self.pricing}

    def accepted(self, _: Input, record: Aggregate) -> None:
        """Nothing follows."""

    async def flush(self) -> None:
        """Nothing follows."""


async def pricing_of(
    connection: AsyncConnection, tenant: str, asked: Sequence[Attempt], more: Collection[UUID] = ()
) -> Priced:
    """Returns the prices of the products that lines name, and of `more`: in the price books that are named, and in the
    defaults."""
    given = [each for each, _ in asked]
    lines = (line for each in given for line in getattr(each, "lines", None) or ())
    if not (named := {*more, *(each.product_id for each in lines)} - {None}):
        return Priced(Pricing())
    sold = await _products(connection, tenant, named)
    named |= (inner := {each.product_id for row in sold.values() for each in row.components})
    sold |= await _products(connection, tenant, inner - sold.keys())
    wanted, b, p = cast(sorted(named), ARRAY(Uuid)), price_books.c, prices.c
    own = {getattr(record, "price_book_id", None) for _, record in asked} | values_of(given, "price_book_id")
    since = min(values_of(given, "occurred_at"), default=None)
    stands = or_(b.valid_until.is_(None), b.valid_until > func.coalesce(since, func.now()))
    chosen = or_(b.id == any_(cast([*(own - {None})], ARRAY(Uuid))), b.is_default)
    found = (
        select(*(b[name] for name in _OF_BOOK))
        .where(b.tenant_id == tenant, b.archived_at.is_(None), stands, chosen)
        .order_by(b.created_at.desc(), b.id.desc())
    )
    books = {row.id: PriceBook(**row._asdict()) for row in await connection.execute(found)}
    steps: dict[tuple[UUID, UUID], list[Step]] = defaultdict(list)
    of_books = (
        select(p.price_book_id, p.product_id, p.min_quantity, p.unit_price)
        .where(p.tenant_id == tenant, p.archived_at.is_(None))
        .where(p.price_book_id == any_(cast([*books], ARRAY(Uuid))), p.product_id == any_(wanted))
        .order_by(p.min_quantity.desc().nulls_last(), p.created_at.desc(), p.id.desc())
    )
    if books:
        async for row in streamed(connection, of_books, most=len(books) * len(named)):
            steps[row.price_book_id, row.product_id].append(Step(row.min_quantity or Decimal(0), row.unit_price))
    bundles = {
        id: [Component(each.product_id, sold[each.product_id].family, each.quantity) for each in row.components]
        for id, row in sold.items()
        if row.components
    }
    return Priced(Pricing(books, steps, {id: (row.price, row.currency) for id, row in sold.items()}, bundles))


async def _products(connection: AsyncConnection, tenant: str, ids: Collection[UUID]) -> dict[UUID, Any]:
    if not ids:
        return {}
    c = products.c
    rows = select(c.id, c.price, c.currency, c.family, c.components).where(
        c.tenant_id == tenant, c.id == any_(cast(sorted(ids), ARRAY(Uuid)))
    )
    return {row.id: row async for row in streamed(connection, rows, most=len(ids))}
