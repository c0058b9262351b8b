"""What a caller of GraphQL sends: arguments, read as kith.scalars has them, and inputs that are derived from the models
that check them."""

import inspect
import sys
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, make_dataclass, replace
from dataclasses import field as dataclass_field
from datetime import date, datetime
from decimal import Decimal
from functools import cache, wraps
from types import ModuleType
from typing import Annotated, Any, ForwardRef, Optional, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import strawberry
from pydantic import BaseModel, BeforeValidator, ConfigDict, TypeAdapter, ValidationError, create_model
from pydantic_core import InitErrorDetails
from strawberry import UNSET
from strawberry.scalars import JSON
from strawberry.schema.types.base_scalars import (
    DateDefinition,
    DateTimeDefinition,
    DecimalDefinition,
    UUIDDefinition,
)
from strawberry.types import has_object_definition
from strawberry.types.arguments import StrawberryArgumentAnnotation
from strawberry.types.scalar import ScalarDefinition
from strawberry.utils.str_converters import to_camel_case

from kith.nouns.inputs import Document, detail
from kith.nouns.lists.models import FieldCondition, Where
from kith.nouns.value_inputs import input_of
from kith.scalars import bare, spelt
from kith.values import Value


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
        for name, (alias, adapter) in arguments.items():
            if name in given:
                try:
                    found[name] = adapter.validate_python(given[name])
                except ValidationError as error:
                    wrong += [
                        detail((alias, *each["loc"]), each["msg"], each["input"])
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
    fields: Any = {name: (spelt(each, _as_checked), None) for name, each in get_type_hints(kind).items()}
    model = create_model(kind.__name__, __config__=_STRICT, **fields)

    def read(given: Any) -> Any:
        return kind(**dict(model.model_validate(as_given(given))))

    return Annotated[Any, BeforeValidator(read)]


def _as_sent(scalar: ScalarDefinition, description: str, document: str) -> ScalarDefinition:
    """Its values are read by what takes them, an input or an argument (see `checked`): only that knows their names."""
    url = f"https://www.rfc-editor.org/rfc/{document}"
    return replace(scalar, parse_value=lambda given: given, description=description, specified_by_url=url)


SCALARS: Mapping[object, ScalarDefinition] = {
    date: _as_sent(DateDefinition, "A day of ISO 8601: 2026-01-31", "rfc3339#section-5.6"),
    datetime: _as_sent(
        DateTimeDefinition, "An instant of ISO 8601 with its zone: 2026-01-31T12:00:00Z", "rfc3339#section-5.6"
    ),
    Decimal: _as_sent(DecimalDefinition, 'A decimal in digits: "10.50"', "rfc8259#section-6"),
    UUID: _as_sent(UUIDDefinition, "A UUID with its hyphens: 019ca000-0000-7000-8000-000000000002", "rfc9562"),
}


def as_given(value: Any) -> dict[str, Any]:
    """What was sent: fields left out stay out, so that the model's own defaults hold."""
    if value is None or value is UNSET:
        return {}
    sent = ((name, getattr(value, name)) for name in value.__dataclass_fields__)
    return {name.rstrip("_"): _sent(each) for name, each in sent if each is not UNSET}


def _sent(value: Any) -> Any:
    if isinstance(value, list):
        return [_sent(each) for each in value]
    return as_given(value) if has_object_definition(value) else value


def derived_input(name: str, fields: Mapping[str, tuple[Any, Any]]) -> Any:
    """A GraphQL input of these fields (name -> type, default or MISSING). A name that is a word of Python has an
    underscore behind it."""
    made = [
        (each, _plain(kind)) if default is MISSING else (each, Optional[_plain(kind)], dataclass_field(default=UNSET))  # noqa: UP045 - it may be a name
        for each, (kind, default) in fields.items()
    ]
    derived: Any = strawberry.input(make_dataclass(name, made, kw_only=True, namespace={"__module__": _named.__name__}))
    for each in derived.__strawberry_definition__.fields:
        if each.python_name.endswith("_"):
            each.graphql_name = each.python_name.rstrip("_")
    setattr(_named, name, derived)
    _DERIVED.add(derived)
    return derived


_named = ModuleType("kith.graphql.inputs.derived")
"""What was derived, by name: an input that contains itself names itself."""
sys.modules[_named.__name__] = _named


_DERIVED: set[Any] = set()


def fields_of(model: type[BaseModel]) -> Mapping[str, tuple[Any, Any]]:
    return {name: (f.annotation, MISSING if f.is_required() else f.default) for name, f in model.model_fields.items()}


@cache
def graphql_input_of(model: type[BaseModel]) -> Any:
    """Returns the GraphQL input of a model, which may contain itself."""
    _being_derived.add(model)
    derived = derived_input(_input_name(model), fields_of(model))
    _being_derived.remove(model)
    return derived


_being_derived: set[type[BaseModel]] = set()


def _input_name(model: type[BaseModel]) -> str:
    name = model.__name__
    return name if issubclass(model, (Where, FieldCondition)) else name.removesuffix("Input") + "Input"


def _plain(kind: Any) -> Any:
    """The bare type: constraints are the model's to check, once, with the whole input."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _plain(inner[0])
    if origin in (Union, types.UnionType):
        return Union[tuple(_plain(each) for each in inner)]  # noqa: UP007 - built at run time
    if origin in (list, tuple):
        return list[_plain(inner[0])]  # type: ignore[misc]
    if isinstance(kind, type) and issubclass(kind, Value):
        kind = input_of(kind)
    if kind in _being_derived:
        return ForwardRef(_input_name(kind))
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return JSON if is_document(kind) else graphql_input_of(kind)
    return JSON if origin is dict else kind


def is_document(kind: Any) -> bool:
    """Also where it may be left out."""
    return any(isinstance(each, type) and issubclass(each, Document) for each in (kind, *get_args(kind)))
