"""Values that break what trusts them, and where a service's contracts say that values come in."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    get_named_type,
    is_list_type,
    is_non_null_type,
    is_required_argument,
    is_required_input_field,
)
from graphql.type import is_leaf_type

ROOT = Path(__file__).parents[2]

INSTANTS = (
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "1899-12-31T23:59:59.999999Z",
    "1900-01-01T00:00:00Z",
    "1969-12-31T23:59:59.999999Z",
    "2024-02-29T00:00:00.000001+05:45",
    "2200-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59-14:00",
    "2026-01-01 00:00Z",
    "2026-01-01T24:00:00Z",
    "2026-12-31T23:59:60Z",
    "2026-02-30",
    "0001-01-01",
    "9999-12-31",
    "2200-12-31",
    "-infinity",
    "now",
)
NUMERALS = (
    "1_000",
    "\uff11\uff12",
    "+5",
    " 5 ",
    "1e3",
    "1e-400",
    "NaN",
    "-Infinity",
    "-0",
    "05",
    "0x10",
    "9" * 400,
    "0.00001",
    "10.50",
)
TEXTS = (
    "",
    " ",
    "\0",
    "a\0b",
    "a\u0085b",
    "a\r\nb\tc",
    "\u200b\ufeff",
    "e\u0301",
    "\u202eabc",
    "\ufdfa" * 500,
    "\uffff\U0010ffff",
    "x" * 501,
    "x" * 100_000,
    "%s%n{0}$1\\",
    "'; DROP TABLE orders; --",
    "localtime",
    "US/Eastern",
    "EUR",
    "XXX",
    "urn:uuid:019ca000-0000-7000-8000-000000000002",
    "{019ca000-0000-7000-8000-000000000002}",
    "019CA000-0000-7000-8000-000000000002",
    "00000000-0000-0000-0000-000000000000",
    "WyIwMDAxLTAxLTAxVDAwOjAwOjAwWiIsIjAxOWNhMDAwLTAwMDAtNzAwMC04MDAwLTAwMDAwMDAwMDAwMiJd",
    "bnVsbA==",
    'segment:"',
    "true",
)
NUMBERS: tuple[float, ...] = (
    0,
    -1,
    1,
    0.1,
    2**31,
    -(2**31),
    2**63,
    10**12,
    10**12 + 1,
    9_223_372_036_855,
    10**400,
    1e308,
    -1e308,
    5e-324,
    1735689600,
)
SHAPES: tuple[Any, ...] = (None, True, False, [], {}, [None], [[]], {"a": {"b": None}}, ["a\0"], [0] * 1000, {"\0": 1})
VALUES: tuple[Any, ...] = (*INSTANTS, *NUMERALS, *TEXTS, *NUMBERS, *SHAPES)
IN_TEXT = (*INSTANTS, *NUMERALS, *TEXTS, "[]", "null", "-1", "0", str(2**63), "1735689600")
NO_JSON = (
    "",
    "null",
    '"x"',
    "[]",
    "7",
    "{",
    "[" * 1000 + "]" * 1000,
    '{"a": 1, "a": 2}',
    '{"a": "\\ud800"}',
    '{"a": "\udcff"}',
    "NaN",
    "1" * 5000,
)

Known = Mapping[str, Any]
"""What a field of that name holds in a request that is right: ids of what there is. One of a path or of a field of
GraphQL alone is named with it: `orders.id`, `winOpportunity.id`."""
FieldPath = tuple[str | int, ...]


@dataclass(frozen=True)
class Call:
    """A request, written so that a failure can be tried by hand."""

    method: str
    path: str
    body: str | None = None
    headers: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return f"{self.method} {self.path[:300]} {(self.body or '')[:600]} {dict(self.headers)}"


class Turns:
    """Deals the values out: to each field every so many-th, to the next field the ones after them."""

    def __init__(self, every: int, values: Sequence[Any] = VALUES) -> None:
        self._every, self._values = every, values
        self._next = 0

    def __call__(self) -> Sequence[Any]:
        self._next += 1
        return self._values[self._next % self._every :: self._every]


class Once:
    """Remembers which schemas of conditions were gone into: they are the same code wherever they stand, and contain
    themselves."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def again(self, name: str) -> bool:
        if not name.endswith(("Condition", "Where")):
            return False
        seen = name in self._seen
        self._seen.add(name)
        return seen


