"""GraphQL derived from a resource: one, a list, and a mutation per command, as a federated subgraph.

A service writes its types (a view plus relations) and says which resource each stands for; inputs, mutations,
connections and errors follow. The mutation's answer is the thing or a Problem, never a bare error.
"""

import inspect
import types
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import MISSING, make_dataclass, replace
from dataclasses import field as dataclass_field
from datetime import date, datetime
from decimal import Decimal
from functools import cache, wraps
from json import JSONDecodeError
from typing import Annotated, Any, Generic, TypeVar, Union, cast, get_args, get_origin, get_type_hints
from uuid import UUID

import strawberry
from cross_web import HTTPException as NoGraphQL
from graphql import FieldNode, GraphQLError, GraphQLUnionType
from pydantic import BaseModel, BeforeValidator, ConfigDict, TypeAdapter, ValidationError, create_model
from pydantic_core import InitErrorDetails
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from strawberry import UNSET, Info
from strawberry.dataloader import DataLoader
from strawberry.exceptions import MissingQueryError
from strawberry.extensions import SchemaExtension
from strawberry.fastapi import BaseContext, GraphQLRouter
from strawberry.federation import Schema
from strawberry.federation.schema import FederationAny
from strawberry.scalars import JSON
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.schema.types.base_scalars import (
    DateDefinition,
    DateTimeDefinition,
    DecimalDefinition,
    UUIDDefinition,
)
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.tools import create_type
from strawberry.types import ExecutionContext, StreamExecutionResult, has_object_definition
from strawberry.types.arguments import StrawberryArgumentAnnotation
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType
from strawberry.types.scalar import ScalarDefinition
from strawberry.utils.str_converters import to_camel_case

from kith import problems
from kith.auth import Actor
from kith.commands import Call
from kith.domain import DomainError, Invalid
from kith.error_codes import ErrorCode
from kith.faults import fault, refusal
from kith.graphql_limits import Admission
from kith.http import Context, actor_of, context_of
from kith.inputs import Document, detail, json_of
from kith.queries import DEFAULT_PAGE, Page, Queries
from kith.resource import Command, Resource, View
from kith.rest import filters_of, pascal
from kith.scalars import Id, Key, bare, reading, spelt
from kith.websocket import SubscriptionHandler

N = TypeVar("N")
K = TypeVar("K", bound=Hashable)


strawberry.enum(
    ErrorCode,
    description="What went wrong. In `extensions.code` of an error, and at the end of a problem's `type`, it is spelt"
    " `case-already-closed` for CASE_ALREADY_CLOSED.",
)


@strawberry.federation.type(shareable=True)
class FieldProblem:
    field: str
    rule: str


@strawberry.federation.type(shareable=True, description="RFC 9457 problem details: why a command was refused")
class Problem:
    type: str
    code: ErrorCode
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
            code=details["code"],
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
    """`strawberry.field` with its words, typed. Its arguments are read as kith.scalars has them."""
    return lambda resolver: strawberry.field(checked(resolver), description=description, name=name)


def subscription(*, description: str, name: str | None = None) -> Callable[[Callable[..., Any]], Any]:
    """`strawberry.subscription` with its words, typed. What it decorates checks what is asked, and answers `watching`
    the events."""
    return lambda resolver: strawberry.subscription(checked(resolver), description=description, name=name)


def checked(resolver: Callable[..., Any]) -> Any:
    """The resolver, with arguments that are read as the scalars of its signature before it is called: it raises
    ValidationError, which names all that are wrong, by their names in GraphQL."""
    signature = inspect.signature(resolver)
    arguments = {
        name: (_name_of(name, each.annotation), TypeAdapter(spelt(each.annotation, _as_checked), config=_STRICT))
        for name, each in signature.parameters.items()
        if name not in ("self", "info")
    }
    if not arguments:
        return resolver

    def read(given: dict[str, Any]) -> dict[str, Any]:
        wrong: list[InitErrorDetails] = []
        found = dict(given)
        for name, (told, adapter) in arguments.items():
            if name in given:
                try:
                    found[name] = adapter.validate_python(given[name])
                except ValidationError as error:
                    wrong += [
                        detail((told, *each["loc"]), each["msg"], each["input"])
                        for each in error.errors(include_url=False, include_context=False)
                    ]
        if wrong:
            raise ValidationError.from_exception_data(resolver.__name__, wrong)
        return found

    if inspect.iscoroutinefunction(resolver):

        @wraps(resolver)
        async def reading_first(*args: Any, **given: Any) -> Any:
            return await resolver(*args, **read(given))

    else:

        @wraps(resolver)
        def reading_first(*args: Any, **given: Any) -> Any:
            return resolver(*args, **read(given))

    plain = {name: bare(each.annotation) for name, each in signature.parameters.items()}
    reading_first.__annotations__ = {**resolver.__annotations__, **{name: plain[name] for name in arguments}}
    reading_first.__signature__ = signature.replace(  # type: ignore[attr-defined]  # as functools has it
        parameters=[each.replace(annotation=plain[name]) for name, each in signature.parameters.items()]
    )
    return reading_first


