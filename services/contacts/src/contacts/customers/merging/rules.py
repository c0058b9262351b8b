"""Merging: one customer was recorded as two. The one that remains takes what it lacks; when the two are separated again
it gives that back, unless it was changed since."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, is_dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from contacts.customers.rules import Customer, Merged, Taken
from contacts.erasure.rules import AlreadyErased
from contacts.values import PostalAddress
from kith.errors import Conflict, Invalid
from kith.events.contacts import CustomerAmended, CustomerMerged, CustomerUnmerged


class MergedField(StrEnum):
    """A field that the customer that remains may take from the one that is merged into it."""

    NAME = "name"
    COUNTRY = "country"
    SEGMENT = "segment"
    TIER = "tier"
    SOURCE = "source"
    OWNER_ID = "owner_id"
    INDUSTRY = "industry"
    SIZE = "size"
    LANGUAGE = "language"
    TIME_ZONE = "time_zone"
    WEBSITE = "website"
    ADDRESSES = "addresses"


class Wins(StrEnum):
    """Why a field has the value that it has after a merge."""

    KEPT = "kept"
    """The customer that remains has it already."""
    FILLED = "filled"
    """It had none."""
    CHOSEN = "chosen"
    """`take` names the field."""
    UNITED = "united"
    """Both have some of it."""


def merge(
    customer: Customer, *, at: datetime, into: UUID, take: Collection[MergedField], other: Customer
) -> tuple[CustomerMerged, CustomerAmended | None]:
    """Into another customer, which remains: from now on both are that one, and so is what both have done. It takes the
    fields that it lacks, and those that `take` names; tags are united. Its stage, its parent and its referrer stay.
    `:unmerge` undoes it."""
    ensure_mergeable(customer, other)
    customer.ensure_not_before_last_change(at)
    other.ensure_not_before_last_change(at)
    values = {name: value for name, (value, wins) in outcome(customer, other, take).items() if wins is not Wins.KEPT}
    for name, value in values.items():
        before, after = getattr(other, name), value
        if name == "tags":
            added = set(customer.tags) - (set(other.tags) - _added_by(other.taken))
            before, after = [], sorted(added)
        other.taken = [*other.taken, Taken(customer.id, name, _stored(before), _stored(after))]
    customer.merged_into, customer.told_merged_into = into, None
    return CustomerMerged(into=into), _amended(other, values)


def unmerge(
    customer: Customer, *, at: datetime, other: Customer | None = None
) -> tuple[CustomerUnmerged, CustomerAmended | None]:
    """It stands for itself again, with all that it was told, and all that was told of it since. The customer that it
    was merged into gives back what it took, where that was not changed since."""
    if other is None:
        raise Conflict(f"Customer {customer.id} is not merged.")
    customer.ensure_not_before_last_change(at)
    values: dict[str, Any] = {}
    for taken in [each for each in other.taken if each.of == customer.id]:
        _give_back(other, taken, values)
    customer.merged_into = customer.told_merged_into = None
    return CustomerUnmerged(out_of=other.id), _amended(other, values)


def ensure_mergeable(customer: Customer, other: Customer) -> None:
    """Raises Invalid or Conflict where the one cannot be merged into the other."""
    customer.ensure_not_erased()
    customer.ensure_not_merged()
    if other.id == customer.id:
        raise Invalid("A customer cannot be merged into itself.", field="into")
    if other.erased_at is not None:
        raise AlreadyErased(other)
    if other.merged_into is not None:
        raise Merged(other)
    if other.archived_at is not None:
        raise Invalid(f"Customer {other.id} is archived.", field="into")
    if other.kind is not customer.kind:
        raise Invalid("A person and an organisation are not one.", field="into")


def outcome(customer: Customer, other: Customer, take: Collection[MergedField]) -> Mapping[str, tuple[Any, Wins]]:
    """Returns what the customer that remains has in each field after the merge, and why."""
    found: dict[str, tuple[Any, Wins]] = {}
    for name in MergedField:
        mine, theirs = getattr(customer, name), getattr(other, name)
        if mine in (None, [], theirs):
            found[name] = theirs, Wins.KEPT
        elif name in take:
            found[name] = mine, Wins.CHOSEN
        else:
            found[name] = (mine, Wins.FILLED) if theirs in (None, []) else (theirs, Wins.KEPT)
    united = sorted({*customer.tags, *other.tags})
    # Tags that it took from another one before are noted again: they stay when only that other one is separated.
    is_kept = not set(customer.tags) - (set(other.tags) - _added_by(other.taken))
    return found | {"tags": (united, Wins.KEPT if is_kept else Wins.UNITED)}


def _added_by(taken: Collection[Taken]) -> set[str]:
    return {tag for each in taken if each.field == "tags" for tag in each.after}


def _give_back(other: Customer, taken: Taken, values: dict[str, Any]) -> None:
    """Puts into `values` what the field is without it."""
    later = other.taken[other.taken.index(taken) + 1 :]
    other.taken = [each for each in other.taken if each is not taken]
    if taken.field == "tags":
        gone = set(taken.after) - _added_by(other.taken)
        values["tags"] = [tag for tag in values.get("tags", other.tags) if tag not in gone]
        return
    above = next((each for each in later if each.field == taken.field), None)
    if above is not None:
        # What was taken later was put on top of this: without this, it is on top of what was below.
        below = Taken(above.of, above.field, taken.before, above.after)
        other.taken = [below if each is above else each for each in other.taken]
    elif _stored(getattr(other, taken.field)) == taken.after and not _is_forgotten(other, taken.field):
        values[taken.field] = _restored(taken.field, taken.before)


def _is_forgotten(other: Customer, field: str) -> bool:
    return other.erased_at is not None and field in Customer.PERSONAL


def _amended(other: Customer, values: Mapping[str, Any]) -> CustomerAmended | None:
    changed = {name: value for name, value in values.items() if value != getattr(other, name)}
    return CustomerAmended.of_changed(other, other.set(changed)) if changed else None


def _stored(value: Any) -> Any:
    """Returns a value as it is kept, and read again."""
    if isinstance(value, list):
        return [asdict(each) if is_dataclass(each) and not isinstance(each, type) else each for each in value]
    return str(value) if isinstance(value, UUID) else value


def _restored(field: str, kept: Any) -> Any:
    if field == MergedField.ADDRESSES:
        return [PostalAddress(**each) for each in kept]
    return UUID(kept) if field == MergedField.OWNER_ID and kept is not None else kept
