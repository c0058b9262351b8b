"""Merged customers: who was merged into whom, as the events tell it."""

from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from analytics.projections.facts import RecordedEvent
from kith.customers.chains import survivors_of
from kith.events.contacts import CustomerMerged, CustomerUnmerged

MERGES = frozenset({CustomerMerged.type, CustomerUnmerged.type})


class Merged(NamedTuple):
    """A row of the table merged_customers."""

    customer_id: UUID
    into: UUID | None
    survivor: UUID
    version: int


def newest_of(events: Iterable[RecordedEvent]) -> dict[UUID, RecordedEvent]:
    """Returns the newest merge or unmerge of each customer: it says whether the customer is merged, and into whom."""
    newest: dict[UUID, RecordedEvent] = {}
    for event in events:
        if event.subject not in newest or newest[event.subject].version < event.version:
            newest[event.subject] = event
    return newest


def target_of(event: RecordedEvent | None) -> UUID | None:
    """Returns the customer that the event merges its subject into; None for an unmerge, and for no event."""
    return UUID(event.body["into"]) if event is not None and event.type == CustomerMerged.type else None


def merged_by(events: Iterable[RecordedEvent]) -> list[Merged]:
    """Returns the merged customers after these merges and unmerges: of each customer the newest event holds."""
    newest = newest_of(events)
    into = {customer: target_of(event) for customer, event in newest.items()}
    survivors = survivors_of(into)
    return [Merged(id, into[id], survivors[id], event.version) for id, event in newest.items()]
