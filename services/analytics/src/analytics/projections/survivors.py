"""Reads who stands for a merged customer. A question about a merged customer's id is answered for its survivor."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, cast, select
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.projections.tables import merged_customers


async def merged_among(connection: AsyncConnection, tenant: str, customers: Sequence[UUID]) -> dict[UUID, UUID]:
    """Returns those of the customers that were merged into others, each with its survivor."""
    m = merged_customers.c
    rows = await connection.execute(
        select(m.customer_id, m.survivor).where(
            m.tenant_id == tenant,
            m.customer_id == any_(cast(list(customers), ARRAY(Uuid))),
            m.survivor != m.customer_id,
        )
    )
    return {row.customer_id: row.survivor for row in rows}
