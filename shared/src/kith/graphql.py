"""GraphQL derived from a resource: one, a list, and a mutation per command, as a federated subgraph.

A service writes its types (a view plus relations) and says which resource each stands for; inputs, mutations,
connections and errors follow. The mutation's answer is the thing or a Problem, never a bare error.
"""

import types
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import MISSING, make_dataclass, replace
from dataclasses import field as dataclass_field
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Generic, TypeVar, Union, get_args, get_origin
from uuid import UUID

import strawberry
from graphql import GraphQLError
from pydantic import AwareDatetime, BaseModel, ValidationError
from starlette.requests import HTTPConnection
from strawberry import UNSET, Info
from strawberry.dataloader import DataLoader
from strawberry.extensions import MaxTokensLimiter, ParserCache, QueryDepthLimiter, SchemaExtension, ValidationCache
from strawberry.fastapi import BaseContext, GraphQLRouter
from strawberry.federation import Schema
from strawberry.scalars import JSON
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.types.base_scalars import DateTimeDefinition
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.tools import create_type
from strawberry.types import ExecutionContext, StreamExecutionResult, has_object_definition
from strawberry.types.graphql import OperationType
from strawberry.types.scalar import ScalarDefinition
from strawberry.utils.str_converters import to_camel_case

from kith import problems
from kith.auth import Actor
from kith.commands import Call
from kith.domain import DomainError, Invalid
from kith.http import Context, context_of
from kith.inputs import Document
from kith.queries import DEFAULT_PAGE, Page, Queries
from kith.resource import Command, Resource, View
from kith.rest import pascal
from kith.telemetry import log
from kith.websocket import SubscriptionHandler

N = TypeVar("N")
K = TypeVar("K", bound=Hashable)


@strawberry.federation.type(shareable=True)
class FieldProblem:
    field: str
    rule: str


@strawberry.federation.type(shareable=True, description="RFC 9457 problem details: why a command was refused")
class Problem:
    type: str
    title: str
    status: int
    detail: str | None
    errors: list[FieldProblem]

    @classmethod
    def of(cls, details: problems.ProblemDetails, documents: Sequence[str] = ()) -> "Problem":
        """`documents`: the fields of the input that are JSON. Within them names are as they were sent."""
        errors = [FieldProblem(field=_camel(e["field"], documents), rule=e["rule"]) for e in details.get("errors", [])]
        return cls(
            type=details["type"],
            title=details["title"],
            status=details["status"],
            detail=details.get("detail"),
            errors=errors,
        )


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
    """`strawberry.field` with its words, typed."""
    made: Callable[[Callable[..., Any]], Any] = strawberry.field(description=description, name=name)
    return made


def subscription(*, description: str, name: str | None = None) -> Callable[[Callable[..., Any]], Any]:
    """`strawberry.subscription` with its words, typed. What it decorates checks what is asked, and answers `watching`
    the events."""
    made: Callable[[Callable[..., Any]], Any] = strawberry.subscription(description=description, name=name)
    return made


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
    with context.service.seats.subscription(context.actor.tenant):
        async for event in events:
            context.forget()
            yield event


def _instant(given: object) -> datetime:
    """Raises GraphQLError for one that is not ISO 8601, and for one without a zone: it could be any of two dozen."""
    assert DateTimeDefinition.parse_value is not None
    at: datetime = DateTimeDefinition.parse_value(given)
    if at.tzinfo is None:
        raise GraphQLError("Say the zone of the instant, as in 2011-12-09T00:00:00Z.")
    return at


_SCALARS: Mapping[object, ScalarDefinition] = {datetime: replace(DateTimeDefinition, parse_value=_instant)}


