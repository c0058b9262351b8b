"""What there is to start from when a health model is written: its JSON Schema and the gallery, over both APIs."""

from dataclasses import dataclass
from typing import Any

import strawberry
from fastapi import APIRouter, Depends
from starlette.responses import JSONResponse, Response
from strawberry.scalars import JSON

from analytics.commands.health_documents import json_schema
from analytics.queries import gallery
from analytics.queries.gallery import GalleryModel
from kith.auth import Actor
from kith.graphql import Ctx, field
from kith.http import actor_with, only_known_parameters

router = APIRouter(prefix="/v1", tags=["health-models"], dependencies=[Depends(only_known_parameters)])
READER: Any = actor_with("analytics:read")
SCHEMA_JSON = "application/schema+json"


@dataclass(slots=True)
class Gallery:
    items: list[GalleryModel]


@router.get(
    "/health-models:schema",
    operation_id="getHealthModelSchema",
    summary="The JSON Schema of a health model's document",
    response_class=JSONResponse,
    responses={200: {"content": {SCHEMA_JSON: {"schema": {"type": "object"}}}}},
)
async def get_schema(_: Actor = READER) -> Response:
    """Draft 2020-12, for an editor or a check before sending. What a schema cannot say (curves that rise, which field
    goes with which input) is told when a document is sent."""
    return JSONResponse(json_schema(), media_type=SCHEMA_JSON)


@router.get("/health-models:gallery", operation_id="getHealthModelGallery", summary="Ready-made health models")
async def get_gallery(_: Actor = READER) -> Gallery:
    """Start from one: `POST /v1/health-models` with `{"gallery": "retail"}`, then revise what is different with you.
    `not_published` names the measures whose events no service publishes yet."""
    return Gallery(gallery.gallery())


@strawberry.type(name="HealthModelGalleryEntry")
class GalleryModelType(GalleryModel):
    document: JSON  # type: ignore[assignment]


@field(name="healthModelGallery", description="Ready-made health models to start from.")
async def health_model_gallery(info: Ctx) -> list[GalleryModelType]:
    info.context.actor.require("analytics:read")
    return gallery.gallery()  # type: ignore[return-value]  # resolved by field name


QUERIES = (health_model_gallery,)
