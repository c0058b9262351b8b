"""A service's API, put together: REST and GraphQL over its resources, and what it adds by hand."""

import importlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

from fastapi import APIRouter, FastAPI
from pydantic import BaseModel

from kith.attachments.receiving import Contents
from kith.attachments.receiving import Limits as AttachmentLimits
from kith.attachments.settings import AttachmentSettings
from kith.audit.disclosures import AuditWriter
from kith.audit.rest import AUDIT, audit_router
from kith.customers.held_api import TAG as HELD
from kith.customers.held_api import WORDS as HELD_WORDS
from kith.customers.held_api import held_router
from kith.db.connections import Database
from kith.dead_letters.rest import DEAD_LETTERS, dead_letters_router
from kith.graphql.limits import GraphQLLimits
from kith.graphql.subgraph import Subgraph, graphql_router
from kith.http.admission import Limits
from kith.http.app import Context, create_app
from kith.http.auth import Actor, Authenticator
from kith.http.limits import LiveLimits, SubscriptionLimiter
from kith.http.positions import Positions
from kith.nouns.commands import Commands
from kith.nouns.graphql import Fields, Graph
from kith.nouns.lists.listing import Listing, listings_of
from kith.nouns.resource import Resource
from kith.nouns.rest import Rest
from kith.nouns.unconfirmed_api import TAG as UNCONFIRMED
from kith.nouns.unconfirmed_api import WORDS as UNCONFIRMED_WORDS
from kith.nouns.unconfirmed_api import unconfirmed_router
from kith.nouns.unconfirmed_reads import known_of
from kith.people.directory import Directory
from kith.people.gate import Gate, Known
from kith.runtime.service import Service
from kith.runtime.settings import Settings


@dataclass(frozen=True)
class Feature(Fields):
    """What a service offers over both APIs beside its nouns: one per room, in its api.py."""

    routers: Sequence[APIRouter] = ()
    models: Sequence[type[BaseModel]] = ()
    """The bodies that the routers name in their OpenAPI."""


@dataclass(frozen=True)
class Api:
    """What a service's app.py wires together."""

    service: str
    resources: Sequence[Resource]
    features: Sequence[Feature] = ()
    entities: Sequence[type] = ()
    """Other services' nouns whose types features name."""
    nodes: Sequence[str] = ()
    """The other services' nouns, where the service finds records of all by their `nodeId`: one of them does."""
    people: Directory | None = None
    """Where the service has the people of its tenants. None: it goes by tokens alone."""
    first_sight: Callable[[Database, Commands, Actor, Known | None], Awaitable[bool]] | None = None
    """What it does when somebody comes who is unknown or invited: see kith.people.gate.FirstSight."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Words for the groups of operations that the routers add."""

    @cached_property
    def schema(self) -> Subgraph:
        return Graph(self.service, self.listings, self.features, self.entities, self.nodes).schema()

    @cached_property
    def listings(self) -> dict[str, Listing]:
        return listings_of(self.service, self.resources)

    def create(self, context: Context) -> FastAPI:
        rest = [Rest(listing) for listing in self.listings.values()]
        known = known_of(self.resources)
        return create_app(
            context,
            routers=[
                *(each.router for each in rest),
                *(router for feature in self.features for router in feature.routers),
                dead_letters_router(context.service),
                audit_router(context.service),
                held_router(context.service, self.resources),
                *([unconfirmed_router(context.service, known)] if known else ()),
                graphql_router(self.schema),
            ],
            models=[
                *(model for each in rest for model in each.models),
                *(model for feature in self.features for model in feature.models),
            ],
            tags={
                "dead letters": DEAD_LETTERS,
                "audit log": AUDIT,
                HELD: HELD_WORDS,
                **({UNCONFIRMED: UNCONFIRMED_WORDS} if known else {}),
                **{each.path: each.described for each in self.resources},
                **self.tags,
            },
        )


def api_of(service: Service) -> Api:
    module, _, name = service.api.partition(":")
    api: Api = getattr(importlib.import_module(module), name)
    return api


def context_for(service: Service, settings: Settings, authenticator: Authenticator | None = None) -> Context:
    database = Database(
        settings.database,
        pool_size=settings.pool_size,
        application=f"kith {service.name} api",
        swapped=service.swapped,
        pooler=settings.pooler,
        replica=settings.replica,
    )
    commands = Commands(database, source=service.name, outbox=service.outbox, idempotency=service.idempotency)
    return Context(
        service.name,
        database,
        commands,
        AuditWriter(service.name, database),
        authenticator or Authenticator(settings),
        Positions(service.name, database, service.subscriptions),
        gate=_gate(api_of(service), database, commands),
        subscription_limiter=SubscriptionLimiter(LiveLimits.of(settings)),
        limits=Limits.of(settings),
        graphql_limits=GraphQLLimits.of(settings),
        origins=settings.cors_origins,
        contents=_contents(service, settings, database),
    )


def _contents(service: Service, settings: Settings, database: Database) -> Contents | None:
    if not isinstance(settings, AttachmentSettings) or (store := settings.attachments_store(service.name)) is None:
        return None
    return Contents(database, store, AttachmentLimits.of(settings))


def _gate(api: Api, database: Database, commands: Commands) -> Gate | None:
    if api.people is None:
        return None
    first_sight = None if api.first_sight is None else partial(api.first_sight, database, commands)
    return Gate(database, api.people, first_sight=first_sight)


def export(service: Service, folder: Path) -> None:
    """Writes the service's contracts, schema.graphql and openapi.json, as they are committed."""
    api = api_of(service)
    app = api.create(context_for(service, Settings(database_url="postgresql://localhost/none", port=0)))
    (folder / "schema.graphql").write_text(api.schema.as_str().rstrip() + "\n")
    (folder / "openapi.json").write_text(json.dumps(app.openapi(), indent=1, sort_keys=True) + "\n")
