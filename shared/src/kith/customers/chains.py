"""Where a chain of merges ends, of whatever keeps who was merged into whom."""

from collections.abc import Mapping
from uuid import UUID


def survivors_of(into: Mapping[UUID, UUID | None]) -> dict[UUID, UUID]:
    """Returns the end of each customer's chain of merges. The argument maps each customer to the one it was merged
    into, None once it was separated again. Customers merged in a circle all have the smallest of their ids as
    survivor."""
    found: dict[UUID, UUID] = {}
    for customer in into:
        end, chain = customer, dict[UUID, None]()  # as an ordered set
        while end not in chain and end not in found and (target := into.get(end)) is not None:
            chain[end] = None
            end = target
        if end in chain:
            circle = list(chain)
            end = min(circle[circle.index(end) :])
        found |= dict.fromkeys([*chain, customer], found.get(end, end))
    return found
