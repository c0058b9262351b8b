"""The value objects of contacts: how to reach somebody, and where; and how long somebody is known."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Protocol, Self, TypeVar
from uuid import UUID

from kith.errors import Invalid
from kith.scalars import Code, Country, Day, Email, Flag, Id, Instant, Phone, Text, TimeOfDay, Whole
from kith.scalars.phones import dialled
from kith.values import Value, personal


@dataclass(frozen=True, kw_only=True, slots=True)
class EmailAddress(Value):
    """An address of e-mail, and what is known of it."""

    address: Email = personal(required=True)
    label: Code | None = None
    primary: Flag = False
    verified_at: Instant | None = None
    """When its owner confirmed it."""
    bounced_at: Instant | None = None
    """When mail to it came back for good."""

    def verified(self, at: datetime) -> Self:
        return replace(self, verified_at=at, bounced_at=None)

    def bounced(self, at: datetime) -> Self:
        return replace(self, bounced_at=at)


@dataclass(frozen=True, kw_only=True, slots=True)
class PhoneNumber(Value):
    """A telephone number, in E.164, and as it was written."""

    number: Phone = personal(required=True)
    written: Phone | None = personal()
    country: Country | None = None
    label: Code | None = None
    primary: Flag = False

    @property
    def shown(self) -> str:
        return self.written or self.number

    def read(self, country: str | None, *, field: str) -> Self:
        """Returns it in E.164; without a + it is dialled in its own country, or in this one. Raises Invalid."""
        found = dialled(self.number, self.country or country, field=field)
        written = self.number if self.number != found.e164 else self.written
        return replace(self, number=found.e164, written=written, country=found.country or self.country)


class AddressKind(StrEnum):
    POSTAL = "postal"
    BILLING = "billing"
    SHIPPING = "shipping"
    VISITING = "visiting"
    HOME = "home"


@dataclass(frozen=True, kw_only=True, slots=True)
class PostalAddress(Value):
    """An address of post. All that says where is personal: a person may live there."""

    kind: AddressKind = AddressKind.POSTAL
    country: Country | None = None
    primary: Flag = False
    street: Text | None = personal()
    """With the number of the house."""
    extra: Text | None = personal()
    """A floor, a building, in care of whom."""
    postal_code: Code | None = personal()
    city: Text | None = personal()
    region: Text | None = personal()


class Weekday(StrEnum):
    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


@dataclass(frozen=True, kw_only=True, slots=True)
class PreferredTime(Value):
    """When somebody wants to be reached, in the person's own time zone."""

    days: list[Weekday] = field(default_factory=list)
    """None: any."""
    begins: TimeOfDay
    ends: TimeOfDay


@dataclass(frozen=True, kw_only=True, slots=True)
class ContactRole(Value):
    """What a person is at a customer, and for how long."""

    customer_id: Id
    role: Code | None = None
    primary: Flag = False
    since: Day | None = None
    until: Day | None = None
    """The last day."""


class LifecycleStage(StrEnum):
    LEAD = "lead"
    PROSPECT = "prospect"
    CUSTOMER = "customer"
    LOYAL = "loyal"
    LAPSED = "lapsed"
    LOST = "lost"


MOST_RETENTION_RULES = 20
LEAST_DAYS = 30


class RetentionNoun(StrEnum):
    """What is erased."""

    CUSTOMER = "customer"
    CONTACT = "contact"
    NOTE = "note"
    ATTACHMENT = "attachment"


class RetentionSince(StrEnum):
    """Since when it is kept."""

    ARCHIVED = "archived"
    """Since it was archived, or its customer was."""
    UNUSED = "unused"
    """Since it was changed last, and since anything was recorded here that names it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RetentionRule(Value):
    """What is erased, and after how many days."""

    code: Code
    of: RetentionNoun
    since: RetentionSince
    days: Annotated[int, Whole(LEAST_DAYS, 36_500)]
    stages: list[LifecycleStage] = field(default_factory=list)
    """Of the customer whose record it is. None: any."""


class _HasPrimary(Protocol):
    @property
    def primary(self) -> bool: ...


V = TypeVar("V", bound=_HasPrimary)


def with_one_primary(values: Sequence[V], field: str) -> list[V]:
    """Returns the values with one that is primary: the first, if none is marked. Raises Invalid for two."""
    marked = [index for index, each in enumerate(values) if each.primary]
    if len(marked) > 1:
        raise Invalid("One is the primary one already.", field=f"{field}.{marked[1]}.primary")
    if marked or not values:
        return list(values)
    return [_primary(values[0], primary=True), *values[1:]]


def at_own_customer(roles: Sequence[ContactRole], own: Sequence[UUID], role: str | None) -> list[ContactRole]:
    """Returns the roles with one that is primary, at the contact's own customer: the first one there, or else this one.
    `own` are the ids of that customer, the one that was told first; it has two when it is merged. Raises Invalid."""
    for index, each in enumerate(roles):
        if each.primary and each.customer_id not in own:
            raise Invalid("The primary role is at the customer of the contact.", field=f"roles.{index}.customer_id")
        if each.since and each.until and each.until < each.since:
            raise Invalid("It ends before it begins.", field=f"roles.{index}.until")
    there = [index for index, each in enumerate(roles) if each.customer_id in own]
    if not there:
        return [ContactRole(customer_id=own[0], role=role, primary=True), *roles]
    if any(each.primary for each in roles):
        return with_one_primary(roles, "roles")
    return [_primary(each, primary=index == there[0]) for index, each in enumerate(roles)]


def primary_of(values: Sequence[V]) -> V | None:
    return next((each for each in values if each.primary), None)


def with_primary(values: Sequence[V], new: V | None, key: str) -> list[V]:
    """Returns the values with `new`, which is primary, instead of the one that was, or without that. Where one with the
    same `key` is in the list, that becomes the primary one."""
    others = [each for each in values if not each.primary]
    if new is None:
        return [_primary(each, primary=index == 0) for index, each in enumerate(others)]
    if any(getattr(each, key) == getattr(new, key) for each in others):
        return [_primary(each, primary=getattr(each, key) == getattr(new, key)) for each in values]
    kept = next((each for each in values if each.primary and getattr(each, key) == getattr(new, key)), new)
    return [kept, *others]


def each_once(values: Sequence[Any], field: str, key: str) -> None:
    """Raises Invalid for two values that have the same `key`."""
    seen = set()
    for index, each in enumerate(values):
        if (found := getattr(each, key)) in seen:
            raise Invalid("It is in the list already.", field=f"{field}.{index}.{key}")
        seen.add(found)


def _primary(value: V, *, primary: bool) -> V:
    changed: V = replace(value, primary=primary)  # type: ignore[type-var]  # every value object is a dataclass
    return changed
