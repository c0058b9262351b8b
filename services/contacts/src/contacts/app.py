"""Where contacts is wired together."""

from fastapi import FastAPI

from contacts.api.graphql import schema
from contacts.resources import CONTACTS, CUSTOMERS, TOUCHPOINTS
from contacts.settings import ContactsSettings
from contacts.storage.tables import idempotency, outbox
from kith.graphql import graphql_router
from kith.http import Context, create_app
from kith.rest import Rest
from kith.service import Service

RESOURCES = (CUSTOMERS, CONTACTS, TOUCHPOINTS)


def app(context: Context) -> FastAPI:
    rest = [Rest("contacts", resource) for resource in RESOURCES]
    return create_app(
        context,
        routers=[*(each.router for each in rest), graphql_router(schema)],
        models=[model for each in rest for model in each.models],
    )


SERVICE = Service(
    name="contacts",
    package="contacts",
    settings=ContactsSettings,
    outbox=outbox,
    idempotency=idempotency,
    app=app,
    schema=schema,
)
