"""The tenant's definitions of activity, over both APIs. They are changed in contacts, with the other settings."""

from dataclasses import dataclass
from typing import Any

import strawberry
from fastapi import APIRouter, Depends, Request

from analytics.activity_definitions import reads as definitions
from analytics.activity_definitions.reads import ActivityDefinition, activity_definition, activity_definitions
from analytics.metrics.rest import Version
from kith.api import Feature
from kith.graphql.context import Ctx
from kith.graphql.fields import field
from kith.http.app import actor_with, context_of, only_known_parameters
from kith.http.auth import Actor

router = APIRouter(prefix="/v1/activity-definitions", tags=["analytics"], dependencies=[Depends(only_known_parameters)])
READER: Any = actor_with("analytics:read")


@dataclass(slots=True)
class ActivityDefinitions:
    definitions: list[ActivityDefinition]


@router.get("", operation_id="listActivityDefinitions", summary="What activity is to the tenant, version by version")
async def list_activity_definitions(request: Request, actor: Actor = READER) -> ActivityDefinitions:
    """Newest first. A definition that was changed is computed in the background; until it is ready, the one before is
    the default. Any that is ready can be queried, by `activity=<version>`."""
    async with context_of(request).database.read(actor.tenant) as connection:
        return ActivityDefinitions(await activity_definitions(connection, actor.tenant))


@router.get("/{version}", operation_id="getActivityDefinition", summary="One version, and how far it is computed")
async def get_activity_definition(request: Request, version: Version, actor: Actor = READER) -> ActivityDefinition:
    async with context_of(request).database.read(actor.tenant) as connection:
        return await activity_definition(connection, actor.tenant, version)


strawberry.enum(definitions.Computed, name="ActivityDefinitionState")


@strawberry.type(name="ActivityDefinitionRule")
class RuleType(definitions.ActivityRuleView):
    pass


@strawberry.type(name="ActivityDefinition")
class DefinitionType(ActivityDefinition):
    rules: list[RuleType]  # type: ignore[assignment]


@field(name="activityDefinitions", description="What activity is to the tenant, version by version, newest first.")
async def all_definitions(info: Ctx) -> list[DefinitionType]:
    context = info.context
    context.actor.require("analytics:read")
    async with context.service.database.read(context.actor.tenant) as connection:
        return await activity_definitions(connection, context.actor.tenant)  # type: ignore[return-value]


@field(name="activityDefinition", description="One version, and how far it is computed.")
async def one_definition(info: Ctx, version: Version) -> DefinitionType:
    context = info.context
    context.actor.require("analytics:read")
    async with context.service.database.read(context.actor.tenant) as connection:
        return await activity_definition(connection, context.actor.tenant, version)  # type: ignore[return-value]


FEATURE = Feature(queries=(all_definitions, one_definition), routers=(router,))
