"""A service's RESOURCES is one tuple: a noun that is in no API, or that nobody reconciles, cannot be."""

import pkgutil
from importlib import import_module

import pytest
from tests.contracts.nouns import SERVICES

from analytics.reconciliation.collections import COLLECTIONS
from analytics.service import SERVICE as ANALYTICS
from kith.api import api_of
from kith.events.catalogue import EVENTS
from kith.nouns.resource import Resource
from kith.nouns.validation import events_of
from kith.runtime.service import Service

services = pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)


@services
def test_every_form_is_in_the_api_of_its_service(service: Service) -> None:
    package = import_module(service.package)
    modules = [each.name for each in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")]
    forms = [import_module(name) for name in modules if name.endswith(".form")]
    filled_in = [each for form in forms for each in vars(form).values() if isinstance(each, Resource)]
    assert filled_in
    assert {each.name for each in filled_in} == {each.name for each in api_of(service).resources}


@services
def test_both_apis_are_given_the_one_tuple(service: Service) -> None:
    assert api_of(service).resources is import_module(f"{service.package}.resources").RESOURCES
    assert len({each.plural for each in api_of(service).resources}) == len(api_of(service).resources)


@services
def test_every_event_of_a_noun_is_in_the_catalogue(service: Service) -> None:
    for resource in api_of(service).resources:
        for event in (event for command in resource.commands for event in events_of(command)):
            assert EVENTS[event.type] is event
            assert event.type.partition(".")[0] == service.name


def test_every_noun_of_another_service_is_reconciled() -> None:
    fetched = {(each.service, each.name): each for each in COLLECTIONS}
    nouns = {
        (service.name, each.path): each
        for service in SERVICES
        if service is not ANALYTICS
        for each in api_of(service).resources
    }
    assert fetched.keys() == nouns.keys()
    for key, resource in nouns.items():
        assert fetched[key].one_per_tenant == (resource.singleton is not None)
        assert fetched[key].founded_by in events_of(resource.commands[0])
