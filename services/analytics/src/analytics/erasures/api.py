"""Receipts of erasures over both APIs: which service has erased what of a person, and when."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry
from fastapi import APIRouter, Depends, Request
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from analytics.ledger.sources import SOURCES
from analytics.tables import erasures
from kith.api import Feature
from kith.errors import NotFound
from kith.graphql.context import Ctx
from kith.graphql.fields import field
from kith.http.app import actor_with, context_of, json_response, only_known_parameters
from kith.http.auth import Actor
from kith.scalars import Id

WORDS = "Receipts of erasures: which service has erased what of a person, and when."
router = APIRouter(prefix="/v1", tags=["erasures"], dependencies=[Depends(only_known_parameters)])
_READER: Any = actor_with("analytics:read")


@dataclass(slots=True)
class ErasedRecords:
    """How many records of a noun something was taken out of."""

    noun: str
    count: int


@dataclass(slots=True)
class ErasurePart:
    """What one service has erased; `erased_at` is null as long as it has not."""

    service: str
    erased_at: datetime | None
    records: list[ErasedRecords]


@dataclass(slots=True)
class Erasure:
    """The receipt of an erasure, under the id of the customer or the contact that was erased."""

    id: UUID
    noun: str
    complete: bool
    """Whether every service has erased what it held."""
    requested_at: datetime
    parts: list[ErasurePart]


async def receipt(connection: AsyncConnection, tenant: str, id: UUID) -> Erasure:
    """Raises NotFound for what was not erased, or not as far as analytics has heard."""
    c = erasures.c
    rows = select(c.service, c.noun, c.noted_at, c.erased_at, c.records).where(c.tenant_id == tenant, c.record_id == id)
    found = {row.service: row for row in await connection.execute(rows)}
    if "contacts" not in found:
        raise NotFound.of("erasure", id)
    parts = [_part(each, found.get(each)) for each in SOURCES]
    begun = found["contacts"]
    return Erasure(id, begun.noun, all(each.erased_at for each in parts), begun.noted_at, parts)


def _part(service: str, row: Any) -> ErasurePart:
    records: Sequence[tuple[str, int]] = [] if row is None else sorted((row.records or {}).items())
    return ErasurePart(service, None if row is None else row.erased_at, [ErasedRecords(*each) for each in records])


@router.get(
    "/erasures/{id:segment}",
    response_model=Erasure,
    operation_id="getErasure",
    summary="The receipt of an erasure",
)
async def get_erasure(request: Request, id: Id, actor: Actor = _READER) -> Response:
    """Under the id of the customer or the contact that was erased. It is complete when every service has confirmed."""
    async with context_of(request).database.read(actor.tenant) as connection:
        return json_response(await receipt(connection, actor.tenant, id))


for _kind in (ErasedRecords, ErasurePart, Erasure):
    strawberry.type(_kind, description=_kind.__doc__)


@field(description="The receipt of an erasure, under the id of what was erased; null if there is none.")
async def erasure(info: Ctx, id: UUID) -> Erasure | None:
    context = info.context
    context.actor.require("analytics:read")
    async with context.service.database.read(context.actor.tenant) as connection:
        try:
            return await receipt(connection, context.actor.tenant, id)
        except NotFound:
            return None


FEATURE = Feature(queries=(erasure,), routers=(router,))
