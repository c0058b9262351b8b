"""Derives GraphQL from the nouns of a service: for each a type, a query for one, a list, and a mutation per command.

The type of a noun is its view, with its relations. A noun of another service is an entity: its id, and the fields that
this service adds. The result of a mutation is the noun or a Problem, never a bare error.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, make_dataclass
from dataclasses import field as dataclass_field
from functools import cache, partial
from inspect import getdoc
from typing import Annotated, Any, TypeVar, cast
from uuid import UUID

import strawberry
from pydantic import ConfigDict, ValidationError, create_model
from strawberry.schema.config import StrawberryConfig
from strawberry.tools import create_type
from strawberry.utils.str_converters import to_camel_case

from kith.errors import DomainError
from kith.graphql.connections import NounConnection
from kith.graphql.context import Ctx
from kith.graphql.errors import Errors, Problem
from kith.graphql.inputs import SCALARS, as_given, checked, derived_input, fields_of, graphql_input_of, is_document
from kith.graphql.limits import Admission
from kith.graphql.orders import order_input, terms_of
from kith.graphql.outputs import shown_types
from kith.graphql.subgraph import Subgraph
from kith.http import problems
from kith.nouns.access import reach_to_read, reach_to_write
from kith.nouns.calls import By, Call, ensure_permitted
from kith.nouns.history_api import history_field
from kith.nouns.lists.listing import Asked, Listing
from kith.nouns.lists.pages import DEFAULT_PAGE
from kith.nouns.loads import load_one, load_page, page_of
from kith.nouns.node_ids import Node, NodeId, node_id_field
from kith.nouns.parameters import First, pascal, type_name
from kith.nouns.queries import Queries
from kith.nouns.resource import Command, One, Resource, View
from kith.scalars import Cursor, Id, Key, SearchText, reading

N = TypeVar("N")

_SEARCH = """What agrees with words, with the beginning of an external id, an address or a telephone number: of each
noun that is asked for, the best first."""


@dataclass(frozen=True)
class Fields:
    """The fields that a feature adds to a service's subgraph beside the nouns."""

    queries: Sequence[Any] = ()
    queries_of: Callable[[Mapping[str, Any]], Sequence[Any]] = lambda _: ()
    """Further queries, given the types of the service's nouns by their names."""
    mutations_of: Callable[[Mapping[str, Any]], Sequence[Any]] = lambda _: ()
    """Mutations beside the commands, given the same."""
    subscriptions: Sequence[Any] = ()
    """Each checks its arguments, and returns `watching` its events."""
    extends: Mapping[str, Sequence[Any]] = dataclass_field(default_factory=dict)
    """Additional fields, by the name of a noun or of another service's entity."""


