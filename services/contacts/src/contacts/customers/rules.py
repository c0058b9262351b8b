"""Customer: a party we deal with, the unit of relationship. Other services know it by its id alone."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Self
from uuid import UUID

from contacts.merging import rules as merging
from contacts.merging.rules import Mergeable
from contacts.values import LifecycleStage, PostalAddress, with_one_primary
from kith.error_codes import ErrorCode
from kith.errors import Conflict, Invalid
from kith.events.contacts import (
    CustomerAmended,
    CustomerArchived,
    CustomerCreated,
    CustomerErased,
    CustomerLifecycleMoved,
    CustomerMerged,
    CustomerRestored,
    CustomerUnmerged,
)
from kith.nouns.aggregate import Customisable


class CustomerKind(StrEnum):
    ORGANISATION = "organisation"
    PERSON = "person"


_S = LifecycleStage


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


class Merged(merging.Merged):
    code = ErrorCode.CUSTOMER_MERGED


MOVES: Mapping[LifecycleStage, tuple[LifecycleStage, ...]] = {
    _S.LEAD: (_S.PROSPECT, _S.CUSTOMER, _S.LOST),
    _S.PROSPECT: (_S.LEAD, _S.CUSTOMER, _S.LOST),
    _S.CUSTOMER: (_S.LOYAL, _S.LAPSED, _S.LOST),
    _S.LOYAL: (_S.CUSTOMER, _S.LAPSED, _S.LOST),
    _S.LAPSED: (_S.CUSTOMER, _S.LOST),
    _S.LOST: (_S.LEAD, _S.PROSPECT, _S.CUSTOMER),
}
"""Who has bought is never a lead again, unless lost before; who has not cannot lapse."""


@dataclass(kw_only=True, eq=False)
class Customer(Mergeable, Customisable):
    """An organisation or a person that the tenant has a relationship with."""

    PERSONAL = ("name", "website", "addresses", "language", "time_zone", "custom_personal")
    SINGLE = tuple(MergedField)
    UNITED: ClassVar = {"tags": str}
    MERGED = Merged

    kind: CustomerKind
    name: str | None
    """None: it was erased."""
    country: str | None = None
    segment: str | None = None
    tier: str | None = None
    source: str | None = None
    """Where it came from."""
    owner_id: UUID | None = None
    """The user of the tenant who looks after the relationship."""
    tags: list[str] = field(default_factory=list)
    """In order, each once."""
    referred_by: UUID | None = None
    """The customer through whom it came."""
    parent_id: UUID | None = None
    """The organisation that it is a part of."""
    stage: LifecycleStage | None = None
    """None: nobody has said."""
    stage_since: datetime | None = None
    industry: str | None = None
    size: str | None = None
    language: str | None = None
    time_zone: str | None = None
    website: str | None = None
    addresses: list[PostalAddress] = field(default_factory=list)
    told_referred_by: UUID | None = None
    told_parent_id: UUID | None = None

    def relationship(self) -> UUID | None:
        return self.id

    @classmethod
    def create(
        cls, *, id: UUID, at: datetime, tags: Sequence[str], addresses: Sequence[PostalAddress] = (), **fields: Any
    ) -> tuple[Self, CustomerCreated]:
        it = cls(id=id, tags=sorted(set(tags)), addresses=with_one_primary(addresses, "addresses"), **fields)
        it.stage_since = None if it.stage is None else at
        return it, CustomerCreated.of(it)

    def amend(self, *, at: datetime, **fields: Any) -> CustomerAmended:
        """Only the fields sent change; one sent as null is cleared."""
        if fields.get("referred_by") == self.id:
            raise Invalid("A customer cannot have referred itself.", field="referred_by")
        if fields.get("parent_id") == self.id:
            raise Invalid("A customer is no part of itself.", field="parent_id")
        if "addresses" in fields:
            fields["addresses"] = with_one_primary(fields["addresses"], "addresses")
        if "tags" in fields:
            fields["tags"] = sorted(set(fields["tags"]))
        self.ensure_not_erased()
        self.ensure_not_merged()
        self.ensure_not_before_last_change(at)
        return CustomerAmended.of_changed(self, self.set(fields))

    def move(self, *, at: datetime, stage: LifecycleStage, reason: str | None) -> CustomerLifecycleMoved:
        """To another stage of the relationship: a lead or a prospect becomes a customer or is lost; a customer becomes
        loyal, lapses or is lost; one that lapsed or was lost comes back. Say why it is lost."""
        self.ensure_not_erased()
        self.ensure_not_merged()
        self.ensure_not_before_last_change(at)
        left = self.stage
        if stage is left:
            raise Conflict(f"Customer {self.id} is in stage {stage} already.", field="stage")
        if left is not None and stage not in MOVES[left]:
            raise Conflict(f"From {left} it moves to {', '.join(MOVES[left])}.", field="stage")
        if stage is LifecycleStage.LOST and reason is None:
            raise Invalid("Say why it is lost.", field="reason")
        self.stage, self.stage_since = stage, at
        return CustomerLifecycleMoved.of(self, from_stage=left, reason=reason)

    def archive(self, *, at: datetime) -> CustomerArchived:
        """It is left out of lists, and is not changed until it is restored. What happened stays counted."""
        self.put_away(at)
        return CustomerArchived()

    def restore(self, *, at: datetime) -> CustomerRestored:
        """It is in lists again, as it was."""
        self.take_back(at)
        return CustomerRestored()

    def erase(self, *, at: datetime, actor: str) -> CustomerErased:
        """Name, website and addresses go for good, and the customers that were merged into it go with it. Its contacts
        are erased one by one."""
        self.ensure_erasable_by(actor)
        self.forget(at)
        self.forget_taken()
        return CustomerErased()

    def merge(
        self,
        *,
        at: datetime,
        into: UUID,
        take: Collection[MergedField],
        other: Self,
        shared: Collection[str] = (),
    ) -> tuple[CustomerMerged, CustomerAmended | None]:
        """Into another customer, which remains: from now on both are that one, and so is what both have done. It takes
        the fields that it lacks, and those that `take` names; tags are united. Its stage, its parent and its referrer
        stay, and of unique custom fields each keeps its own value. `:unmerge` undoes it."""
        changed = self.merge_into(other, at, take, shared)
        return CustomerMerged(into=into), CustomerAmended.of_changed(other, changed) if changed else None

    def unmerge(self, *, at: datetime, other: Self | None = None) -> tuple[CustomerUnmerged, CustomerAmended | None]:
        """It stands for itself again, with all that it was told, and all that was told of it since. The customer that
        it was merged into gives back what it took, where that was not changed since."""
        changed = self.separate_from(other, at)
        assert other is not None  # or it has refused
        return CustomerUnmerged(out_of=other.id), CustomerAmended.of_changed(other, changed) if changed else None

    def ensure_mergeable(self, other: Mergeable) -> None:
        super().ensure_mergeable(other)
        if isinstance(other, Customer) and other.kind is not self.kind:
            raise Invalid("A person and an organisation are not one.", field="into")

    def settled(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        return {name: sorted(value) if name == "tags" else value for name, value in fields.items()}


MOST_LEVELS = 10


class Hierarchy:
    """A part of a tenant's tree of organisations: those above the ones that are named, and those below the ones that
    are moved."""

    def __init__(self, rows: Iterable[tuple[UUID, UUID | None, CustomerKind]]) -> None:
        self._parents: dict[UUID, UUID | None] = {}
        self._kinds: dict[UUID, CustomerKind] = {}
        self._children: defaultdict[UUID, set[UUID]] = defaultdict(set)
        for id, parent, kind in rows:
            self._put(id, parent, kind)

    def place(self, customer: Customer) -> None:
        """Puts a customer where it says that it belongs. Raises Invalid for what would be no tree of organisations."""
        parent = customer.parent_id
        above = self._above(parent)
        if customer.id in above:
            raise Invalid(f"Customer {parent} is a part of this one.", field="parent_id")
        if parent is not None and self._kinds.get(parent) is CustomerKind.PERSON:
            raise Invalid(f"Customer {parent} is a person: only an organisation has parts.", field="parent_id")
        if customer.kind is CustomerKind.PERSON and self._children[customer.id]:
            raise Invalid("It has parts, and only an organisation has.", field="kind")
        if len(above) + self._levels(customer.id) > MOST_LEVELS:
            raise Invalid(f"A tree of organisations has at most {MOST_LEVELS} levels.", field="parent_id")
        self._put(customer.id, parent, customer.kind)

    def is_below(self, id: UUID, other: UUID) -> bool:
        """Whether the one is the other, or a part of it."""
        return other in self._above(id)

    def _put(self, id: UUID, parent: UUID | None, kind: CustomerKind) -> None:
        if (before := self._parents.get(id)) is not None:
            self._children[before].discard(id)
        self._parents[id], self._kinds[id] = parent, kind
        if parent is not None:
            self._children[parent].add(id)

    def _above(self, id: UUID | None) -> list[UUID]:
        found = list[UUID]()
        while id is not None and id not in found:
            found.append(id)
            id = self._parents.get(id)
        return found

    def _levels(self, id: UUID) -> int:
        """Returns how many levels there are from this one down."""
        level, levels = {id}, 0
        while level:
            level, levels = {child for each in level for child in self._children[each]}, levels + 1
        return levels
