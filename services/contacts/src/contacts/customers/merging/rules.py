"""Merging customers: from then on both are one, and so is what both have done."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from contacts.customers.rules import Customer, MergedField
from kith.events.contacts import CustomerAmended, CustomerMerged, CustomerUnmerged


def merge(
    customer: Customer,
    *,
    at: datetime,
    into: UUID,
    take: Collection[MergedField],
    other: Customer,
    shared: Collection[str] = (),
) -> tuple[CustomerMerged, CustomerAmended | None]:
    """Into another customer, which remains: from now on both are that one, and so is what both have done. It takes the
    fields that it lacks, and those that `take` names; tags are united. Its stage, its parent and its referrer stay, and
    of unique custom fields each keeps its own value. `:unmerge` undoes it."""
    changed = customer.merge_into(other, at, take, shared)
    return CustomerMerged(into=into), CustomerAmended.of_changed(other, changed) if changed else None


def unmerge(
    customer: Customer, *, at: datetime, other: Customer | None = None
) -> tuple[CustomerUnmerged, CustomerAmended | None]:
    """It stands for itself again, with all that it was told, and all that was told of it since. The customer that it
    was merged into gives back what it took, where that was not changed since."""
    changed = customer.separate_from(other, at)
    assert other is not None  # or it has refused
    return CustomerUnmerged(out_of=other.id), CustomerAmended.of_changed(other, changed) if changed else None
