"""What one GraphQL request may ask of a service: bounded before it is validated and executed, the cheapest first. The
gateway holds to the same, so that what passes there passes here."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    get_operation_ast,
    parse,
)
from prometheus_client import Counter
from strawberry.extensions import SchemaExtension
from strawberry.schema.schema import validate_document

from kith.error_codes import ErrorCode
from kith.graphql.cost import Circular, TooDeep, cost_of, repeats_of, size_of
from kith.runtime.settings import Settings

REFUSED = Counter("kith_graphql_refused_total", "GraphQL documents refused, by what was too large", ["measure"])

_ROOM = 3
"""A gateway puts in fragments, keys and aliases when it asks, and many questions into one."""
_KEPT_CHARACTERS = 200_000
_WORDS = {
    "documentCharacters": "characters",
    "tokens": "tokens",
    "definitions": "operations and fragments",
    "depth": "levels of fields",
    "rootFields": "fields at the root, fragments put in",
    "aliases": "aliases, fragments put in",
    "directives": "directives, fragments put in",
    "fields": "fields, fragments put in",
    "repeats": "times the same field at one position, fragments put in",
}


@dataclass(frozen=True)
class GraphQLLimits:
    document_characters: int = 32 * 1024 * _ROOM
    tokens: int = 2000 * _ROOM
    definitions: int = 50 * _ROOM
    depth: int = 15
    fields: int = 500 * _ROOM
    repeats: int = 40
    root_fields: int = 30 * _ROOM
    aliases: int = 60 * _ROOM
    directives: int = 50 * _ROOM
    cost: int = 20_000

    @classmethod
    def of(cls, settings: Settings) -> "GraphQLLimits":
        return cls(
            document_characters=settings.graphql_document_characters * _ROOM,
            tokens=settings.graphql_tokens * _ROOM,
            definitions=settings.graphql_definitions * _ROOM,
            depth=settings.graphql_depth,
            fields=settings.graphql_fields * _ROOM,
            repeats=settings.graphql_repeats,
            root_fields=settings.graphql_root_fields * _ROOM,
            aliases=settings.graphql_aliases * _ROOM,
            directives=settings.graphql_directives * _ROOM,
            cost=settings.graphql_cost,
        )


class QueryTooCostly(GraphQLError):
    """Over a limit. `requested` is None where counting stopped at the limit."""

    def __init__(self, measure: str, requested: int | None, limit: int) -> None:
        REFUSED.labels(measure).inc()
        details = {"measure": measure, "requested": requested, "limit": limit}
        if measure == "cost":
            words = f"It may cost {requested}, and {limit} is the most: ask for smaller pages, or less of each."
        else:
            words = f"A query has at most {limit} {_WORDS[measure]}; this has {requested or 'more'}."
        super().__init__(words, extensions={"code": ErrorCode.QUERY_TOO_COSTLY, **details})


_Key = tuple[str, object, GraphQLLimits]


@dataclass(eq=False)
class _Document:
    parsed: DocumentNode
    errors: list[GraphQLError] | None = None
    """None until it is validated."""


@dataclass
class _Kept:
    """Documents that were read, the newest last, up to so many characters."""

    documents: dict[_Key, _Document] = field(default_factory=dict)
    characters: int = 0

    def get(self, key: _Key) -> _Document | None:
        found = self.documents.pop(key, None)
        if found is not None:
            self.documents[key] = found
        return found

    def put(self, key: _Key, document: _Document) -> None:
        self.documents[key] = document
        self.characters += len(key[0])
        while self.characters > _KEPT_CHARACTERS:
            oldest = next(iter(self.documents))
            del self.documents[oldest]
            self.characters -= len(oldest[0])


class Admission(SchemaExtension):
    """Reads each document once, and holds it to the limits of the service: syntax and size when it is parsed, the cost
    with its variables before it is validated."""

    kept = _Kept()
    _document: _Document
    _cost: dict[str, int] | None = None

    def on_parse(self) -> Iterator[None]:
        context = self.execution_context
        key = (context.query or "", context.schema, self._limits)
        found = self.kept.get(key)
        if found is None:
            found = _Document(read(key[0], self._limits))
            self.kept.put(key, found)
        self._document, context.graphql_document = found, found.parsed
        yield

    def on_validate(self) -> Iterator[None]:
        context = self.execution_context
        operation = get_operation_ast(self._document.parsed, context.operation_name)
        schema = context.schema._schema  # noqa: SLF001 - strawberry has no other way to graphql's own
        if operation is not None:
            cost, limit = cost_of(schema, self._document.parsed, operation, context.variables), self._limits.cost
            if cost > limit:
                self._cost = {"requested": cost, "limit": limit}
                raise QueryTooCostly("cost", cost, limit)
        if self._document.errors is None:
            self._document.errors = validate_document(schema, self._document.parsed, context.validation_rules)
        context.pre_execution_errors = self._document.errors
        yield

    def get_results(self) -> dict[str, Any]:
        return {} if self._cost is None else {"cost": self._cost}

    @property
    def _limits(self) -> GraphQLLimits:
        limits: GraphQLLimits = self.execution_context.context.service.graphql_limits
        return limits


def read(query: str, limits: GraphQLLimits) -> DocumentNode:
    """Raises QueryTooCostly, or GraphQLError for what is no GraphQL."""
    _bound("documentCharacters", len(query), limits.document_characters)
    try:
        document = parse(query, max_tokens=limits.tokens)
    except GraphQLSyntaxError as error:
        if "Document contains more than" in error.message:
            raise QueryTooCostly("tokens", None, limits.tokens) from None
        raise
    _bound("definitions", len(document.definitions), limits.definitions)
    for each in document.definitions:
        if isinstance(each, OperationDefinitionNode):
            _bound_size(document, each, limits)
    return document


def _bound_size(document: DocumentNode, operation: OperationDefinitionNode, limits: GraphQLLimits) -> None:
    try:
        size = size_of(document, operation)
    except TooDeep:
        raise QueryTooCostly("depth", None, limits.depth) from None
    except Circular:
        raise GraphQLError(
            "A fragment must not contain itself.", extensions={"code": ErrorCode.INVALID_QUERY}
        ) from None
    _bound("depth", size.depth, limits.depth)
    _bound("rootFields", size.root_fields, limits.root_fields)
    _bound("aliases", size.aliases, limits.aliases)
    _bound("directives", size.directives, limits.directives)
    _bound("fields", size.fields, limits.fields)
    _bound("repeats", repeats_of(document, operation), limits.repeats)


def _bound(measure: str, requested: int, limit: int) -> None:
    if requested > limit:
        raise QueryTooCostly(measure, requested, limit)