class Subgraph(Schema):
    """A federated schema that leaves the logging of errors to `Errors`, which knows faults from refusals."""

    async def execute(self, query: str | None, *words: Any, **named: Any) -> Any:
        """Over HTTP, everything but subscriptions: executed like a query, one would answer null."""
        allowed = named.get("allowed_operation_types") or OperationType
        named["allowed_operation_types"] = {each for each in allowed if each is not OperationType.SUBSCRIPTION}
        return await super().execute(query, *words, **named)

    async def stream(self, query: str | None, *, context_value: Any = None, **named: Any) -> Any:  # type: ignore[override]
        """Over a WebSocket, subscriptions only; each with a context of its own."""
        named["allowed_operation_types"] = (OperationType.SUBSCRIPTION,)
        return await super().stream(query, context_value=context_value.again(), **named)

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
            return await load_one(info, resource, node, _uuid(id))

        node.resolve_reference = resolve_reference
        for kind in resource.enums:
            strawberry.enum(kind)
        self._mutations += [self._mutation(resource, node, command) for command in resource.commands]
        if resource.of_tenant is not None:
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
            return entity(id=_uuid(id))

        entity.resolve_reference = resolve_reference
        self._entities.append(entity)

    def schema(self) -> Subgraph:
        return Subgraph(
            query=create_type("Query", self._queries),
            mutation=create_type("Mutation", self._mutations) if self._mutations else None,
            subscription=create_type("Subscription", self._subscriptions) if self._subscriptions else None,
            types=self._entities,
            config=StrawberryConfig(scalar_map=_SCALARS),
            extensions=[
                lambda: ParserCache(maxsize=500),
                lambda: ValidationCache(maxsize=500),
                lambda: QueryDepthLimiter(max_depth=12),
                lambda: MaxTokensLimiter(max_token_count=4000),
                Errors,
            ],
            federation_version="2.9",  # the newest the composer takes
        )

    def _one(self, resource: Resource, node: Any) -> Any:
        async def one(info: Ctx, id: UUID) -> node | None:
            found: Any = await load_one(info, resource, node, id)
            return found

        return _named(resource.name, strawberry.field, one, "One, or null if there is none.")

    def _of_tenant(self, resource: Resource, node: Any) -> Any:
        async def of_tenant(info: Ctx) -> node:
            context = info.context
            context.actor.require(f"{self._service}:read")
            queries: Queries[Any] = Queries(resource, node, personal=context.actor.sees_personal)
            async with context.service.database.read(context.actor.tenant) as connection:
                return await queries.of_tenant(connection, context.actor.tenant)

        return _named(resource.name, strawberry.field, of_tenant, "The tenant's. At version 0 nobody has changed it.")

    def _list(self, resource: Resource, node: Any) -> Any:
        filter_type = _input_type(
            f"{pascal(resource.plural)}Filter",
            {name: (kind | None, None) for name, kind in resource.filter_types.items()},
        )

        async def page(
            info: Ctx,
            first: int = DEFAULT_PAGE,
            after: str | None = None,
            filter: filter_type | None = None,  # type: ignore[valid-type]
        ) -> Connection[node]:
            context = info.context
            context.actor.require(f"{self._service}:read")
            wanted = {name: value for name, value in _given(filter).items() if value is not None}
            queries: Queries[Any] = Queries(resource, node, personal=context.actor.sees_personal)
            async with context.service.database.read(context.actor.tenant) as connection:
                found = await queries.page(connection, context.actor.tenant, first=first, after=after, filters=wanted)
            return connection_of(found)

        return _named(resource.plural, strawberry.field, page, "Newest first.")

    def _mutation(self, resource: Resource, node: Any, command: Command) -> Any:
        input_type = _input_type(command.input.__name__ + "Input", _fields_of(command.input))
        documents = [name for name, (kind, _) in _fields_of(command.input).items() if _is_document(kind)]
        result: Any = Annotated[node | Problem, strawberry.union(f"{pascal(f'{command.name}_{resource.name}')}Result")]

        async def run(info: Ctx, given: Any, id: UUID | None, if_version: int | None, key: str | None) -> Any:
            context = info.context
            try:
                context.actor.require(f"{self._service}:{resource.write_verb}")
                call = Call(command, command.input.model_validate(_given(given)), id=id, expected_version=if_version)
                answer = await context.service.commands.run_one(
                    context.actor.tenant, resource, call, idempotency_key=key
                )
            except DomainError as error:
                return Problem.of(problems.of_domain_error(error), documents)
            except ValidationError as error:
                return Problem.of(problems.of_validation_error(error), documents)
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
            assert resource.of_tenant is not None
            return await run(info, input, resource.of_tenant(info.context.actor.tenant).id, if_version, idempotency_key)

        name = f"{command.name}_{resource.name}"
        resolver = change_of_tenant if resource.of_tenant else create if command.creates else change
        return _named(name, strawberry.mutation, resolver, command.rule.__doc__)


