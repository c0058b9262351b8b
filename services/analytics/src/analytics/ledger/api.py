"""How fresh the figures are, over both APIs."""

from dataclasses import dataclass
from typing import Any

import strawberry
from fastapi import APIRouter, Depends, Request

from analytics.ledger import freshness as queries
from kith.api import Feature
from kith.graphql.context import Ctx
from kith.graphql.fields import field
from kith.http.app import actor_reaching, context_of, only_known_parameters
from kith.http.auth import Actor

router = APIRouter(prefix="/v1", tags=["analytics"], dependencies=[Depends(only_known_parameters)])
READER: Any = actor_reaching("analytics:read")


@dataclass(slots=True)
class Sources:
    sources: list[queries.Freshness]


@router.get("/freshness", operation_id="getFreshness", summary="Up to when each source is counted")
async def get_freshness(request: Request, actor: Actor = READER) -> Sources:
    async with context_of(request).database.read(actor.tenant) as connection:
        return Sources(await queries.freshness(connection))


@strawberry.type
class Freshness(queries.Freshness):
    pass


@field(description="Up to when each source is counted.")
async def freshness(info: Ctx) -> list[Freshness]:
    context = info.context
    context.actor.reach("analytics:read")
    async with context.service.database.read(context.actor.tenant) as connection:
        return await queries.freshness(connection)  # type: ignore[return-value]


FEATURE = Feature(queries=(freshness,), routers=(router,))
