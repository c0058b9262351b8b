"""What the rules of retention have done, and what they are about to do, over both APIs."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
import strawberry
from fastapi import APIRouter, Depends, Request
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from contacts.retention.applying import Result
from contacts.tables import retention_passes as passes
from contacts.tenant_settings.form import SETTINGS, settings
from contacts.values import LifecycleStage, RetentionNoun, RetentionSince
from kith.api import Feature
from kith.graphql.context import Ctx
from kith.graphql.fields import field
from kith.http.app import actor_who, context_of, json_response, only_known_parameters
from kith.http.auth import Actor
from kith.nouns.access import reach_to_read

WORDS = "How long it is kept who somebody is. The rules are in the tenant's settings."
router = APIRouter(prefix="/v1", tags=["retention"], dependencies=[Depends(only_known_parameters)])
_READER = actor_who(lambda actor: reach_to_read(actor, "contacts", SETTINGS))


@dataclass(slots=True)
class RetentionResult:
    """A rule, and what it has done. Once a day it goes through all records: `applied_at` says when it had done so, null
    that it has not yet, and `due` how many it has found. `erased` counts all that it has erased, `failed` those that
    could not be erased the last time."""

    code: str
    of: RetentionNoun
    since: RetentionSince
    days: int
    stages: list[LifecycleStage]
    due: int
    erased: int
    failed: int
    applied_at: datetime | None


@dataclass(slots=True)
class Retention:
    """The rules of retention. Until `erases_from`, a day after the settings were changed, they are only tried: what
    they would erase is counted as `due`. Null: there are none."""

    erases_from: datetime | None
    rules: list[RetentionResult]


async def retention_of(connection: AsyncConnection, tenant: str) -> Retention:
    s = settings.c
    row = (await connection.execute(select(s.retention, s.recorded_at).where(s.tenant_id == tenant))).one_or_none()
    if row is None or not row.retention:
        return Retention(None, [])
    found = await connection.scalar(select(passes.c.results).where(passes.c.tenant_id == tenant))
    results = msgspec.convert(found or {}, dict[str, Result])
    rules = []
    for each in row.retention:
        it = results.get(each.code, Result())
        shown = RetentionResult(
            each.code, each.of, each.since, each.days, each.stages, it.due, it.erased, it.failed, it.applied_at
        )
        rules.append(shown)
    return Retention(row.recorded_at + timedelta(days=1), rules)


for _kind in (RetentionNoun, RetentionSince, LifecycleStage):
    strawberry.enum(_kind)
for _shown in (RetentionResult, Retention):
    strawberry.type(_shown, description=_shown.__doc__)


@router.get("/retention", response_model=Retention, operation_id="getRetention", summary="What rules of retention do")
async def get_retention(request: Request, actor: Actor = _READER) -> Response:
    """What the rules of retention have erased, and how many records they have found that are due."""
    async with context_of(request).database.read(actor.tenant) as connection:
        return json_response(await retention_of(connection, actor.tenant))


@field(description="What the rules of retention have erased, and what they are about to.")
async def retention(info: Ctx) -> Retention:
    context = info.context
    reach_to_read(context.actor, "contacts", SETTINGS)
    async with context.service.database.read(context.actor.tenant) as connection:
        return await retention_of(connection, context.actor.tenant)


FEATURE = Feature(routers=[router], queries=[retention])