class Graph:
    """The subgraph of a service. `entities` are the types of other services' nouns that features name themselves; types
    that only relations name are made here, and those of `nodes`, the nouns of others whose records it finds by their
    `nodeId`."""

    def __init__(
        self,
        service: str,
        listings: Mapping[str, Listing],
        features: Sequence[Fields] = (),
        entities: Sequence[Any] = (),
        nodes: Sequence[str] = (),
    ) -> None:
        self._service = service
        self._listings = listings
        self._resources = {name: each.resource for name, each in listings.items()}
        self._features = features
        # All types exist before their fields, which name each other.
        self._nodes = {
            name: type(type_name(name), (each.view,) if each.singleton else (each.view, Node), {})
            for name, each in self._resources.items()
        }
        self._finds_nodes = bool(nodes)
        stubs = {name: make_dataclass(type_name(name), [("id", UUID)], bases=(Node,)) for name in nodes}
        self._entities: dict[str, Any] = stubs | {_noun_of(each): each for each in entities}
        for resource in self._resources.values():
            for relation in resource.relations:
                if relation.noun not in {*self._nodes, *self._entities}:
                    self._entities[relation.noun] = make_dataclass(type_name(relation.noun), [("id", UUID)])
        self._orders = {name: order_input(each) for name, each in listings.items()}
        for resource in self._resources.values():
            self._complete_node(resource)
        for name, entity in self._entities.items():
            self._complete_entity(name, entity)

    def schema(self) -> Subgraph:
        queries = [each for resource in self._resources.values() for each in self._queries_of(resource)]
        queries.append(self._complete_search())
        if self._finds_nodes:
            queries.append(self._node())
        for feature in self._features:
            queries += [*feature.queries, *feature.queries_of(self._nodes)]
        mutations = [
            self._mutation(resource, self._nodes[resource.name], command)
            for resource in self._resources.values()
            for command in resource.commands
        ]
        mutations += [each for feature in self._features for each in feature.mutations_of(self._nodes)]
        subscriptions = [each for feature in self._features for each in feature.subscriptions]
        return Subgraph(
            query=create_type("Query", queries),
            mutation=create_type("Mutation", mutations) if mutations else None,
            subscription=create_type("Subscription", subscriptions) if subscriptions else None,
            types=list(self._entities.values()),
            config=StrawberryConfig(scalar_map=SCALARS),
            extensions=[Admission, Errors],
            federation_version="2.9",  # the newest version the composer takes
        )

    def _complete_node(self, resource: Resource) -> None:
        node: Any = self._nodes[resource.name]
        for kind in resource.enums:
            strawberry.enum(kind)
        node.__annotations__ = shown_types(resource.view)
        for relation in (each for each in resource.relations if not each.one_sided):
            _add_field(node, relation.name, self._to_one(resource, relation))
        self._add_fields(resource.name, node)
        if not resource.insert_only:
            _add_field(node, "history", history_field(self._service, resource))
        if resource.singleton is not None:
            strawberry.type(node)
            return

        async def resolve_reference(info: Ctx, id: str, **_: object) -> Any:
            return await load_one(info, self._listings[resource.name], node, reading(Id, id, field="id"))

        node.node_id = node_id_field()
        strawberry.federation.type(node, keys=["id"])
        node.resolve_reference = resolve_reference

    def _complete_entity(self, name: str, entity: Any) -> None:
        self._add_fields(name, entity)

        def resolve_reference(id: str, **_: object) -> Any:
            return entity(id=reading(Id, id, field="id"))

        if issubclass(entity, Node):
            entity.node_id = node_id_field()
        strawberry.federation.type(entity, keys=["id"])
        entity.resolve_reference = resolve_reference

    def _add_fields(self, name: str, kind: Any) -> None:
        """Adds the lists of the nouns that relate to it, and the fields that features add to it."""
        for resource in self._resources.values():
            for relation in resource.relations:
                if relation.noun == name and relation.many:
                    _add_field(kind, relation.many, self._to_many(resource, relation))
        for feature in self._features:
            for field in feature.extends.get(name, ()):
                _add_field(kind, field.python_name, field)

    def _to_one(self, resource: Resource, relation: One) -> Any:
        if relation.noun in self._nodes:
            target, node = self._listings[relation.noun], self._nodes[relation.noun]

            async def load(self: Any, info: Ctx) -> node | None:  # type: ignore[valid-type]
                id = getattr(self, relation.column)
                return cast("Any", await load_one(info, target, node, id)) if id else None

            return strawberry.field(load, name=to_camel_case(relation.name))
        entity = self._entities[relation.noun]
        kind = entity | None if resource.table.c[relation.column].nullable else entity

        def name(self: Any) -> kind:  # type: ignore[valid-type]
            id = getattr(self, relation.column)
            return entity(id=id) if id else None

        return strawberry.field(name, name=to_camel_case(relation.name))

    def _to_many(self, resource: Resource, relation: One) -> Any:
        listing, node, column = self._listings[resource.name], self._nodes[resource.name], relation.column
        where_type, order_type = graphql_input_of(listing.where), self._orders[resource.name]

        async def load(
            self: Any,
            info: Ctx,
            first: First = 20,
            after: Cursor | None = None,
            where: where_type | None = None,  # type: ignore[valid-type]
            order_by: list[order_type] | None = None,  # type: ignore[valid-type]
        ) -> NounConnection[node] | None:  # type: ignore[valid-type]
            asked = _asked(info, listing, where, order_by, first, after)
            return await load_page(info, listing, node, asked, of=column, owner=self.id)

        return strawberry.field(checked(load), description=relation.words, name=to_camel_case(relation.many))

    def _queries_of(self, resource: Resource) -> Iterable[Any]:
        node = self._nodes[resource.name]
        if resource.singleton is not None:
            yield self._of_tenant(resource, node)
        else:
            yield self._one(resource, node)
            yield self._list(resource, node)

    def _one(self, resource: Resource, node: Any) -> Any:
        async def one(info: Ctx, id: UUID) -> node | None:
            found: Any = await load_one(info, self._listings[resource.name], node, id)
            return found

        return _named(resource.name, strawberry.field, checked(one), "One, or null if there is none.")

    def _node(self) -> Any:
        by_type = {type_name(name): name for name, each in self._resources.items() if each.singleton is None}
        others = {kind.__name__: kind for kind in self._entities.values() if issubclass(kind, Node)}

        async def node(info: Ctx, id: strawberry.ID) -> Node | None:
            named = NodeId.of(id)
            if (name := by_type.get(named.type)) is not None:
                found: Any = await load_one(info, self._listings[name], self._nodes[name], named.id)
                return cast("Node | None", found)
            # Whether it is there the service says that has it: it shows none of its fields then.
            return others[named.type](id=named.id) if named.type in others else None

        return _named("node", strawberry.field, node, "The record with this `nodeId`, of any noun of any service.")

    def _of_tenant(self, resource: Resource, node: Any) -> Any:
        async def singleton(info: Ctx) -> node:
            context = info.context
            reach = reach_to_read(context.actor, self._service, resource)
            queries: Queries[Any] = Queries(
                self._listings[resource.name], node, reach=reach, personal=context.disclosure
            )
            async with context.service.database.read(context.actor.tenant) as connection:
                return await queries.singleton(connection, context.actor.tenant)

        return _named(
            resource.name,
            strawberry.field,
            singleton,
            "The tenant's. Version 0 is the initial state, before any change.",
        )

    def _list(self, resource: Resource, node: Any) -> Any:
        listing = self._listings[resource.name]
        where_type, order_type = graphql_input_of(listing.where), self._orders[resource.name]

        async def page(
            info: Ctx,
            first: First = DEFAULT_PAGE,
            after: Cursor | None = None,
            where: where_type | None = None,  # type: ignore[valid-type]
            order_by: list[order_type] | None = None,  # type: ignore[valid-type]
            q: SearchText | None = None,
        ) -> NounConnection[node]:
            asked = _asked(info, listing, where, order_by, first, after, q)
            return await page_of(info, listing, node, asked)

        words = "Newest first, unless `orderBy` says otherwise; the best first, where `q` says what is searched for."
        return _named(resource.plural, strawberry.field, checked(page), words)

    def _complete_search(self) -> Any:
        """Adds the nouns to the type of a search of all of them, and returns the query of it. A gateway asks each
        service for its own nouns."""
        search: Any = type("Search", (), {"__annotations__": {"q": str}, "__doc__": _SEARCH})
        for resource in self._resources.values():
            if resource.singleton is None:
                _add_field(search, resource.plural, self._found(resource, self._nodes[resource.name]))

        def resolve_reference(q: str, **_: object) -> Any:
            return search(q=reading(SearchText, q, field="q"))

        search.resolve_reference = resolve_reference
        strawberry.federation.type(search, keys=["q"], description=_SEARCH)

        def found(q: SearchText) -> search:
            return search(q=q)

        return _named("search", partial(strawberry.federation.field, shareable=True), checked(found), _SEARCH)

    def _found(self, resource: Resource, node: Any) -> Any:
        listing = self._listings[resource.name]
        where_type = graphql_input_of(listing.where)

        async def page(
            self: Any,
            info: Ctx,
            first: First = 20,
            after: Cursor | None = None,
            where: where_type | None = None,  # type: ignore[valid-type]
        ) -> NounConnection[node] | None:
            asked = _asked(info, listing, where, None, first, after, self.q)
            return await page_of(info, listing, node, asked)

        return strawberry.field(checked(page), description="The best first.", name=to_camel_case(resource.plural))

    def _mutation(self, resource: Resource, node: Any, command: Command) -> Any:
        input_type = derived_input(command.input.__name__ + "Input", fields_of(command.input))
        documents = [name for name, (kind, _) in fields_of(command.input).items() if is_document(kind)]
        result: Any = Annotated[node | Problem, strawberry.union(f"{pascal(f'{command.name}_{resource.name}')}Result")]

        async def run(info: Ctx, given: Any, id: UUID | None, if_version: int | None, key: str | None) -> Any:
            context = info.context
            try:
                by = By(context.actor.id, reach_to_write(context.actor, self._service, resource))
                named = None if id is None else reading(Id, id, field="id")
                key = None if key is None else reading(Key, key, field="idempotencyKey")
                call = Call(
                    command, command.input.model_validate(as_given(given)), id=named, expected_version=if_version
                )
                ensure_permitted(context.actor, self._service, [call])
                answer = await context.service.commands.run_one(
                    context.actor.tenant, resource, call, by=by, idempotency_key=key
                )
            except (DomainError, ValidationError) as error:
                return Problem.of(problems.of_refusal(error), documents)
            context.recorded(answer.recorded_at)
            return _shown(answer.view, resource, node, personal=context.sees_personal)

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
        return _named(name, strawberry.mutation, resolver, getdoc(command.rule))


