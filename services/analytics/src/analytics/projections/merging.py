"""Merged customers: who was merged into whom, and where a chain of merges ends."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple
from uuid import UUID

from analytics.projections.facts import RecordedEvent
from kith.events.contacts import CustomerMerged, CustomerUnmerged

MERGES = frozenset({CustomerMerged.type, CustomerUnmerged.type})


class Merged(NamedTuple):
    """A row of the table merged_customers."""

    customer_id: UUID
    into: UUID | None
    survivor: UUID
    version: int


def merged_by(events: Iterable[RecordedEvent]) -> list[Merged]:
    """Returns the merged customers after these merges and unmerges: of each customer the newest event holds."""
    newest: dict[UUID, RecordedEvent] = {}
    for event in sorted(events, key=lambda each: each.version):
        newest[event.subject] = event
    into = {
        customer: UUID(event.body["into"]) if event.type == CustomerMerged.type else None
        for customer, event in newest.items()
    }
    return [Merged(id, into[id], survivor_of(id, into), event.version) for id, event in newest.items()]


def survivor_of(customer: UUID, merges: Mapping[UUID, UUID | None]) -> UUID:
    """Returns the end of a chain of merges. The argument maps each customer to the one it was merged into, None once it
    was separated again. Customers merged in a circle all have the smallest of their ids as survivor."""
    seen = [customer]
    while (into := merges.get(seen[-1])) is not None:
        if into in seen:
            return min(seen[seen.index(into) :])
        seen.append(into)
    return seen[-1]
