"""Merged customers: where a chain of merges ends."""

from collections.abc import Mapping
from uuid import UUID


def survivor_of(customer: UUID, told: Mapping[UUID, UUID | None]) -> UUID:
    """The end of the chain of what was told: customer by customer whom it was merged into, None once it was separated
    again. Customers merged in a circle are all the smallest of them."""
    seen = [customer]
    while (into := told.get(seen[-1])) is not None:
        if into in seen:
            return min(seen[seen.index(into) :])
        seen.append(into)
    return seen[-1]
