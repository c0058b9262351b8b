"""All events of the published language, by type and by noun."""

import inspect
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any, TypeVar

import msgspec

from kith.events import (
    activities,
    analytics,
    attachments,
    consents,
    contacts,
    custom_fields,
    deliveries,
    exchange_rates,
    exchanges,
    forecast_adjustments,
    goals,
    invoices,
    leads,
    named_users,
    notes,
    people,
    pipelines,
    prices,
    quotas,
    quotes,
    reasons,
    sales,
    service_desk,
    subscriptions,
)
from kith.events.envelope import Envelope
from kith.events.event import Amended, Event, EventType, Replaced
from kith.events.named_users import naming_by_id

E = TypeVar("E", bound=Event)

PRODUCERS: dict[str, tuple[ModuleType, ...]] = {
    "contacts": (contacts, exchanges, people, custom_fields, consents, notes, attachments),
    "sales": (
        *(sales, pipelines, quotas, reasons, activities, leads, subscriptions, exchange_rates, invoices),
        *(deliveries, goals, forecast_adjustments, prices, quotes),
    ),
    "service-desk": (service_desk,),
    "analytics": (analytics,),
}
"""The modules that declare what a service publishes."""


@dataclass(frozen=True)
class Noun:
    """What can happen to the aggregates of a noun."""

    name: str
    """`service.noun`"""
    events: tuple[type[Event], ...]

    @cached_property
    def types(self) -> tuple[str, ...]:
        return tuple(each.type for each in self.events)

    @cached_property
    def attributes(self) -> frozenset[str]:
        """The fields that hold until another event says otherwise; all other fields are their event's only."""
        lasting = (each for each in self.events if each.creates or issubclass(each, Amended))
        return frozenset(name for each in lasting for name in each.__struct_encode_fields__) - {"changed"}

    @cached_property
    def happens_once(self) -> bool:
        """Whether an aggregate has one event and no second."""
        return len(self.events) == 1 and not issubclass(self.events[0], Replaced)


def events_of(module: ModuleType) -> Iterator[type[Event]]:
    """The event types a producer's module defines, in its order."""
    for _, kind in inspect.getmembers(module, inspect.isclass):
        if issubclass(kind, Event) and kind.__module__ == module.__name__ and "type" in vars(kind):
            yield kind


def newer_of(kinds: Collection[type[Event]]) -> dict[str, type[Event]]:
    """By each type that is superseded the version after it. Raises TypeError if that type itself is not there: it was
    published, and stays readable."""
    types = {kind.type: kind for kind in kinds}
    found = {before: kind for kind in kinds if (before := EventType.of(kind.type).before)}
    for before, kind in found.items():
        if before not in types:
            raise TypeError(f"{kind.type} supersedes {before}, which is not there")
        if _declared(kind) != _declared(types[before]):
            raise TypeError(f"{kind.type} declares another noun, or another begin, than {before}")
    return found


def _declared(kind: type[Event]) -> tuple[str, bool, bool]:
    return kind.noun, kind.creates, kind.starts_clock


def nouns_of(kinds: Collection[type[Event]]) -> dict[str, Noun]:
    """By `service.noun`, of the newest versions. Raises TypeError for a noun that no event creates."""
    superseded = newer_of(kinds)
    found: dict[str, list[type[Event]]] = {}
    for kind in kinds:
        if kind.type not in superseded:
            found.setdefault(kind.noun, []).append(kind)
    for name, events in found.items():
        if not any(each.creates for each in events):
            raise TypeError(f"No event creates a {name}: {', '.join(each.type for each in events)}")
    return {name: Noun(name, tuple(events)) for name, events in found.items()}


EVENTS: dict[str, type[Event]] = {
    kind.type: kind for modules in PRODUCERS.values() for module in modules for kind in events_of(module)
}
NOUNS: dict[str, Noun] = nouns_of(EVENTS.values())
NEWER: dict[str, type[Event]] = newer_of(EVENTS.values())
QUALIFYING: frozenset[str] = frozenset(kind.type for kind in EVENTS.values() if kind.qualifies)
"""The types a tenant may count as activity."""


NAMING_USERS: frozenset[str] = frozenset(
    kind.type for kind in EVENTS.values() if not named_users.FIELDS.isdisjoint(kind.__struct_encode_fields__)
)
"""The types that have a field which names a user."""


def upcast(tenant: str, type: str, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The type and the body that the tenant's event would be published with today."""
    body = naming_by_id(tenant, body) if type in NAMING_USERS else body
    while (newer := NEWER.get(type)) is not None:
        type, body = newer.type, newer.upcast(body)
    return type, body


def decode(envelope: Envelope, kind: type[E]) -> E:
    """The body of an event of this type, or of a version that it supersedes."""
    if envelope.type == kind.type and kind.type not in NAMING_USERS:
        return msgspec.json.decode(envelope.data, type=kind)
    body = msgspec.json.decode(envelope.data, type=dict[str, Any])
    if envelope.type == kind.type:
        body = naming_by_id(envelope.tenant_id, body)
    else:
        _, body = upcast(envelope.tenant_id, envelope.type, body)
    return msgspec.convert(body, kind)


def current(type: str) -> str:
    """The newest version of the type."""
    while (newer := NEWER.get(type)) is not None:
        type = newer.type
    return type


def versions_of(type: str) -> Iterator[str]:
    """The type and the versions it supersedes: a ledger may hold it as any of them."""
    yield type
    while before := type in EVENTS and EventType.of(type).before:
        yield (type := before)
