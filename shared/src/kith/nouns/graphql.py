"""GraphQL derived from a resource: one, a list, and a mutation per command, as a federated subgraph.

A service writes its types (a view plus relations) and says which resource each stands for; inputs, mutations,
connections and errors follow. The mutation's answer is the thing or a Problem, never a bare error.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Hashable, Mapping, Sequence
from json import JSONDecodeError
from typing import Annotated, Any, Generic, TypeVar, cast
from uuid import UUID

import strawberry
from cross_web import HTTPException as NoGraphQL
from graphql import GraphQLError, GraphQLUnionType
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from strawberry import Info
from strawberry.dataloader import DataLoader
from strawberry.fastapi import BaseContext, GraphQLRouter
from strawberry.federation import Schema
from strawberry.federation.schema import FederationAny
from strawberry.schema.config import StrawberryConfig
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.tools import create_type
from strawberry.types import ExecutionContext
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from kith.graphql.errors import Errors, Problem, as_told, telling
from kith.graphql.inputs import SCALARS, as_given, checked, derived_input, fields_of, is_document
from kith.graphql.limits import Admission
from kith.graphql.websocket import SubscriptionHandler
from kith.http import problems
from kith.http.app import Context, actor_of, context_of
from kith.http.auth import Actor
from kith.nouns.aggregate import DomainError, Invalid
from kith.nouns.commands import Call
from kith.nouns.inputs import json_of
from kith.nouns.queries import DEFAULT_PAGE, Page, Queries
from kith.nouns.resource import Command, Resource, View
from kith.nouns.rest import filters_of, pascal
from kith.scalars import Id, Key, reading

N = TypeVar("N")
K = TypeVar("K", bound=Hashable)


@strawberry.federation.type(shareable=True)
class PageInfo:
    has_next_page: bool
    end_cursor: str | None


@strawberry.type
class Connection(Generic[N]):
    """A page of a list. For the next one send `pageInfo.endCursor` as `after`."""

    nodes: list[N]
    page_info: PageInfo


def connection_of(page: Page[N]) -> Connection[N]:
    return Connection(nodes=page.rows, page_info=PageInfo(has_next_page=page.next is not None, end_cursor=page.next))


class GraphQLContext(BaseContext):
    """Of one request: who asks, and the loaders that batch what its resolvers ask for."""

    def __init__(self, actor: Actor, service: Context) -> None:
        super().__init__()
        self.actor = actor
        self.service = service
        self._loaders: dict[Hashable, DataLoader[Any, Any]] = {}

    def again(self) -> "GraphQLContext":
        """For another operation of the same actor: loaders keep what they have loaded."""
        return GraphQLContext(self.actor, self.service)

    def forget(self) -> None:
        """What was loaded: a subscription's next event is of another instant."""
        self._loaders.clear()

    def load(self, name: Hashable, key: K, batch: Callable[[Sequence[K]], Awaitable[Mapping[K, N]]]) -> Awaitable[N]:
        """The value of `key`, loaded together with all others asked for under the same name. None if absent."""

        async def in_order(keys: list[K]) -> list[N | None]:
            found = await batch(keys)
            return [found.get(each) for each in keys]

        loader = self._loaders.setdefault(name, DataLoader(load_fn=in_order))
        return loader.load(key)


Ctx = Info[GraphQLContext, None]


def field(*, description: str, name: str | None = None) -> Callable[[Callable[..., Any]], Any]:
    """`strawberry.field` with its words, typed. Its arguments are read as kith.scalars has them."""
    return lambda resolver: strawberry.field(checked(resolver), description=description, name=name)


def subscription(*, description: str, name: str | None = None) -> Callable[[Callable[..., Any]], Any]:
    """`strawberry.subscription` with its words, typed. What it decorates checks what is asked, and answers `watching`
    the events."""
    return lambda resolver: strawberry.subscription(checked(resolver), description=description, name=name)


def load_one(info: Ctx, resource: Resource, view: type[N], id: UUID) -> Awaitable[N]:
    """One of the resource by id, batched over the request."""
    context = info.context
    context.actor.require(f"{context.service.service}:read")

    async def batch(ids: Sequence[UUID]) -> Mapping[UUID, Any]:
        queries: Queries[Any] = Queries(resource, view, personal=context.actor.sees_personal)
        async with context.service.database.read(context.actor.tenant) as connection:
            return await queries.many(connection, context.actor.tenant, ids)

    return context.load((resource.plural, "one"), id, batch)


