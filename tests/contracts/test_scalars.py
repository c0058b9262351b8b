"""No way in has scalars of its own: kith.scalars reads each parameter, each field of a body, and each argument."""

from collections.abc import Iterator
from enum import Enum
from typing import Any, get_args

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from strawberry.types import get_object_definition

from analytics.service import SERVICE as ANALYTICS
from contacts.service import SERVICE as CONTACTS
from kith.api import api_of
from kith.dead_letters.rest import dead_letters_router
from kith.nouns.rest import Rest
from kith.nouns.value_inputs import input_of
from kith.runtime.service import Service
from kith.scalars import Scalar, bare_scalars
from kith.values import Value
from sales.service import SERVICE as SALES
from service_desk.service import SERVICE as SERVICE_DESK

services = pytest.mark.parametrize("service", [CONTACTS, SALES, SERVICE_DESK, ANALYTICS], ids=lambda each: each.name)
ELSEWHERE = {"accept-language", "if-match", "Kith-File-Name"}
"""Headers: the first is written by browsers, and understood as far as it can be; the second is read by
kith.nouns.parameters.version_of; what the third has encoded is read as a body's `file_name`."""

LATER = {"CreateExport.where"}
"""Fields of bodies: a condition is read as those of the noun's lists are, when the noun is known."""


def bare(field: FieldInfo, seen: set[type]) -> Iterator[str]:
    """The scalars in a field that nothing says the spelling of."""
    if any(isinstance(each, Scalar) for each in field.metadata):
        return
    yield from (str(each) for each in bare_scalars(field.annotation))
    for model in models_in(field.annotation):
        yield from bare_of(model, seen)


def bare_of(model: type[BaseModel], seen: set[type]) -> Iterator[str]:
    if model in seen:
        return
    seen.add(model)
    for name, field in model.model_fields.items():
        if f"{model.__name__}.{name}" in LATER:
            continue
        yield from (f"{model.__name__}.{name}: {each}" for each in bare(field, seen))


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    if isinstance(annotation, type) and issubclass(annotation, Value):
        yield input_of(annotation)
    for each in get_args(annotation):
        if not isinstance(each, type) or not issubclass(each, Enum):
            yield from models_in(each)


def parameters(dependant: Dependant) -> Iterator[Any]:
    yield from (*dependant.path_params, *dependant.query_params, *dependant.header_params)
    for each in dependant.dependencies:
        yield from parameters(each)


@services
def test_every_parameter_and_every_body_is_read_by_the_scalars(service: Service) -> None:
    api = api_of(service)
    rests = [Rest(listing) for listing in api.listings.values()]
    routers = [
        *(each.router for each in rests),
        *(router for each in api.features for router in each.routers),
        dead_letters_router(service.name),
    ]
    found, seen, count = list[str](), set[type](), 0
    for route in (route for router in routers for route in router.routes if isinstance(route, APIRoute)):
        assert not route.dependant.body_params, f"{route.path}: a body is read by kith.nouns.parameters.body"
        for each in parameters(route.dependant):
            count += 1
            if each.alias not in ELSEWHERE:
                found += [f"{route.path} {each.alias}: {bare}" for bare in bare(each.field_info, seen)]
    for model in [
        model for each in [each.models for each in rests] + [each.models for each in api.features] for model in each
    ]:
        found += bare_of(model, seen)
    assert count > 20
    assert seen
    assert found == []


@services
def test_every_argument_is_read_by_the_scalars(service: Service) -> None:
    schema = api_of(service).schema
    unread, read = [], 0
    for name in schema._schema.type_map:
        definition = None if name.startswith("__") else schema.get_type_by_name(name)
        if definition is None or get_object_definition(getattr(definition, "origin", None)) is None:
            continue
        for field in definition.fields:  # type: ignore[union-attr]
            if not field.arguments or name == "Mutation" or field.name.startswith("_"):
                continue  # a mutation reads its own, to answer a Problem
            if field.name == "node":
                continue  # what its id may be, kith.graphql.nodes says
            read += 1
            resolver: Any = field.base_resolver
            if not hasattr(resolver.wrapped_func, "__wrapped__"):
                unread.append(f"{name}.{field.name}")
    assert read
    assert unread == []
