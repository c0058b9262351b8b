"""Inputs that are right, made of what their models say."""

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from itertools import count
from typing import Any, get_args
from uuid import UUID

from pydantic import BaseModel
from strawberry.utils.str_converters import to_camel_case

from analytics.health.model.documents import HealthModelDocument
from analytics.health.model.gallery import GALLERY
from kith.events.sales import OrderPlaced
from kith.nouns.inputs import ENVELOPE, Document, Input

Body = dict[str, Any]

KNOWN: Mapping[str, Callable[[int], Any]] = {
    "email": lambda n: f"zebulon{n:06}@example.org",
    "phone": lambda n: f"+43 1 {5_550_000 + n}",
    "time_zone": lambda n: ("Europe/Vienna", "Asia/Tokyo")[n % 2],
    "event_types": lambda _: [OrderPlaced.type],
    "gallery": lambda _: "retail",
}
"""By field: what its schema does not say."""
DOCUMENTS: Mapping[type[Document], Callable[[int], Any]] = {
    HealthModelDocument: lambda n: {**GALLERY["retail"].document, "title": f"Title {n}"},
}
"""Documents with rules among their fields."""
_FORMATS = {"date-time": "2199-01-01T00:00:00Z", "date": "2026-01-31"}
_number = count(1)


def example(model: type[Input], ids: Mapping[str, str], *, variant: int = 0, without: Iterable[str] = ()) -> Body:
    """All of its fields but the ones in `without`. Texts are other ones each time; what is one of a list, or
    a number, is another one by `variant`."""
    schema = model.model_json_schema()
    made: Body = {}
    for name, each in schema["properties"].items():
        if name in ENVELOPE or name in without:
            continue
        if name in ids:
            made[name] = ids[name]
        elif (document := _document(model.model_fields[name].annotation)) is not None:
            made[name] = DOCUMENTS[document](next(_number))
        else:
            made[name] = _value(each, name, schema.get("$defs", {}), variant)
    return made


def _document(annotation: Any) -> type[Document] | None:
    return next((each for each in (annotation, *get_args(annotation)) if each in DOCUMENTS), None)


def _value(schema: Any, name: str, defs: Any, variant: int) -> Any:
    if "$ref" in schema:
        return _value(defs[schema["$ref"].rpartition("/")[2]], name, defs, variant)
    if choices := schema.get("oneOf", schema.get("anyOf")):
        return _value(choices[0], name, defs, variant)
    match schema:
        case {"type": "object"}:
            fields = {each: schema["properties"][each] for each in schema.get("required", ())}
            found: Any = {each: _value(kind, each, defs, variant) for each, kind in fields.items()}
        case {"type": "array"} if name not in KNOWN:
            found = [_value(schema["items"], name, defs, variant) for _ in range(schema.get("minItems", 1))]
        case {"enum": members}:
            found = members[variant % len(members)]
        case {"type": "integer" | "number"}:
            found = min(max(10 - variant, schema.get("minimum", 0)), schema.get("maximum", 10))
        case {"type": "boolean"}:
            found = variant % 2 == 0
        case _:
            found = _text(schema, name)
    return found


def _text(schema: Any, name: str) -> Any:
    if name in KNOWN:
        return KNOWN[name](next(_number))
    if schema.get("pattern") == "^[A-Z]{3}$":
        return "EUR"
    return schema.get("const") or _FORMATS.get(schema.get("format", ""), f"Zebulon {next(_number):06}")


def names_ids(model: type[BaseModel]) -> list[str]:
    """Its fields that hold an id."""
    return [name for name, each in model.model_fields.items() if _holds(each.annotation, UUID)]


def _holds(annotation: Any, kind: type) -> bool:
    return annotation is kind or any(_holds(each, kind) for each in get_args(annotation))


def as_graphql(model: type[BaseModel], body: Body) -> Body:
    """The same as a variable of GraphQL: names in camel case, and of an enumeration the member's name."""
    kinds = {name: each.annotation for name, each in model.model_fields.items()}
    return {to_camel_case(name): _as_graphql(kinds[name], value) for name, value in body.items()}


def _as_graphql(annotation: Any, value: Any) -> Any:
    if isinstance(value, list):
        return [_as_graphql(get_args(annotation)[0], each) for each in value]
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, Enum):
            return kind(value).name
        if isinstance(kind, type) and issubclass(kind, BaseModel) and not issubclass(kind, Document):
            return as_graphql(kind, value)
    return value
