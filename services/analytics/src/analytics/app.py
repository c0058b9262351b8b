"""Where analytics is wired together."""

from fastapi import FastAPI

from analytics.api.graphql import schema
from analytics.api.rest import router
from analytics.consumers import SUBSCRIPTIONS
from analytics.settings import AnalyticsSettings
from analytics.storage.partitions import make_partitions
from analytics.storage.tables import idempotency, outbox
from kith.graphql import graphql_router
from kith.http import Context, create_app
from kith.service import Service


def app(context: Context) -> FastAPI:
    return create_app(context, routers=[router, graphql_router(schema)], models=[])


SERVICE = Service(
    name="analytics",
    package="analytics",
    settings=AnalyticsSettings,
    outbox=outbox,
    idempotency=idempotency,
    app=app,
    schema=schema,
    subscriptions=SUBSCRIPTIONS,
    after_migrations=make_partitions,
)
