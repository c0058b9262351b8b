"""All events of the published language, by type."""

import inspect
from collections.abc import Iterator
from types import ModuleType

from kith.events import analytics, contacts, sales, service_desk
from kith.events.envelope import Event

PRODUCERS: dict[str, ModuleType] = {
    "contacts": contacts,
    "sales": sales,
    "service-desk": service_desk,
    "analytics": analytics,
}


def events_of(module: ModuleType) -> Iterator[type[Event]]:
    """The event types a producer's module defines, in its order."""
    for _, kind in inspect.getmembers(module, inspect.isclass):
        if issubclass(kind, Event) and kind.__module__ == module.__name__ and "type" in vars(kind):
            yield kind


EVENTS: dict[str, type[Event]] = {kind.type: kind for module in PRODUCERS.values() for kind in events_of(module)}
QUALIFYING: frozenset[str] = frozenset(kind.type for kind in EVENTS.values() if kind.qualifies)
"""The types a tenant may count as activity."""