def _asked(
    info: Ctx, listing: Listing, where: Any, order_by: Any, first: int, after: str | None, q: str | None = None
) -> Asked:
    """Raises ValidationError, Invalid and Forbidden."""
    given = None if where is None else _wrapped(listing).model_validate({"where": as_given(where)}).where
    personal = info.context.sees_personal
    return listing.asked_in_graphql(given, terms_of(order_by), first, after, q, personal=personal)


@cache
def _wrapped(listing: Listing) -> Any:
    """Returns the model of the argument, so that an error names it."""
    return create_model("Where", __config__=ConfigDict(strict=True), where=(listing.where, ...))


def _shown(view: View, resource: Resource, node: Any, *, personal: bool) -> Any:
    row = {name: getattr(view, name) for name in resource.view_fields}
    return node(**(row if personal else resource.hidden(row)))


def _named(name: str, kind: Callable[..., Any], resolver: Any, description: str | None) -> Any:
    resolver.__name__ = name  # the field's name is taken from the function
    return kind(resolver, description=description)


def _add_field(kind: type, name: str, field: Any) -> None:
    """Raises TypeError for a field that is there already: one of the view, another relation's or feature's."""
    if hasattr(kind, name):
        raise TypeError(f"{kind.__name__} has two fields `{name}`.")
    setattr(kind, name, field)


def _noun_of(entity: type) -> str:
    """`CreditNote` is the type of a `credit_note`."""
    return re.sub("(?<=[a-z])(?=[A-Z])", "_", entity.__name__).lower()
