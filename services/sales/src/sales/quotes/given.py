"""What the rules of quotes are given: the prices of products, and what may be given off without approval."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Table, Uuid, any_, cast, select
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.db.statements import streamed
from kith.nouns.aggregate import Aggregate
from kith.nouns.inputs import Input, values_of
from kith.nouns.resource import Attempt, Supplies
from sales.prices.pricing import pricing_of
from sales.quote_settings.form import quote_settings


@dataclass(frozen=True)
class Limit:
    percent: Decimal | None

    def arguments(self, _: Input) -> Mapping[str, Any]:
        return {"discount_limit": self.percent}

    def accepted(self, _: Input, record: Aggregate) -> None:
        """Nothing follows."""

    async def flush(self) -> None:
        """Nothing follows."""


async def prices_and_limit(
    connection: AsyncConnection, tenant: str, quotes: Table, asked: Sequence[Attempt]
) -> Supplies:
    c, q, cloned = quote_settings.c, quotes.c, set[UUID]()
    percent = await connection.scalar(select(c.discount_limit).where(c.tenant_id == tenant))
    if ids := values_of((given for given, _ in asked), "clone_of_id"):
        rows = select(q.lines).where(q.tenant_id == tenant, q.id == any_(cast(sorted(ids), ARRAY(Uuid))))
        cloned = {each.product_id async for row in streamed(connection, rows, most=len(ids)) for each in row.lines}
    return Supplies([await pricing_of(connection, tenant, asked, cloned), Limit(percent)])