def with_parameters(document: Any) -> Any:
    """Returns the document with the parameters that operations refer to."""
    for methods in document["paths"].values():
        for operation in methods.values():
            referred = [each.get("$ref", "").rpartition("/")[2] for each in operation.get("parameters", ())]
            operation["parameters"] = [
                document["components"]["parameters"][name] if name else each
                for name, each in zip(referred, operation.get("parameters", ()), strict=True)
            ]
    return document


class Rest:
    """What an OpenAPI document says can be sent."""

    def __init__(self, service: str, known: Known) -> None:
        self._document = with_parameters(json.loads((ROOT / "services" / service / "openapi.json").read_text()))
        self._known = known
        self._conditions = Once()

    def collections(self) -> list[str]:
        """Paths of what can be listed and exported."""
        return [path.removesuffix(":export") for path in self._document["paths"] if path.endswith(":export")]

    def created(self, path: str) -> Any:
        """The body of a request that creates one."""
        return self.example(self._body(self._document["paths"][path]["post"]), path)

    def bulks(self) -> Iterator[Call]:
        """For each field of each row a request of many rows, each with another value there."""
        for path, methods in self._document["paths"].items():
            if path.endswith(":bulk"):
                yield from (Call("POST", path, body) for body in self._rows(path, self._body(methods["post"])))

    def calls(self, every: int = 1) -> Iterator[Call]:
        """Each parameter and each field of each body with each value in turn, all else being right; each field, and
        each parameter from the second operation on that has it, with every so many-th value only. What is in the rows
        of bulk requests is left to `bulks`."""
        turns, self._of_parameters = Turns(every), Turns(every, IN_TEXT)
        self._parameters_seen: set[str] = set()
        for path, methods in self._document["paths"].items():
            for method, operation in methods.items():
                yield from self._parameters(method.upper(), path, operation)
                if (schema := self._body(operation)) is not None:
                    url = self._url(path, self._right(operation, path))
                    yield from (Call(method.upper(), url, body) for body in NO_JSON)
                    if not path.endswith(":bulk"):
                        yield from (Call(method.upper(), url, body) for body in self._bodies(path, schema, turns))

    def _parameters(self, method: str, path: str, operation: Any) -> Iterator[Call]:
        right, schema = self._right(operation, path), self._body(operation)
        body = None if schema is None else json.dumps(self.example(schema, path))
        for each in operation.get("parameters", ()):
            is_condition = "." in each["name"]
            if is_condition and path.endswith(":export"):
                continue  # they are read as the list's are
            for value in self._of_parameters() if is_condition or self._is_seen(each) else IN_TEXT:
                if each["in"] == "header":
                    yield Call(method, self._url(path, right), body, ((each["name"], value),))
                else:
                    yield Call(method, self._url(path, right | {each["name"]: value}), body)

    def _is_seen(self, parameter: Any) -> bool:
        """Whether an operation before had the same one."""
        text = json.dumps(parameter, sort_keys=True)
        seen = text in self._parameters_seen
        self._parameters_seen.add(text)
        return seen

    def _right(self, operation: Any, path: str) -> dict[str, str]:
        return {
            each["name"]: str(self.example(each["schema"], path, each["name"]))
            for each in operation.get("parameters", ())
            if each["in"] == "path" or each.get("required")
        }

    def _url(self, path: str, values: Mapping[str, str]) -> str:
        query_values = {name: value for name, value in values.items() if f"{{{name}}}" not in path}
        query = "&".join(f"{quote(name)}={quote(value, safe='')}" for name, value in query_values.items())
        for name, value in values.items():
            path = path.replace(f"{{{name}}}", quote(value, safe=""))
        return f"{path}?{query}" if query else path

    def _body(self, operation: Any) -> Any:
        content = operation.get("requestBody", {}).get("content", {})
        return content["application/json"]["schema"] if "application/json" in content else None  # but for files

    def _bodies(self, path: str, schema: Any, turns: Turns) -> Iterator[str]:
        right = self.example(schema, path)
        for field in self.paths(schema, path):
            yield from (json.dumps(put(right, field, value)) for value in turns())

    def _rows(self, path: str, schema: Any) -> Iterator[str]:
        of_rows = self._resolved(self._resolved(schema)["properties"]["rows"])["items"]
        for row in of_rows.get("anyOf", [of_rows]):
            right = self.example(row, path)
            for field in self.paths(row, path):
                rows = [
                    put(right | {"external_id": f"{'.'.join(map(str, field))}/{number}"}, field, value)
                    for number, value in enumerate(VALUES)
                ]
                yield json.dumps({"rows": rows})

    def _resolved(self, schema: Any) -> Any:
        while "$ref" in schema:
            _, _, *names = schema["$ref"].split("/")
            found = self._document["components"]
            for name in names:
                found = found[name]
            schema = found
        return schema

    def paths(self, schema: Any, path: str, *, depth: int = 5) -> Iterator[FieldPath]:
        """Yields the paths of all fields, nested ones too."""
        if depth == 0 or self._conditions.again(schema.get("$ref", "").rpartition("/")[2]):
            return
        schema = self._resolved(schema)
        for choice in schema.get("oneOf", schema.get("anyOf", ())):
            yield from self.paths(choice, path, depth=depth)
        for name, each in schema.get("properties", {}).items():
            yield (name,)
            yield from ((name, *rest) for rest in self.paths(each, path, depth=depth - 1))
        if "items" in schema:
            yield (0,)
            yield from ((0, *rest) for rest in self.paths(schema["items"], path, depth=depth - 1))

    def example(self, schema: Any, path: str, name: str = "") -> Any:
        """What is right: required fields, and whose and how much it is."""
        schema = self._resolved(schema)
        noun = path.removeprefix("/v1/").partition("/")[0].partition(":")[0]
        known = self._known.get(f"{noun}.{name}", self._known.get(name))
        given = known if known is not None else schema.get("const", schema.get("default"))
        if given is not None:
            return given
        if choices := schema.get("oneOf", schema.get("anyOf")):
            return self.example(choices[0], path, name)
        match schema:
            case {"enum": [first, *_]}:
                found: Any = first
            case {"type": "object"}:
                fields = schema.get("properties", {})
                needed = [*schema.get("required", ()), *sorted(_USUAL & fields.keys())]
                found = {each: self.example(fields[each], path, each) for each in needed}
            case {"type": "array"}:
                found = [self.example(schema["items"], path, name) for _ in range(schema.get("minItems", 1))]
            case {"type": "integer" | "number"}:
                found = schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
            case {"type": "boolean"}:
                found = True
            case _:
                found = _OF_FORMAT.get(schema.get("format", ""), "a")
        return found