async def load_newest(info: Ctx, resource: Resource, view: type[N], *, of: str, owner: UUID, first: int) -> list[N]:
    """The newest of the resource that belong to `owner` by column `of`, batched over the request."""
    context = info.context
    context.actor.require(f"{context.service.service}:read")

    async def batch(owners: Sequence[UUID]) -> Mapping[UUID, Any]:
        queries: Queries[Any] = Queries(resource, view, personal=context.actor.sees_personal)
        async with context.service.database.read(context.actor.tenant) as connection:
            return await queries.newest_of(connection, context.actor.tenant, of, owners, first=first)

    return await context.load((resource.plural, of, first), owner, batch) or []


async def watching(info: Ctx, events: AsyncIterator[N]) -> AsyncGenerator[N, None]:
    """What a subscription answers: its events, for as long as there is a place for it. Raises TooManySubscriptions."""
    context = info.context
    with context.service.subscription_limiter.subscription(context.actor.tenant):
        async for event in events:
            context.forget()
            yield event


class Subgraph(Schema):
    """A federated schema that leaves the logging of errors to `Errors`, which knows faults from refusals."""

    async def execute(self, query: str | None, *words: Any, **named: Any) -> Any:
        """Over HTTP, everything but subscriptions: executed like a query, one would answer null."""
        allowed = named.get("allowed_operation_types") or OperationType
        named["allowed_operation_types"] = {each for each in allowed if each is not OperationType.SUBSCRIPTION}
        result = await super().execute(query, *words, **named)
        if isinstance(result, PreExecutionError):  # the extensions are not told of one that cannot be parsed
            result.errors = [as_told(error) for error in result.errors or ()]
        return result

    async def stream(self, query: str | None, *, context_value: Any = None, **named: Any) -> Any:  # type: ignore[override]
        """Over a WebSocket, subscriptions only; each with a context of its own."""
        named["allowed_operation_types"] = (OperationType.SUBSCRIPTION,)
        return telling(await super().stream(query, context_value=context_value.again(), **named))

    def entities_resolver(self, info: Ctx, representations: list[FederationAny]) -> list[FederationAny]:
        """What other subgraphs name by its key. What names nothing of ours is an error in its place."""
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