_STRICT = ConfigDict(strict=True, arbitrary_types_allowed=True)


def _name_of(argument: str, annotation: Any) -> str:
    for each in get_args(annotation) if get_origin(annotation) is Annotated else ():
        if isinstance(each, StrawberryArgumentAnnotation) and each.name is not None:
            return each.name
    return to_camel_case(argument)


def _as_checked(kind: Any) -> Any:
    """An input that was written by hand is checked field by field. One that was derived is not: its model does."""
    if not has_object_definition(kind):
        return kind
    if kind in _DERIVED:
        return Any
    told: Any = {name: (spelt(each, _as_checked), None) for name, each in get_type_hints(kind).items()}
    model = create_model(kind.__name__, __config__=_STRICT, **told)

    def read(given: Any) -> Any:
        return kind(**dict(model.model_validate(_given(given))))

    return Annotated[Any, BeforeValidator(read)]


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


def _as_sent(scalar: ScalarDefinition, description: str) -> ScalarDefinition:
    """Its values are read by what takes them, an input or an argument (see `checked`): only that knows their names."""
    return replace(scalar, parse_value=lambda given: given, description=description)


_SCALARS: Mapping[object, ScalarDefinition] = {
    date: _as_sent(DateDefinition, "A day of ISO 8601: 2026-01-31"),
    datetime: _as_sent(DateTimeDefinition, "An instant of ISO 8601 with its zone: 2026-01-31T12:00:00Z"),
    Decimal: _as_sent(DecimalDefinition, 'A decimal in digits: "10.50"'),
    UUID: _as_sent(UUIDDefinition, "A UUID with its hyphens: 019ca000-0000-7000-8000-000000000002"),
}


class Subgraph(Schema):
    """A federated schema that leaves the logging of errors to `Errors`, which knows faults from refusals."""

    async def execute(self, query: str | None, *words: Any, **named: Any) -> Any:
        """Over HTTP, everything but subscriptions: executed like a query, one would answer null."""
        allowed = named.get("allowed_operation_types") or OperationType
        named["allowed_operation_types"] = {each for each in allowed if each is not OperationType.SUBSCRIPTION}
        result = await super().execute(query, *words, **named)
        if isinstance(result, PreExecutionError):  # the extensions are not told of one that cannot be parsed
            result.errors = [_told(error) for error in result.errors or ()]
        return result

    async def stream(self, query: str | None, *, context_value: Any = None, **named: Any) -> Any:  # type: ignore[override]
        """Over a WebSocket, subscriptions only; each with a context of its own."""
        named["allowed_operation_types"] = (OperationType.SUBSCRIPTION,)
        return _telling(await super().stream(query, context_value=context_value.again(), **named))

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
            return entity(id=reading(Id, id, field="id"))

        entity.resolve_reference = resolve_reference
        self._entities.append(entity)

    def schema(self) -> Subgraph:
        return Subgraph(
            query=create_type("Query", self._queries),
            mutation=create_type("Mutation", self._mutations) if self._mutations else None,
            subscription=create_type("Subscription", self._subscriptions) if self._subscriptions else None,
            types=self._entities,
            config=StrawberryConfig(scalar_map=_SCALARS),
            extensions=[Admission, Errors],
            federation_version="2.9",  # the newest the composer takes
        )

    def _one(self, resource: Resource, node: Any) -> Any:
        async def one(info: Ctx, id: UUID) -> node | None:
            found: Any = await load_one(info, resource, node, id)
            return found

        return _named(resource.name, strawberry.field, checked(one), "One, or null if there is none.")

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

        filters = filters_of(resource)

        async def page(
            info: Ctx,
            first: int = DEFAULT_PAGE,
            after: str | None = None,
            filter: filter_type | None = None,  # type: ignore[valid-type]
        ) -> Connection[node]:
            context = info.context
            context.actor.require(f"{self._service}:read")
            wanted = filters.model_validate({"filter": _given(filter)}).filter.model_dump(exclude_none=True)
            queries: Queries[Any] = Queries(resource, node, personal=context.actor.sees_personal)
            async with context.service.database.read(context.actor.tenant) as connection:
                found = await queries.page(connection, context.actor.tenant, first=first, after=after, filters=wanted)
            return connection_of(found)

        return _named(resource.plural, strawberry.field, checked(page), "Newest first.")

    def _mutation(self, resource: Resource, node: Any, command: Command) -> Any:
        input_type = _input_type(command.input.__name__ + "Input", _fields_of(command.input))
        documents = [name for name, (kind, _) in _fields_of(command.input).items() if _is_document(kind)]
        result: Any = Annotated[node | Problem, strawberry.union(f"{pascal(f'{command.name}_{resource.name}')}Result")]

        async def run(info: Ctx, given: Any, id: UUID | None, if_version: int | None, key: str | None) -> Any:
            context = info.context
            try:
                context.actor.require(f"{self._service}:{resource.write_verb}")
                named = None if id is None else reading(Id, id, field="id")
                key = None if key is None else reading(Key, key, field="idempotencyKey")
                call = Call(command, command.input.model_validate(_given(given)), id=named, expected_version=if_version)
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


