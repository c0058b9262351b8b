"""The attributes of customers at an instant, from their records: the dimensions that a base is grouped by."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.projections.facts import types_of
from analytics.projections.fields import field_of
from analytics.projections.tables import facts


async def attributes_of(
    connection: AsyncConnection, tenant: str, at: datetime, fields: Sequence[str], customers: Sequence[UUID]
) -> dict[UUID, tuple[Any, ...]]:
    """Returns the attributes of the customers that have a record; `customers` are in order of their ids. `tags` is a
    list, every other attribute a text or None. The first record also holds for the time before it was made."""
    f = facts.c
    columns: list[ColumnElement[Any]] = [
        f.state["tags"] if name == "tags" else field_of(facts, name) for name in fields
    ]
    if not customers:
        return {}
    rows = await connection.execute(
        select(f.subject, *columns).where(
            f.tenant_id == tenant,
            f.type.in_(types_of("contacts.customer")),
            f.subject.between(customers[0], customers[-1]),
            or_(f.version == 1, f.time < at),
            or_(f.until.is_(None), f.until >= at),
        )
    )
    return {id: tuple(values) for id, *values in rows}
