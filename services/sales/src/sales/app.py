"""Where sales is wired together."""

from fastapi import FastAPI

from kith.graphql import graphql_router
from kith.http import Context, create_app
from kith.rest import Rest
from kith.service import Service
from sales.api.graphql import schema
from sales.resources import OPPORTUNITIES, ORDERS, PRODUCTS, RETURNS
from sales.settings import SalesSettings
from sales.storage.tables import idempotency, outbox

RESOURCES = (PRODUCTS, OPPORTUNITIES, ORDERS, RETURNS)


def app(context: Context) -> FastAPI:
    rest = [Rest("sales", resource) for resource in RESOURCES]
    return create_app(
        context,
        routers=[*(each.router for each in rest), graphql_router(schema)],
        models=[model for each in rest for model in each.models],
    )


SERVICE = Service(
    name="sales",
    package="sales",
    settings=SalesSettings,
    outbox=outbox,
    idempotency=idempotency,
    app=app,
    schema=schema,
)