async def _telling(results: AsyncGenerator[Any, None]) -> AsyncGenerator[Any, None]:
    """The results of a subscription. A document that could not be read would end it without a word."""
    try:
        async for result in results:
            yield result
    except GraphQLError as error:
        yield PreExecutionError(data=None, errors=[_told(error)])
    finally:
        await results.aclose()


_NOT_RUN = (InvalidOperationTypeError, CannotGetOperationTypeError, MissingQueryError)


def _told(error: GraphQLError) -> GraphQLError:
    original = error.original_error
    if isinstance(original, _NOT_RUN):
        return GraphQLError(_why_not_run(original), extensions={"code": ErrorCode.BAD_REQUEST})
    found = refusal(original) if original is not None else None
    if found is None and (original is None or isinstance(original, GraphQLError) or _is_of_the_request(error)):
        error.extensions = {"code": ErrorCode.INVALID_QUERY, **(error.extensions or {})}
        return error
    if isinstance(original, DomainError | ValidationError):
        assert found is not None
        details = found.problem
        for each in details.get("errors", ()):
            each["field"] = _camel(each["field"])
        extensions = {"code": details["code"], "problem": details}
        rules = "; ".join(f"{each['field']}: {each['rule']}" for each in details.get("errors", ()))
        words = original.detail if isinstance(original, DomainError) else rules
        return GraphQLError(words, error.nodes, path=error.path, extensions=extensions)
    details = found.problem if found is not None else fault(original or error, field=_field_of(error))
    return GraphQLError(
        details["detail"], error.nodes, path=error.path, extensions={"code": details["code"], "problem": details}
    )


def _why_not_run(error: Exception) -> str:
    if isinstance(error, InvalidOperationTypeError):
        return "Over a WebSocket there are subscriptions only: send queries and mutations by POST."
    if isinstance(error, CannotGetOperationTypeError):
        return "operationName: It says which of its operations is to be run."
    return "query is missing."


def _is_of_the_request(error: GraphQLError) -> bool:
    """A variable or an argument that is not of its type: nothing was executed."""
    return error.path is None and bool(error.nodes)


def _field_of(error: GraphQLError) -> str:
    """As the schema names it: the path has the names that the caller gave."""
    return next((node.name.value for node in error.nodes or () if isinstance(node, FieldNode)), "unknown")


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
        allowed_origins=["*"],  # kith.origins has looked
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
    derived = strawberry.input(make_dataclass(name, made, kw_only=True))
    _DERIVED.add(derived)
    return derived


_DERIVED: set[Any] = set()


def _fields_of(model: type[BaseModel]) -> Mapping[str, tuple[Any, Any]]:
    return {name: (f.annotation, MISSING if f.is_required() else f.default) for name, f in model.model_fields.items()}


@cache
def _nested_input(model: type[BaseModel]) -> Any:
    return _input_type(model.__name__.removesuffix("Input") + "Input", _fields_of(model))


def _plain(kind: Any) -> Any:
    """The bare type: constraints are the model's to check, once, with the whole input."""
    origin, inner = get_origin(kind), get_args(kind)
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


def _camel(name: str, documents: Sequence[str] = ()) -> str:
    first, *rest = name.split(".")
    return ".".join([to_camel_case(first), *(rest if first in documents else map(to_camel_case, rest))])