class Errors(SchemaExtension):
    """A business error says what it is; a fault of ours is logged and says nothing more."""

    def on_operation(self) -> Iterator[None]:
        yield
        result = self.execution_context.result
        if result is not None and getattr(result, "errors", None):
            result.errors = [_told(error) for error in result.errors or ()]

    def on_stream_result(self, result: StreamExecutionResult) -> Iterator[None]:
        if getattr(result, "errors", None):
            result.errors = [_told(error) for error in result.errors]  # type: ignore[union-attr]  # it has
        yield


def _told(error: GraphQLError) -> GraphQLError:
    original = error.original_error
    if original is None or isinstance(original, GraphQLError):
        return error
    if isinstance(original, DomainError):
        details = problems.of_domain_error(original)
        return GraphQLError(
            original.detail, error.nodes, path=error.path, extensions={"code": original.code, "problem": details}
        )
    log.error("fault", path=error.path, exc_info=original)
    return GraphQLError(
        "This is a fault of ours; it has been logged.", error.nodes, path=error.path, extensions={"code": "fault"}
    )


class Router(GraphQLRouter[GraphQLContext, None]):
    graphql_transport_ws_handler_class = SubscriptionHandler


_NOBODY = Actor("", "", frozenset(), 0.0)
"""Who has connected, and not said yet who it is."""


def graphql_router(schema: Schema) -> Router:
    async def get_context(connection: HTTPConnection) -> GraphQLContext:
        service, actor = context_of(connection), _NOBODY
        if connection.scope["type"] == "http":
            actor = await service.authenticator.authenticate(connection.headers.get("authorization"))
        return GraphQLContext(actor, service)

    subscribable = schema.get_type_by_name("Subscription") is not None
    return Router(
        schema,
        path="/graphql",
        context_getter=get_context,
        graphql_ide=None,
        subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL] if subscribable else [],
        include_in_schema=False,
    )


def _shown(view: View, resource: Resource, node: Any, actor: Actor) -> Any:
    hidden = frozenset() if actor.sees_personal else resource.personal_fields
    return node(**{name: None if name in hidden else getattr(view, name) for name in resource.view_fields})


def _given(value: Any) -> dict[str, Any]:
    """What was sent: fields left out stay out, so that the model's own defaults hold."""
    if value is None or value is UNSET:
        return {}
    return {name: _sent(each) for name in value.__dataclass_fields__ if (each := getattr(value, name)) is not UNSET}


def _sent(value: Any) -> Any:
    if isinstance(value, list):
        return [_sent(each) for each in value]
    return _given(value) if has_object_definition(value) else value


def _named(name: str, kind: Callable[..., Any], resolver: Any, description: str | None) -> Any:
    resolver.__name__ = name  # the field takes its name from it
    return kind(resolver, description=description)


def _input_type(name: str, fields: Mapping[str, tuple[Any, Any]]) -> Any:
    """A GraphQL input of these fields (name -> type, default or MISSING)."""
    made = [
        (each, _plain(kind)) if default is MISSING else (each, _plain(kind) | None, dataclass_field(default=UNSET))
        for each, (kind, default) in fields.items()
    ]
    return strawberry.input(make_dataclass(name, made, kw_only=True))


def _fields_of(model: type[BaseModel]) -> Mapping[str, tuple[Any, Any]]:
    return {name: (f.annotation, MISSING if f.is_required() else f.default) for name, f in model.model_fields.items()}


@cache
def _nested_input(model: type[BaseModel]) -> Any:
    return _input_type(model.__name__.removesuffix("Input") + "Input", _fields_of(model))


def _plain(kind: Any) -> Any:
    """The bare type: constraints are the model's to check, once, with the whole input."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind is AwareDatetime:
        return datetime
    if origin is Annotated:
        return _plain(inner[0])
    if origin in (Union, types.UnionType):
        return Union[tuple(_plain(each) for each in inner)]  # noqa: UP007 - built at run time
    if origin in (list, tuple):
        return list[_plain(inner[0])]  # type: ignore[misc]
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return JSON if _is_document(kind) else _nested_input(kind)
    return kind


def _is_document(kind: Any) -> bool:
    """Also where it may be left out."""
    return any(isinstance(each, type) and issubclass(each, Document) for each in (kind, *get_args(kind)))


def _uuid(id: str) -> UUID:
    try:
        return UUID(id)
    except ValueError as error:
        raise Invalid("It is not a UUID.", field="id") from error


def _camel(name: str, documents: Sequence[str] = ()) -> str:
    first, *rest = name.split(".")
    return ".".join([to_camel_case(first), *(rest if first in documents else map(to_camel_case, rest))])
