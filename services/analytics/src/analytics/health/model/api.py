"""Starting points for health models: the JSON Schema, the gallery, and the default model, over both APIs."""

from dataclasses import asdict, dataclass
from typing import Any

import strawberry
from fastapi import APIRouter, Depends
from starlette.responses import JSONResponse, Response
from strawberry.scalars import JSON

from analytics.health.model import gallery_reads as gallery
from analytics.health.model.definition import DEFAULT
from analytics.health.model.documents import HealthModelDocument, as_kept, json_schema
from analytics.health.model.gallery_reads import GalleryModel
from analytics.health.model.rules import Document
from kith.api import Feature
from kith.graphql.context import Ctx
from kith.graphql.fields import field
from kith.http.app import actor_reaching, only_known_parameters
from kith.http.auth import Actor

router = APIRouter(prefix="/v1", tags=["health-models"], dependencies=[Depends(only_known_parameters)])
READER: Any = actor_reaching("analytics:read")
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
    """Draft 2020-12, for an editor or a check before sending. Rules that a schema cannot express (curves that rise,
    which field goes with which input) are checked when a document is sent."""
    return JSONResponse(json_schema(), media_type=SCHEMA_JSON)


@router.get("/health-models:gallery", operation_id="getHealthModelGallery", summary="Ready-made health models")
async def get_gallery(_: Actor = READER) -> Gallery:
    """Start from one: `POST /v1/health-models` with `{"gallery": "retail"}`, then revise it for your business.
    `not_published` names the measures whose events no service publishes yet."""
    return Gallery(gallery.gallery())


@dataclass(slots=True)
class DefaultHealthModel:
    """`id` and `version` are those that scores name."""

    id: str
    version: int
    title: str
    document: Document


def default_model() -> DefaultHealthModel:
    measures = [
        {name: value for name, value in asdict(each).items() if value} | {"curve": [list(p) for p in each.curve.points]}
        for each in DEFAULT.measures
    ]
    document = HealthModelDocument.model_validate(
        {
            "title": DEFAULT.title,
            "measures": measures,
            "bands": {"steady": DEFAULT.steady, "healthy": DEFAULT.healthy},
            "hysteresis": DEFAULT.hysteresis,
        }
    )
    return DefaultHealthModel(DEFAULT.id, DEFAULT.version, DEFAULT.title, as_kept(document))


@router.get("/health-models:default", operation_id="getDefaultHealthModel", summary="What holds where no model is")
async def get_default(_: Actor = READER) -> DefaultHealthModel:
    """It scores every customer that no published model is for. To change it, draft its document with your changes and
    publish that: without an audience it is for every customer."""
    return default_model()


@strawberry.type(name="HealthModelGalleryEntry")
class GalleryModelType(GalleryModel):
    document: JSON  # type: ignore[assignment]


@field(name="healthModelGallery", description="Ready-made health models to start from.")
async def health_model_gallery(info: Ctx) -> list[GalleryModelType]:
    info.context.actor.reach("analytics:read")
    return gallery.gallery()  # type: ignore[return-value]  # resolved by field name


@strawberry.type(name="DefaultHealthModel")
class DefaultHealthModelType(DefaultHealthModel):
    document: JSON  # type: ignore[assignment]


@field(name="defaultHealthModel", description="What scores every customer that no published model is for.")
async def default_health_model(info: Ctx) -> DefaultHealthModelType:
    info.context.actor.reach("analytics:read")
    return default_model()  # type: ignore[return-value]  # resolved by field name


FEATURE = Feature(queries=(health_model_gallery, default_health_model), routers=(router,))
