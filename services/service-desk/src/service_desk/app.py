"""Where service-desk is wired together."""

from fastapi import FastAPI

from kith.graphql import graphql_router
from kith.http import Context, create_app
from kith.rest import Rest
from kith.service import Service
from service_desk.api.graphql import schema
from service_desk.resources import CASES
from service_desk.settings import ServiceDeskSettings
from service_desk.storage.tables import idempotency, outbox

RESOURCES = (CASES,)


def app(context: Context) -> FastAPI:
    rest = [Rest("service-desk", resource) for resource in RESOURCES]
    return create_app(
        context,
        routers=[*(each.router for each in rest), graphql_router(schema)],
        models=[model for each in rest for model in each.models],
    )


SERVICE = Service(
    name="service-desk",
    package="service_desk",
    settings=ServiceDeskSettings,
    outbox=outbox,
    idempotency=idempotency,
    app=app,
    schema=schema,
)
