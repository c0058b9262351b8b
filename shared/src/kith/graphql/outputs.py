"""The types of GraphQL that a view's fields have: what a view holds is derived, and nothing is declared twice."""

from dataclasses import is_dataclass
from enum import Enum
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import strawberry
from strawberry.scalars import JSON
from strawberry.types import has_object_definition

from kith.values import Value, shown_type


def shown_types(view: type[Any]) -> dict[str, Any]:
    """Returns the fields of a view whose type is another one in GraphQL, each with that."""
    found = {name: (kind, _shown(kind)) for name, kind in get_type_hints(view).items()}
    return {name: shown for name, (kind, shown) in found.items() if shown != kind}


def _shown(kind: Any) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if kind == dict[str, Any]:
        return JSON
    if origin in (Union, UnionType):
        return Union[tuple(_shown(each) for each in inner)]  # noqa: UP007 - built at run time
    if origin is list:
        return list[_shown(inner[0])]  # type: ignore[misc]
    if isinstance(kind, type) and is_dataclass(kind):
        return _object(kind)
    return kind


@cache
def _object(kind: type[Any]) -> type[Any]:
    """Returns the object type of a value. A value object itself stays as it is: Strawberry would unfreeze it."""
    shown = shown_type(kind) if issubclass(kind, Value) else kind
    for each in get_type_hints(shown).values():
        for part in (each, *get_args(each)):
            if isinstance(part, type) and issubclass(part, Enum):
                strawberry.enum(part)
    if not has_object_definition(shown):
        strawberry.type(shown, description=kind.__doc__ if issubclass(kind, Value) else None)
    return shown