_USUAL = {"customer_id", "value", "currency"}
_OF_FORMAT = {
    "date-time": "2026-01-31T12:00:00Z",
    "date": "2026-01-31",
    "uuid": "019ca000-0000-7000-8000-000000000002",
}


def put(given: Any, field: FieldPath, value: Any) -> Any:
    """A copy with the value there; what is missing on the way is made."""
    first, *rest = field
    if isinstance(first, int):
        items = list(given) if isinstance(given, list) else []
        items[:1] = [put(items[0] if items else {}, tuple(rest), value) if rest else value]
        return items
    fields = dict(given) if isinstance(given, dict) else {}
    fields[first] = put(fields.get(first, {}), tuple(rest), value) if rest else value
    return fields


class Graph:
    """What a subgraph's schema says can be sent."""

    def __init__(self, service: str, known: Known) -> None:
        text = (ROOT / "services" / service / "schema.graphql").read_text()
        self._schema: GraphQLSchema = build_schema(text, assume_valid=True, assume_valid_sdl=True)
        self._known = known
        self._conditions = Once()

    def calls(self, every: int = 1) -> Iterator[Call]:
        """Each argument of each query, mutation and field of an entity, and each field of its inputs, with every so
        many-th value in turn."""
        self._turns = Turns(every)
        for kind, root in (("query", self._schema.query_type), ("mutation", self._schema.mutation_type)):
            for name, field in root.fields.items() if root else ():
                yield from self._field(kind, name, field.args, field.type, "%s")
        customer = self._schema.type_map.get("Customer")
        entity = f'_entities(representations: [{{__typename: "Customer", id: "{self._known["customer_id"]}"}}])'
        if isinstance(customer, GraphQLObjectType):
            for name, field in customer.fields.items():
                within = f"{entity} {{ ... on Customer {{ %s }} }}"
                yield from self._field("query", name, field.args, field.type, within)

    def _field(
        self, kind: str, name: str, arguments: Mapping[str, GraphQLArgument], answers: Any, within: str
    ) -> Iterator[Call]:
        right = {each: self._example(a.type, each, name) for each, a in arguments.items() if is_required_argument(a)}
        for argument, declared in arguments.items():
            for field in ((), *self._paths(declared.type)):
                sent = right | {argument: self._example(declared.type, argument, name)}
                for value in self._turns():
                    variables = put(sent, (argument, *field), value)
                    yield _call(kind, name, variables, arguments, answers, within)

    def _paths(self, kind: GraphQLInputType, depth: int = 3) -> Iterator[FieldPath]:
        item = () if not _is_list(kind) else (0,)
        if item:
            yield item
        named = get_named_type(kind)
        if isinstance(named, GraphQLInputObjectType) and depth and not self._conditions.again(named.name):
            for name, field in named.fields.items():
                yield (*item, name)
                yield from ((*item, name, *rest) for rest in self._paths(field.type, depth - 1))

    def _example(self, kind: GraphQLInputType, name: str, of: str) -> Any:
        if _is_list(kind):
            return [self._example(cast("GraphQLInputType", get_named_type(kind)), name, of)]
        named = get_named_type(kind)
        if (known := self._known.get(f"{of}.{name}", self._known.get(name))) is not None:
            return known
        if isinstance(named, GraphQLInputObjectType):
            needed = {each: field for each, field in named.fields.items() if is_required_input_field(field)}
            return {each: self._example(field.type, each, of) for each, field in needed.items()}
        if isinstance(named, GraphQLEnumType):
            return next(iter(named.values))
        return _OF_TYPE.get(named.name, "a")


_OF_TYPE = {
    "Int": 1,
    "Float": 1.0,
    "Boolean": True,
    "DateTime": _OF_FORMAT["date-time"],
    "Date": _OF_FORMAT["date"],
    "UUID": _OF_FORMAT["uuid"],
    "Decimal": "10",
    "JSON": {},
}


def _is_list(kind: Any) -> bool:
    return is_list_type(kind.of_type if is_non_null_type(kind) else kind)


def _call(
    kind: str,
    name: str,
    variables: Mapping[str, Any],
    arguments: Mapping[str, GraphQLArgument],
    answers: Any,
    within: str,
) -> Call:
    declared = ", ".join(f"${each}: {arguments[each].type}" for each in variables)
    passed = ", ".join(f"{each}: ${each}" for each in variables)
    shown = "" if is_leaf_type(get_named_type(answers)) else " { __typename }"
    query = f"{kind}({declared}) {{ {within % f'{name}({passed}){shown}'} }}"
    return Call("POST", "/graphql", json.dumps({"query": query, "variables": variables}))
