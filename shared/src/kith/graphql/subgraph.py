"""A service's subgraph over HTTP and WebSocket: a federated schema, and the route that serves it."""

from json import JSONDecodeError
from typing import Any, cast

from cross_web import HTTPException as NoGraphQL
from graphql import GraphQLError, GraphQLUnionType
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from strawberry.fastapi import GraphQLRouter
from strawberry.federation import Schema
from strawberry.federation.schema import FederationAny
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types import ExecutionContext
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from kith.errors import DomainError, Invalid
from kith.graphql.context import Ctx, GraphQLContext
from kith.graphql.errors import to_client_error, with_client_errors
from kith.graphql.websocket import SubscriptionHandler
from kith.http.app import actor_of, context_of
from kith.http.auth import Actor
from kith.nouns.inputs import json_of


class Subgraph(Schema):
    """A federated schema that leaves the logging of errors to `Errors`, which knows faults from refusals."""

    async def execute(self, query: str | None, *words: Any, **named: Any) -> Any:
        """Over HTTP, everything but subscriptions: executed like a query, one would answer null."""
        allowed = named.get("allowed_operation_types") or OperationType
        named["allowed_operation_types"] = {each for each in allowed if each is not OperationType.SUBSCRIPTION}
        result = await super().execute(query, *words, **named)
        if isinstance(result, PreExecutionError):  # the extensions are not called for one that cannot be parsed
            result.errors = [to_client_error(error) for error in result.errors or ()]
        return result

    async def stream(self, query: str | None, *, context_value: Any = None, **named: Any) -> Any:  # type: ignore[override]
        """Over a WebSocket, subscriptions only; each with a context of its own."""
        named["allowed_operation_types"] = (OperationType.SUBSCRIPTION,)
        return with_client_errors(await super().stream(query, context_value=context_value.again(), **named))

    def entities_resolver(self, info: Ctx, representations: list[FederationAny]) -> list[FederationAny]:
        """What other subgraphs name by its key. A key that names nothing here is an error at its index."""
        return [self._referred_to(info, each) for each in representations]

    def _referred_to(self, info: Ctx, representation: object) -> Any:
        key = dict(representation) if isinstance(representation, dict) else {}
        entities = {each.name: each for each in cast("GraphQLUnionType", self._schema.type_map["_Entity"]).types}
        named = key.pop("__typename", None)
        if not isinstance(named, str) or named not in entities:
            return Invalid(f"Its __typename is one of {', '.join(entities)}.", field="representations")
        definition = cast("StrawberryObjectDefinition", self.get_type_by_name(named))
        try:
            return definition.origin.resolve_reference(**{"id": None} | key | {"info": info})
        except DomainError as error:
            return error

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        pass


class Router(GraphQLRouter[GraphQLContext, None]):
    graphql_transport_ws_handler_class = SubscriptionHandler

    def decode_json(self, data: str | bytes) -> object:
        """Of a message over a WebSocket. Raises JSONDecodeError."""
        try:
            return json_of(data)
        except Invalid as error:
            raise JSONDecodeError(error.detail, "", 0) from error

    def parse_json(self, data: str | bytes) -> Any:
        """Of a request. Raises Invalid."""
        found = json_of(data)
        if not isinstance(found, dict | list):  # a list is a batch, which is refused where it would be carried out
            raise Invalid("It is an object, with a query and variables.", field="body")
        return found

    async def run(self, *request: Any, **named: Any) -> Any:
        try:
            return await super().run(*request, **named)
        except NoGraphQL as error:  # else answered as plain text
            raise HTTPException(error.status_code, error.reason) from None


_NOBODY = Actor("", "", frozenset(), 0.0)
"""Who has connected, and not said yet who it is."""


def graphql_router(schema: Schema) -> Router:
    async def get_context(connection: HTTPConnection) -> GraphQLContext:
        service, actor = context_of(connection), _NOBODY
        if connection.scope["type"] == "http":
            actor = actor_of(connection)
        return GraphQLContext(actor, service)

    subscribable = schema.get_type_by_name("Subscription") is not None
    return Router(
        schema,
        path="/graphql",
        context_getter=get_context,
        graphql_ide=None,
        allowed_origins=["*"],  # kith.http.origins has looked
        subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL] if subscribable else [],
        include_in_schema=False,
    )
