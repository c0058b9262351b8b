"""The value objects of opportunities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from uuid import UUID

from kith.errors import Invalid
from kith.scalars import Code, Id, Instant, Percentage
from kith.values import Value, filled

MOST_VISITS = 100
"""Of one opportunity, the last ones."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StageVisit(Value):
    """A time that an opportunity was in a stage, or won, or lost."""

    stage: Code
    entered_at: Instant
    left_at: Instant | None = None


MOST_CONTACTS, MOST_SPLITS = 50, 20


@dataclass(frozen=True, kw_only=True, slots=True)
class OpportunityContact(Value):
    """Somebody at the customer who has a say."""

    contact_id: Id
    role: Code | None = None
    """As `decision_maker` or `champion`."""
    told_contact_id: Id | None = filled()
    """The contact that was named, where that one was merged into this one."""

    @property
    def told(self) -> UUID:
        return self.told_contact_id or self.contact_id

    def pointed(self, remaining: Mapping[UUID, UUID]) -> "OpportunityContact":
        """Returns it with the contact that remains of the one that was named."""
        remains = remaining.get(self.told, self.told)
        return replace(self, contact_id=remains, told_contact_id=None if remains == self.told else self.told)


@dataclass(frozen=True, kw_only=True, slots=True)
class OpportunitySplit(Value):
    """What share of it is a user's."""

    user_id: Id
    percent: Percentage


def told_as_before(sent: Sequence[OpportunityContact], own: Sequence[OpportunityContact]) -> list[OpportunityContact]:
    """Returns the contacts that a client sent with those that were named for them, which a record keeps: they may be
    left out, and be no others. Raises Invalid."""
    found, named = [*sent], {each.contact_id for each in sent}
    kept = [each for each in own if each.told_contact_id is not None and each.told not in named]
    for is_same_role in (True, False):
        for place, each in enumerate(sent):
            for it in kept:
                is_it = it.contact_id == each.contact_id and each.told_contact_id in (None, it.told_contact_id)
                if is_it and found[place] is each and (it.role == each.role or not is_same_role):
                    found[place] = replace(each, told_contact_id=it.told_contact_id)
                    kept.remove(it)
                    break
    for place, (was, each) in enumerate(zip(sent, found, strict=True)):
        if was is each and each.told_contact_id is not None:
            raise Invalid("It follows from a merge: leave it out.", field=f"contacts.{place}.told_contact_id")
    return found


def check_contacts(contacts: Sequence[OpportunityContact]) -> None:
    """Raises Invalid."""
    _each_once([each.told for each in contacts], "contacts", "contact_id")


def check_splits(splits: Sequence[OpportunitySplit]) -> None:
    """Raises Invalid."""
    _each_once([each.user_id for each in splits], "splits", "user_id")
    if splits and (total := sum((each.percent for each in splits), Decimal(0))) != 100:
        raise Invalid(f"They come to {total.normalize():f} percent, and not to 100.", field="splits")


def _each_once(ids: Sequence[UUID], field: str, part: str) -> None:
    for place, id in enumerate(ids):
        if id in ids[:place]:
            raise Invalid("It is named once.", field=f"{field}.{place}.{part}")