class Graph:
    """Collects what the resources of a service add to its subgraph, and builds the schema."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._queries: list[Any] = []
        self._mutations: list[Any] = []
        self._subscriptions: list[Any] = []
        self._entities: list[Any] = []

    def add(self, resource: Resource, node: Any) -> None:
        """`node` is the GraphQL type: the resource's view and its relations. Other subgraphs name one by its id."""

        async def resolve_reference(info: Ctx, id: str, **_: object) -> Any:
            return await load_one(info, resource, node, reading(Id, id, field="id"))

        node.resolve_reference = resolve_reference
        for kind in resource.enums:
            strawberry.enum(kind)
        self._mutations += [self._mutation(resource, node, command) for command in resource.commands]
        if resource.singleton is not None:
            self._queries.append(self._of_tenant(resource, node))
            return
        self._queries += [self._one(resource, node), self._list(resource, node)]

    def add_query(self, *fields: Any) -> None:
        self._queries += fields

    def add_subscription(self, *fields: Any) -> None:
        """Each checks what it is asked, and answers `watching` its events."""
        self._subscriptions += fields

    def extend(self, entity: Any) -> None:
        """`entity` belongs to another subgraph; here are relations that need no more of it than its id."""

        def resolve_reference(id: str, **_: object) -> Any:
            return entity(id=reading(Id, id, field="id"))

        entity.resolve_reference = resolve_reference
        self._entities.append(entity)

    def schema(self) -> Subgraph:
        return Subgraph(
            query=create_type("Query", self._queries),
            mutation=create_type("Mutation", self._mutations) if self._mutations else None,
            subscription=create_type("Subscription", self._subscriptions) if self._subscriptions else None,
            types=self._entities,
            config=StrawberryConfig(scalar_map=SCALARS),
            extensions=[Admission, Errors],
            federation_version="2.9",  # the newest the composer takes
        )

    def _one(self, resource: Resource, node: Any) -> Any:
        async def one(info: Ctx, id: UUID) -> node | None:
            found: Any = await load_one(info, resource, node, id)
            return found

        return _named(resource.name, strawberry.field, checked(one), "One, or null if there is none.")

    def _of_tenant(self, resource: Resource, node: Any) -> Any:
        async def singleton(info: Ctx) -> node:
            context = info.context
            context.actor.require(f"{self._service}:read")
            queries: Queries[Any] = Queries(resource, node, personal=context.actor.sees_personal)
            async with context.service.database.read(context.actor.tenant) as connection:
                return await queries.singleton(connection, context.actor.tenant)

        return _named(resource.name, strawberry.field, singleton, "The tenant's. At version 0 nobody has changed it.")

    def _list(self, resource: Resource, node: Any) -> Any:
        filter_type = derived_input(
            f"{pascal(resource.plural)}Filter",
            {name: (kind | None, None) for name, kind in resource.filter_types.items()},
        )

        filters = filters_of(resource)

        async def page(
            info: Ctx,
            first: int = DEFAULT_PAGE,
            after: str | None = None,
            filter: filter_type | None = None,  # type: ignore[valid-type]
        ) -> Connection[node]:
            context = info.context
            context.actor.require(f"{self._service}:read")
            wanted = filters.model_validate({"filter": as_given(filter)}).filter.model_dump(exclude_none=True)
            queries: Queries[Any] = Queries(resource, node, personal=context.actor.sees_personal)
            async with context.service.database.read(context.actor.tenant) as connection:
                found = await queries.page(connection, context.actor.tenant, first=first, after=after, filters=wanted)
            return connection_of(found)

        return _named(resource.plural, strawberry.field, checked(page), "Newest first.")

    def _mutation(self, resource: Resource, node: Any, command: Command) -> Any:
        input_type = derived_input(command.input.__name__ + "Input", fields_of(command.input))
        documents = [name for name, (kind, _) in fields_of(command.input).items() if is_document(kind)]
        result: Any = Annotated[node | Problem, strawberry.union(f"{pascal(f'{command.name}_{resource.name}')}Result")]

        async def run(info: Ctx, given: Any, id: UUID | None, if_version: int | None, key: str | None) -> Any:
            context = info.context
            try:
                context.actor.require(f"{self._service}:{resource.write_verb}")
                named = None if id is None else reading(Id, id, field="id")
                key = None if key is None else reading(Key, key, field="idempotencyKey")
                call = Call(
                    command, command.input.model_validate(as_given(given)), id=named, expected_version=if_version
                )
                answer = await context.service.commands.run_one(
                    context.actor.tenant, resource, call, idempotency_key=key
                )
            except (DomainError, ValidationError) as error:
                return Problem.of(problems.of_refusal(error), documents)
            return _shown(answer.view, resource, node, context.actor)

        async def create(
            info: Ctx,
            input: input_type,  # type: ignore[valid-type]
            idempotency_key: str | None = None,
        ) -> result:
            return await run(info, input, None, None, idempotency_key)

        async def change(
            info: Ctx,
            id: UUID,
            input: input_type | None = None,  # type: ignore[valid-type]
            if_version: int | None = None,
            idempotency_key: str | None = None,
        ) -> result:
            return await run(info, input, id, if_version, idempotency_key)

        async def change_of_tenant(
            info: Ctx,
            input: input_type | None = None,  # type: ignore[valid-type]
            if_version: int | None = None,
            idempotency_key: str | None = None,
        ) -> result:
            assert resource.singleton is not None
            return await run(info, input, resource.singleton(info.context.actor.tenant).id, if_version, idempotency_key)

        name = f"{command.name}_{resource.name}"
        resolver = change_of_tenant if resource.singleton else create if command.creates else change
        return _named(name, strawberry.mutation, resolver, command.rule.__doc__)


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


def _shown(view: View, resource: Resource, node: Any, actor: Actor) -> Any:
    hidden = frozenset() if actor.sees_personal else resource.personal_fields
    return node(**{name: None if name in hidden else getattr(view, name) for name in resource.view_fields})


def _named(name: str, kind: Callable[..., Any], resolver: Any, description: str | None) -> Any:
    resolver.__name__ = name  # the field takes its name from it
    return kind(resolver, description=description)
